"""Graphs of the real program, previewed once each: every subset of architectures, and every way of authorisation."""

from __future__ import annotations

import functools
import itertools
import json

import pytest

from workbench.program.config import load
from workbench.program.graph import Graph
from workbench.program.preview import preview

ARCHITECTURES = ("efs", "s3", "oci")
SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(ARCHITECTURES, size)]
AUTH = {
    "iam": ("auth=iam",),
    "jwt": ("auth=jwt", 'jwt={"issuer": "https://issuer.example", "audience": ["me"]}'),
}
STACKS = {"+".join(subset): (subset, ()) for subset in SUBSETS} | {
    f"all with {auth}": (ARCHITECTURES, settings) for auth, settings in AUTH.items()
}


@functools.cache
def graph_of(architectures: tuple[str, ...], settings: tuple[str, ...] = ()) -> Graph:
    return preview(load("local", [f"architectures={json.dumps(architectures)}", *settings]))


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return graph_of(*STACKS[request.param])


@pytest.fixture
def whole_graph() -> Graph:
    return graph_of(ARCHITECTURES)
