"""docs/security.md: that it is current, and that it says what there is to say."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.program.config import load
from workbench.program.graph import Graph
from workbench.security.page import COMMAND, security_page
from workbench.security.placeholders import graph_with_placeholders

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_with_placeholders(load("local"))


def section(page: str, title: str) -> str:
    [found] = re.findall(rf"^#+ {title}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    return found


def test_the_page_in_the_docs_is_current(graph: Graph) -> None:
    assert PAGE.read_text(encoding="utf-8") == security_page(graph), (
        f"The program allows something else than docs/security.md says. Look at what has changed, then run `{COMMAND}`."
    )


def test_every_role_is_listed_with_every_statement_it_has(graph: Graph) -> None:
    page = security_page(graph)
    policies = graph.of_type("aws:iam/rolePolicy:RolePolicy")
    assert len(policies) == len(graph.of_type("aws:iam/role:Role")) == 4
    for policy in policies:
        role = section(page, policy.name.replace("-policy", "-role"))
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            [row] = [line for line in role.splitlines() if f"`{sorted(statement['Action'])[0]}`" in line]
            assert all(f"`{action}`" in row for action in statement["Action"])
            assert f"`{statement['Resource']}`" in row
            for values in statement.get("Condition", {}).values():
                assert all(f"`{key}` is `{value}`" in row for key, value in values.items())


def test_the_page_names_no_made_up_value_and_no_stack(graph: Graph) -> None:
    page = security_page(graph)
    assert "arn:aws:s3:::<models>/bundles/*" in page
    assert "arn:aws:elasticfilesystem:<region>:<account>:file-system/<efs-files>" in page
    assert not re.search(r"0{12}|us-east-1|ml-inference-local|\b(fs|fsap|sg|vpc|pl)-[0-9a-f]{8}|-[0-9a-f]{7}\b", page)


def test_the_page_is_the_same_for_another_region() -> None:
    assert security_page(graph_with_placeholders(load("local", ["aws:region=eu-west-1"]))) == PAGE.read_text(
        encoding="utf-8"
    )


def test_a_wildcard_that_nobody_has_explained_stands_out(graph: Graph) -> None:
    statement = {"Effect": "Allow", "Action": ["dynamodb:Scan", "s3:*"], "Resource": "*"}
    widened = Graph(
        [
            dataclasses.replace(resource, inputs=resource.inputs | {"policy": json.dumps({"Statement": [statement]})})
            if resource.name == "s3-policy"
            else resource
            for resource in graph.resources
        ]
    )
    wildcards = section(security_page(widened), "Wildcards")
    assert "**There are wildcards in the actions of s3-role.**" in wildcards
    assert "| `dynamodb:Scan` | s3-role | **no reason is given** |" in wildcards
    assert "no reason" not in security_page(graph)


def test_the_command_prints_the_page_of_a_stack_with_other_settings() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "security", "-c", 'architectures=["oci"]', "-c", "auth=iam"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PAGE.parents[1],
    )
    assert done.returncode == 0, done.stderr
    assert "| `<oci-api-http>` | `POST /` on stage `develop` | `AWS_IAM` | 10 | 20 |" in done.stdout
    assert "No function is in a VPC." in done.stdout
    assert "efs-role" not in done.stdout
