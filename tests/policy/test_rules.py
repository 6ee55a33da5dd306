"""The rules of the policy pack over the graphs of the real program, and over the same graphs made bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from graphs import declared, violations

from policy.rules import RULES, WITHOUT_RESOURCE, Declared, is_everybody, is_wildcard
from workbench.program.graph import Graph

Resources = list[Declared]
Fault = Callable[[Resources], Resources]

FUNCTION = "aws:lambda/function:Function"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
BUCKET = "aws:s3/bucket:Bucket"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
FILE_SYSTEM_POLICY = "aws:efs/fileSystemPolicy:FileSystemPolicy"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
STAGE = "aws:apigatewayv2/stage:Stage"
VPC = "awsx:ec2:Vpc"


def test_every_stack_of_the_program_keeps_every_rule(graph: Graph) -> None:
    assert violations(declared(graph)) == {}


def changed(kind: str, inputs: dict[str, Any]) -> Fault:
    """Other inputs for every resource of a type; None takes one away."""

    def change(resource: Declared) -> Declared:
        merged = {key: value for key, value in (dict(resource.inputs) | inputs).items() if value is not None}
        return replace(resource, inputs=merged)

    return lambda resources: [change(item) if item.type == kind else item for item in resources]


def without(kind: str) -> Fault:
    """No resource of a type."""
    return lambda resources: [item for item in resources if item.type != kind]


def added(kind: str, inputs: dict[str, Any]) -> Fault:
    """One more resource, which the stack's provider creates."""

    def add(resources: Resources) -> Resources:
        tagged = next(item.provider for item in resources if item.provider)
        return [*resources, Declared(f"urn:{kind}", kind, "added", inputs, {}, tagged)]

    return add


def allowing(**statement: Any) -> Fault:
    """A statement for every role, on top of what it has."""
    document = {
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/k"} | statement]
    }
    return changed(ROLE_POLICY, {"policy": json.dumps(document)})


def of_another_bucket(kind: str) -> Fault:
    """As if a resource belonged to a bucket other than the stack's own."""
    return lambda resources: [replace(item, sources={}) if item.type == kind else item for item in resources]


def untagged(resources: Resources) -> Resources:
    return [replace(item, provider={"region": "us-east-1"}) for item in resources]


PUBLIC = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject"}})
NOBODY_IS_REFUSED = json.dumps({"Statement": []})
NEVER_TRUE = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            }
        ]
    }
)

