"""Least privilege: what each role of the program may do, in full."""

from __future__ import annotations

import json
from typing import Any

from workbench.program.graph import Graph

LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
NETWORK_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
# Neither has a resource that could be named: see the docstrings in infra/policies.py.
WITHOUT_RESOURCE = {*TRACES, *NETWORK_INTERFACES}

ALLOWED = {
    "ml-inference-local-efs": {LOGS, TRACES, NETWORK_INTERFACES, ("elasticfilesystem:ClientMount",)},
    "ml-inference-local-efs-loader": {
        LOGS,
        TRACES,
        NETWORK_INTERFACES,
        ("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"),
        ("s3:GetObject",),
    },
    "ml-inference-local-s3": {LOGS, TRACES, ("s3:GetObject",)},
    "ml-inference-local-oci": {LOGS, TRACES},
}


def statements(graph: Graph) -> dict[str, list[dict[str, Any]]]:
    return {
        policy.name.removesuffix("-policy"): json.loads(policy.inputs["policy"])["Statement"]
        for policy in graph.of_type("aws:iam/rolePolicy:RolePolicy")
    }


def test_every_role_is_allowed_exactly_what_its_function_does(whole_graph: Graph) -> None:
    allowed = {}
    for name, listed in statements(whole_graph).items():
        assert {statement["Effect"] for statement in listed} == {"Allow"}
        allowed[name] = {tuple(statement["Action"]) for statement in listed}
    assert allowed == ALLOWED


def test_no_role_has_more_than_its_one_inline_policy(whole_graph: Graph) -> None:
    roles = whole_graph.of_type("aws:iam/role:Role")
    assert len(roles) == len(whole_graph.of_type("aws:iam/rolePolicy:RolePolicy")) == len(ALLOWED)
    assert not [resource for resource in whole_graph.resources if "Attachment" in resource.type]
    for role in roles:
        assert set(role.inputs) == {"assumeRolePolicy"} | ({"forceDetachPolicies"} & set(role.inputs))
        trust = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert trust == [
            {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
        ]


def test_a_wildcard_resource_stands_only_where_aws_has_no_other(whole_graph: Graph) -> None:
    for name, listed in statements(whole_graph).items():
        for statement in listed:
            assert all("*" not in action for action in statement["Action"])
            if statement["Resource"] == "*":
                assert set(statement["Action"]) <= WITHOUT_RESOURCE, name


def test_reading_is_limited_to_the_bundles_of_the_bucket(whole_graph: Graph) -> None:
    [bucket] = whole_graph.of_type("aws:s3/bucket:Bucket")
    for name in ("ml-inference-local-s3", "ml-inference-local-efs-loader"):
        [statement] = [item for item in statements(whole_graph)[name] if item["Action"] == ["s3:GetObject"]]
        assert statement["Resource"].startswith(f"arn:aws:s3:::{bucket.name}-")
        assert statement["Resource"].endswith("/bundles/*")


def test_mounting_is_limited_to_one_file_system_through_one_access_point(whole_graph: Graph) -> None:
    for name in ("ml-inference-local-efs", "ml-inference-local-efs-loader"):
        [statement] = [
            item for item in statements(whole_graph)[name] if item["Action"][0].startswith("elasticfilesystem:")
        ]
        assert ":file-system/fs-" in statement["Resource"]
        [(condition, value)] = statement["Condition"]["StringEquals"].items()
        assert condition == "elasticfilesystem:AccessPointArn"
        assert ":access-point/fsap-" in value


def test_logging_is_limited_to_the_functions_own_group(whole_graph: Graph) -> None:
    for name, listed in statements(whole_graph).items():
        [statement] = [item for item in listed if item["Action"][0].startswith("logs:")]
        assert statement["Resource"].startswith(f"arn:aws:logs:us-east-1:000000000000:log-group:{name}-logs-")
        assert statement["Resource"].endswith(":*")
