"""The policy pack in its own environment, started as the Pulumi CLI starts it and asked as the engine asks it.

There is no engine here. The messages are those that it would send, made of the graph that the program registers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from graphs import provider_of
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from policy.rules import RULES
from workbench.program.config import load
from workbench.program.graph import Graph, is_unknown
from workbench.program.preview import Unknown
from workbench.program.runner import run

PROJECT = Path(__file__).parents[2]
PYTHON = PROJECT / "policy" / ".venv" / "bin" / "python"

Diagnostics = list[analyzer_pb2.AnalyzeDiagnostic]


@pytest.fixture(scope="module")
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    assert PYTHON.exists(), "The pack has an environment of its own; `make policy/.venv/.pack` makes it."
    process = subprocess.Popen(
        # The first argument is the address of the engine, which a pack of validations never calls.
        [PYTHON, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PROJECT / "policy")],
        stdout=subprocess.PIPE,
        cwd=PROJECT / "policy",
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
    )
    with contextlib.ExitStack() as exits:
        exits.callback(process.wait)
        exits.callback(process.kill)
        assert process.stdout is not None
        exits.enter_context(process.stdout)
        port = int(process.stdout.readline())
        channel = exits.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        yield analyzer_pb2_grpc.AnalyzerStub(channel)


def ask(
    pack: analyzer_pb2_grpc.AnalyzerStub, graph: Graph, changes: dict[str, dict[str, Any]] | None = None
) -> Diagnostics:
    """What the pack says about a graph, with other inputs for some types of resources."""
    found: Diagnostics = []
    resources = []
    for resource in graph.resources:
        provider = provider_of(graph, resource)
        given = {
            "type": resource.type,
            "urn": resource.urn,
            "name": resource.name,
            "properties": struct(resource.inputs | (changes or {}).get(resource.type, {})),
            "provider": provider
            and analyzer_pb2.AnalyzerProviderResource(
                type=provider.type, urn=provider.urn, name=provider.name, properties=struct(provider.inputs)
            ),
        }
        found += pack.Analyze(analyzer_pb2.AnalyzeRequest(**given)).diagnostics
        resources.append(
            analyzer_pb2.AnalyzerResource(
                **given,
                parent=resource.parent,
                dependencies=resource.depends_on,
                propertyDependencies={
                    key: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns) for key, urns in resource.sources.items()
                },
            )
        )
    return found + list(pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources)).diagnostics)


def struct(inputs: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(on_the_wire(inputs), struct_pb2.Struct())


def on_the_wire(value: Any) -> Any:
    """A value as the engine sends it: one that is not known yet is a text that says so; no rule looks into files."""
    if isinstance(value, dict):
        return {key: on_the_wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [on_the_wire(item) for item in value]
    if isinstance(value, pulumi.FileAsset):
        return value.path
    return UNKNOWN if is_unknown(value) else value


def test_the_pack_registers_every_rule_as_mandatory(pack: analyzer_pb2_grpc.AnalyzerStub) -> None:
    info = pack.GetAnalyzerInfo(empty_pb2.Empty())
    assert info.name == "ml-inference"
    assert [policy.name for policy in info.policies] == [rule.name for rule in RULES]
    assert {policy.enforcementLevel for policy in info.policies} == {analyzer_pb2.MANDATORY}
    assert all(policy.description for policy in info.policies)


def test_the_stack_passes(pack: analyzer_pb2_grpc.AnalyzerStub, whole_graph: Graph) -> None:
    assert ask(pack, whole_graph) == []


def test_a_resource_that_breaks_a_rule_is_named_with_what_to_do(
    pack: analyzer_pb2_grpc.AnalyzerStub, whole_graph: Graph
) -> None:
    [found] = ask(pack, whole_graph, {"aws:efs/fileSystem:FileSystem": {"encrypted": False}})
    assert found.policyName == "encrypted-file-systems"
    assert found.enforcementLevel == analyzer_pb2.MANDATORY
    assert found.urn.endswith("::ml-inference-local-efs-files")
    assert "set encrypted" in found.message


def test_resources_that_break_a_rule_together_are_named(
    pack: analyzer_pb2_grpc.AnalyzerStub, whole_graph: Graph
) -> None:
    found = ask(pack, whole_graph, {"aws:apigatewayv2/stage:Stage": {"defaultRouteSettings": None}})
    assert {item.policyName for item in found} == {"throttled-apis"}
    assert {item.urn.rpartition("::")[2] for item in found} == {
        f"ml-inference-local-{architecture}-api-stage" for architecture in ("efs", "s3", "oci")
    }


def test_the_preview_of_a_new_stack_fails_no_rule_and_leaves_to_the_update_what_needs_values(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    graph = run(load("local"), Unknown(), preview=True)
    found = ask(pack, graph)
    assert {item.enforcementLevel for item in found} == {analyzer_pb2.ADVISORY}
    assert all("can't be known during preview" in item.message for item in found)
    # Policy documents and digests are made of ARNs and of images that are not there yet; all else is checked.
    assert {item.policyName for item in found} == {
        "no-plain-text",
        "no-public-access",
        "least-privilege",
        "images-by-digest",
    }


def test_a_preview_of_a_new_stack_fails_the_rules_whose_values_are_there(
    pack: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    graph = run(load("local"), Unknown(), preview=True)
    found = ask(pack, graph, {"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {"blockPublicAcls": False}})
    mandatory = {item.policyName for item in found if item.enforcementLevel == analyzer_pb2.MANDATORY}
    assert mandatory == {"no-public-buckets"}
