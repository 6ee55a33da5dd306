"""No refactoring replaces what users have deployed: every URN that was is."""

from __future__ import annotations

import json

import pytest
from urns import COMMAND, RECORD, VARIANTS, urns, variants

from workbench.program.graph import Graph

RECORDED: dict[str, list[str]] = json.loads(RECORD.read_text(encoding="utf-8"))

# What is lost with the resource, beyond the time that it takes to make another.
DATA = ("aws:efs/fileSystem:FileSystem", "aws:s3/bucket:Bucket", "aws:ecr/repository:Repository", "LogGroup")


@pytest.fixture(scope="module")
def current() -> dict[str, list[str]]:
    return variants()


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_resource_of_a_deployed_stack_is_replaced(variant: str, current: dict[str, list[str]]) -> None:
    gone = sorted(set(RECORDED[variant]) - set(current[variant]))
    with_data = [urn for urn in gone if any(kind in urn for kind in DATA)]
    assert not gone, (
        f"With {variant}, `pulumi up` would delete {len(gone)} resources of a deployed stack and make others instead, "
        f"{len(with_data)} of them with data: {gone}. Give each an alias that names its old URN, so that Pulumi keeps "
        f"it. If deleting it is what you want, say so in the commit, and run `{COMMAND}`."
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_new_resources_are_recorded(variant: str, current: dict[str, list[str]]) -> None:
    new = sorted(set(current[variant]) - set(RECORDED[variant]))
    assert not new, (
        f"With {variant}, these resources are new: {new}. From now on users have them; if none of them is meant to "
        f"take the place of another, record them with `{COMMAND}`."
    )


def test_switching_an_architecture_on_or_off_leaves_the_others_alone(graph: Graph, whole_graph: Graph) -> None:
    assert set(urns(graph)) <= set(urns(whole_graph))