# A rule, a fault of the graph that it is there to find, and what it has to say.
FAULTS: list[tuple[str, Fault, str]] = [
    ("encrypted-file-systems", changed(FILE_SYSTEM, {"encrypted": False}), "plain text"),
    ("encrypted-file-systems", changed(FILE_SYSTEM, {"encrypted": None}), "plain text"),
    ("encrypted-buckets", without(ENCRYPTION), "leaves encryption to a default"),
    ("encrypted-buckets", of_another_bucket(ENCRYPTION), "leaves encryption to a default"),
    ("encrypted-buckets", changed(ENCRYPTION, {"rules": [{"bucketKeyEnabled": True}]}), "not encrypted"),
    ("no-plain-text", without(BUCKET_POLICY), "without TLS"),
    ("no-plain-text", without(FILE_SYSTEM_POLICY), "without TLS"),
    ("no-plain-text", of_another_bucket(BUCKET_POLICY), "without TLS"),
    ("no-plain-text", changed(FILE_SYSTEM_POLICY, {"policy": NOBODY_IS_REFUSED}), "without TLS"),
    ("no-plain-text", changed(BUCKET_POLICY, {"policy": NEVER_TRUE}), "without TLS"),
    ("no-public-buckets", without(ACCESS_BLOCK), "add a public access block"),
    ("no-public-buckets", of_another_bucket(ACCESS_BLOCK), "add a public access block"),
    ("no-public-buckets", changed(ACCESS_BLOCK, {"blockPublicAcls": None}), "blockPublicAcls is off"),
    ("no-public-buckets", changed(ACCESS_BLOCK, {"blockPublicPolicy": False}), "blockPublicPolicy is off"),
    ("no-public-buckets", changed(ACCESS_BLOCK, {"ignorePublicAcls": False}), "ignorePublicAcls is off"),
    ("no-public-buckets", changed(ACCESS_BLOCK, {"restrictPublicBuckets": False}), "restrictPublicBuckets is off"),
    ("no-public-access", changed(BUCKET, {"acl": "public-read"}), "opens it to everybody"),
    ("no-public-access", changed(BUCKET_POLICY, {"policy": PUBLIC}), "to everybody"),
    ("no-public-access", added("aws:ecr/repositoryPolicy:RepositoryPolicy", {"policy": PUBLIC}), "to everybody"),
    ("no-public-access", changed("aws:lambda/permission:Permission", {"principal": "*"}), "Everybody could invoke"),
    ("no-public-access", changed("aws:lambda/permission:Permission", {"sourceArn": None}), "set sourceArn"),
    ("least-privilege", allowing(Action="s3:*"), "grows with every action"),
    ("least-privilege", allowing(Action=["s3:GetObject", "s3:Get*"]), "grows with every action"),
    ("least-privilege", allowing(Resource="*"), "s3:GetObject is allowed on *"),
    ("least-privilege", allowing(Resource="arn:aws:s3:::*"), "name the resource"),
    ("least-privilege", allowing(Resource=["arn:aws:s3:::b/k", "arn:aws:logs:eu-west-1:1:log-group:*"]), "log-group:*"),
    ("least-privilege", allowing(NotAction="iam:*", Action=[]), "NotAction allows"),
    ("least-privilege", allowing(NotResource="arn:aws:s3:::b"), "NotResource allows"),
    (
        "least-privilege",
        added("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"policyArn": "arn:aws:iam::aws:policy/X"}),
        "written elsewhere",
    ),
    ("least-privilege", changed("aws:iam/role:Role", {"managedPolicyArns": ["arn"]}), "written elsewhere"),
    (
        "least-privilege",
        changed(
            "aws:iam/role:Role",
            {"inlinePolicies": [{"policy": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'}]},
        ),
        "The action * grows",
    ),
    (
        "least-privilege",
        changed("aws:iam/role:Role", {"assumeRolePolicy": '{"Statement": {"Effect": "Allow", "Principal": "*"}}'}),
        "Everybody could assume",
    ),
    ("log-retention", changed(LOG_GROUP, {"retentionInDays": None}), "for ever"),
    ("log-retention", changed(LOG_GROUP, {"retentionInDays": 0}), "for ever"),
    ("log-retention", changed(FUNCTION, {"loggingConfig": None}), "Lambda would make a log group"),
    ("log-retention", changed(FUNCTION, {"loggingConfig": {"logFormat": "JSON"}}), "Lambda would make a log group"),
    ("throttled-apis", changed(STAGE, {"defaultRouteSettings": None}), "as often as they like"),
    ("throttled-apis", changed(STAGE, {"defaultRouteSettings": {"throttlingRateLimit": 10}}), "as often as they like"),
    ("throttled-apis", changed(STAGE, {"routeSettings": [{"routeKey": "POST /"}]}), "as often as they like"),
    (
        "throttled-apis",
        added("aws:lambda/functionUrl:FunctionUrl", {"authorizationType": "NONE"}),
        "cannot be throttled",
    ),
    ("tags", untagged, "lacks the tags project, stack, purpose"),
    ("no-nat-gateway", added("aws:ec2/natGateway:NatGateway", {"subnetId": "subnet-1"}), "bills by the hour"),
    ("no-nat-gateway", changed(VPC, {"natGateways": {"strategy": "Single"}}), "strategy Single"),
    ("no-nat-gateway", changed(VPC, {"natGateways": None}), "OnePerAz"),
    ("images-by-digest", changed(FUNCTION, {"imageUri": "1.dkr.ecr.eu-west-1.amazonaws.com/r:latest"}), "r:latest"),
    ("images-by-digest", changed(FUNCTION, {"imageUri": None}), "by its digest"),
]


@pytest.mark.parametrize(
    ("rule", "fault", "sentence"), FAULTS, ids=[f"{rule}-{n}" for n, (rule, *_) in enumerate(FAULTS)]
)
def test_a_bad_graph_breaks_the_rule_and_no_other(rule: str, fault: Fault, sentence: str, whole_graph: Graph) -> None:
    found = violations(fault(declared(whole_graph)))
    # A policy that lets everybody in has lost the statement that refuses plain text, and so breaks two rules.
    assert set(found) - {"no-plain-text"} == {rule} - {"no-plain-text"}
    assert any(sentence in message for _, message in found[rule]), found[rule]


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule for rule, *_ in FAULTS} == {rule.name for rule in RULES}


def test_an_api_that_asks_for_a_signature_may_go_without_throttling(whole_graph: Graph) -> None:
    unthrottled = changed(STAGE, {"defaultRouteSettings": None})(declared(whole_graph))
    assert "throttled-apis" in violations(unthrottled)
    signed = changed("aws:apigatewayv2/route:Route", {"authorizationType": "AWS_IAM"})(unthrottled)
    assert violations(signed) == {}


def test_tags_of_the_resource_itself_count_as_those_of_its_provider() -> None:
    tags = {"project": "p", "stack": "s", "purpose": "x"}
    for inputs in ({"tags": tags}, {"tagsAll": tags}):
        topic = Declared("urn", "aws:sns/topic:Topic", "alarms", inputs)
        assert violations([topic]) == {}
    assert "tags" in violations([Declared("urn", "aws:sns/topic:Topic", "alarms", {"tags": {"project": "p"}})])


def test_the_vpc_of_awsx_is_judged_by_its_parts_where_the_engine_shows_no_inputs() -> None:
    assert violations([Declared("urn", VPC, "vpc", {})]) == {}


@pytest.mark.parametrize(
    ("resource", "wildcard"),
    [
        ("*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::models-*", True),
        ("arn:aws:s3:::models/bundles/*", False),
        ("arn:aws:logs:eu-west-1:1:log-group:*", True),
        ("arn:aws:logs:eu-west-1:1:log-group:mine:*", False),
        ("arn:aws:lambda:eu-west-1:1:function:ml-*", True),
        ("arn:aws:elasticfilesystem:eu-west-1:1:file-system/fs-1", False),
        ("arn:aws:sns:eu-west-1:1:alarms", False),
        ("arn:aws:sns:eu-west-1:1:*", True),
    ],
)
def test_a_wildcard_below_a_named_resource_is_none(resource: str, wildcard: bool) -> None:
    assert is_wildcard(resource) is wildcard


def test_everybody_is_recognised_in_every_spelling() -> None:
    assert all(map(is_everybody, ("*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::1:root", "*"]})))
    assert not any(map(is_everybody, ({"Service": "lambda.amazonaws.com"}, {"AWS": "arn:aws:iam::1:root"}, None)))


def test_every_action_that_may_stand_beside_a_wildcard_has_a_reason() -> None:
    assert all(len(reason.split()) > 5 for reason in WITHOUT_RESOURCE.values())
