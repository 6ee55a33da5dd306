"""The rules of the policy pack, as functions over resources as plain data.

`__main__.py` next to this file hands them to Pulumi; the tests run the same ones over the graph that the program
registers. Nothing here imports Pulumi or anything else of the project, so that the pack can be copied on its own.

A value that only a deployment will tell must not be read where a rule can do without it: the policy SDK raises when it
is, and the rule is then left out of that preview, with a warning. So the rules go by which resource an input comes from
where they can, and `in` is asked of the keys alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

REQUIRED_TAGS = ("project", "stack", "purpose")

# Actions that may stand beside the resource "*", and why nothing narrower can.
_NO_RESOURCE = 'AWS defines no resource for this action, so that "*" is the only one that matches'
_ANY_INTERFACE = (
    "Lambda does this itself, with network interfaces that it has yet to make, and refuses to create a function in a "
    "VPC whose role may not; the resource is the one that Lambda's developer guide gives"
)
WITHOUT_RESOURCE = {
    "ec2:AssignPrivateIpAddresses": _ANY_INTERFACE,
    "ec2:CreateNetworkInterface": _ANY_INTERFACE,
    "ec2:DeleteNetworkInterface": _ANY_INTERFACE,
    "ec2:DescribeNetworkInterfaces": _NO_RESOURCE,
    "ec2:DescribeSubnets": _NO_RESOURCE,
    "ec2:UnassignPrivateIpAddresses": _ANY_INTERFACE,
    "xray:PutTelemetryRecords": _NO_RESOURCE,
    "xray:PutTraceSegments": _NO_RESOURCE,
}

_ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse")
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
_PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")

BUCKET = "aws:s3/bucket:Bucket"
FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
# What gives a resource a policy of its own, and the input that names the resource.
RESOURCE_POLICIES = {
    "aws:s3/bucketPolicy:BucketPolicy": "bucket",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "fileSystemId",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "repository",
}


@dataclass(frozen=True)
class Declared:
    """A resource as a program declares it.

    `sources` holds, for each input, the URNs of the resources that it comes from; `provider` the inputs of the provider.
    """

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    provider: Mapping[str, Any] = field(default_factory=dict)

    def comes_from(self, other: Declared, key: str) -> bool:
        """Whether the input `key` is an output of `other`."""
        return other.urn in self.sources.get(key, ())


@dataclass(frozen=True)
class ResourceRule:
    """A rule about one resource alone: `check` yields a sentence for each thing that is wrong with it."""

    name: str
    description: str
    check: Callable[[Declared], Iterator[str]]


@dataclass(frozen=True)
class StackRule:
    """A rule about resources together: `check` yields the resource at fault and a sentence, for each fault."""

    name: str
    description: str
    check: Callable[[Sequence[Declared]], Iterator[tuple[Declared, str]]]


def file_systems_are_encrypted(resource: Declared) -> Iterator[str]:
    if resource.type == FILE_SYSTEM and resource.inputs.get("encrypted") is not True:
        yield "Models would lie on the file system in plain text, and it cannot be encrypted later; set encrypted."


def logs_are_kept_for_a_time(resource: Declared) -> Iterator[str]:
    if resource.type == "aws:cloudwatch/logGroup:LogGroup" and not (resource.inputs.get("retentionInDays") or 0) > 0:
        yield "Logs would be kept, and paid for, for ever; set retentionInDays."
    if resource.type == "aws:lambda/function:Function":
        logging = resource.inputs.get("loggingConfig") or {}
        if "logGroup" not in list(logging):
            yield (
                "Lambda would make a log group by itself, which keeps logs for ever and outlives the stack; "
                "name one of the stack's in loggingConfig.logGroup."
            )


def everything_is_tagged(resource: Declared) -> Iterator[str]:
    """Tags that the resource is given, or that its provider gives to everything.

    The AWS provider merges its default tags into `tags` and `tagsAll` when it checks a resource's inputs, before a
    policy sees them; for what AWS knows no tags for, they show in the provider alone.
    """
    if not resource.type.startswith("aws:"):
        return
    defaults = resource.provider.get("defaultTags") or {}
    if isinstance(defaults, str):
        defaults = json.loads(defaults)
    tags = {
        *(defaults.get("tags") or {}),
        *(resource.inputs.get("tags") or {}),
        *(resource.inputs.get("tagsAll") or {}),
    }
    if missing := [tag for tag in REQUIRED_TAGS if tag not in tags]:
        yield (
            f"Nobody could tell from AWS or from the bill whose it is: it lacks the tags {', '.join(missing)}; "
            "create it with a provider that has them as default tags."
        )


def there_is_no_nat_gateway(resource: Declared) -> Iterator[str]:
    if resource.type == "aws:ec2/natGateway:NatGateway":
        yield "A NAT gateway bills by the hour and gives functions a way to the internet; use a gateway endpoint."
    # The engine shows a policy the resources that an awsx component makes, and its inputs as it was given none.
    if resource.type == "awsx:ec2:Vpc" and len(resource.inputs) > 0:
        strategy = (resource.inputs.get("natGateways") or {}).get("strategy")
        if strategy != "None":
            yield (
                f"The VPC would come with NAT gateways (strategy {strategy or 'left out, which means OnePerAz'}); "
                "set natGateways.strategy to None."
            )


def images_are_named_by_digest(resource: Declared) -> Iterator[str]:
    if resource.type == "aws:lambda/function:Function" and resource.inputs.get("packageType") == "Image":
        uri = resource.inputs.get("imageUri") or ""
        if not _DIGEST.search(uri):
            yield (
                f"A tag can be moved, so that nobody could tell what {uri or 'an image without a name'} runs, and a new "
                "build under the old tag would not be deployed; give the image by its digest."
            )


def roles_may_only_what_they_need(resource: Declared) -> Iterator[str]:
    if resource.type in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
        for statement in statements(resource.inputs.get("policy")):
            if statement.get("Effect") == "Allow":
                yield from _too_much(statement)
    if resource.type == "aws:iam/role:Role":
        for statement in statements(resource.inputs.get("assumeRolePolicy")):
            if statement.get("Effect") == "Allow" and is_everybody(statement.get("Principal")):
                yield "Everybody could assume the role; name the service that does."
        for policy in resource.inputs.get("inlinePolicies") or ():
            for statement in statements(policy.get("policy")):
                if statement.get("Effect") == "Allow":
                    yield from _too_much(statement)
    if resource.type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment" or resource.inputs.get("managedPolicyArns"):
        yield "What an attached policy allows is written elsewhere and may change; write it out in the role's own policy."


def _too_much(statement: Mapping[str, Any]) -> Iterator[str]:
    for key in ("NotAction", "NotResource"):
        if key in list(statement):
            yield f"{key} allows everything that nobody thought of; list what is needed."
    actions, resources = listed(statement.get("Action")), listed(statement.get("Resource"))
    for action in actions:
        if "*" in action:
            yield f"The action {action} grows with every action that AWS adds; list the ones that are needed."
    for name in resources:
        if is_wildcard(name):
            for action in actions:
                if action not in WITHOUT_RESOURCE:
                    yield (
                        f"{action} is allowed on {name}; name the resource, or, where AWS has none to name, give the "
                        "reason in WITHOUT_RESOURCE in policy/rules.py."
                    )


def nothing_is_open_to_everybody(resource: Declared) -> Iterator[str]:
    if resource.type == BUCKET and resource.inputs.get("acl") in _PUBLIC_ACLS:
        yield f"The bucket's ACL {resource.inputs['acl']} opens it to everybody; leave the ACL out."
    if resource.type in RESOURCE_POLICIES:
        for statement in statements(resource.inputs.get("policy")):
            if statement.get("Effect") == "Allow" and is_everybody(statement.get("Principal")):
                yield "The policy allows something to everybody; name who may."
    if resource.type == "aws:lambda/permission:Permission":
        if resource.inputs.get("principal") == "*":
            yield "Everybody could invoke the function; name who may."
        elif "sourceArn" not in list(resource.inputs) and "functionUrlAuthType" not in list(resource.inputs):
            yield "Any API or rule of any account could invoke the function through that service; set sourceArn."


def buckets_are_encrypted(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    for bucket in _of_type(resources, BUCKET):
        configured = [item for item in _of_type(resources, kind) if item.comes_from(bucket, "bucket")]
        if not configured:
            yield bucket, "The bucket leaves encryption to a default that the stack does not show; configure it."
        for configuration in configured:
            rules = configuration.inputs.get("rules") or [{}]
            chosen = [(rule.get("applyServerSideEncryptionByDefault") or {}).get("sseAlgorithm") for rule in rules]
            if not all(algorithm in _ALGORITHMS for algorithm in chosen):
                yield configuration, f"The bucket is not encrypted: allowed are {', '.join(_ALGORITHMS)}."


def buckets_are_private(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    for bucket in _of_type(resources, BUCKET):
        blocks = [
            item
            for item in _of_type(resources, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
            if item.comes_from(bucket, "bucket")
        ]
        if not blocks:
            yield bucket, "One wrong policy or ACL would make the bucket public; add a public access block."
        for block in blocks:
            for key in _PUBLIC_ACCESS:
                if block.inputs.get(key) is not True:
                    yield block, f"The bucket could be made public, because {key} is off; turn it on."


def plain_text_is_refused(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    for kind, policy_type in (
        (BUCKET, "aws:s3/bucketPolicy:BucketPolicy"),
        (FILE_SYSTEM, "aws:efs/fileSystemPolicy:FileSystemPolicy"),
    ):
        for resource in _of_type(resources, kind):
            attached = [
                item
                for item in _of_type(resources, policy_type)
                if item.comes_from(resource, RESOURCE_POLICIES[policy_type])
            ]
            if not any(map(_refuses_plain_text, (s for item in attached for s in statements(item.inputs["policy"])))):
                yield (
                    resource,
                    "Models could be read from it without TLS; attach a policy that denies everything to everybody "
                    "where aws:SecureTransport is false.",
                )


def open_apis_are_throttled(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    for route in _of_type(resources, "aws:apigatewayv2/route:Route"):
        if route.inputs.get("authorizationType", "NONE") != "NONE":
            continue
        stages = [
            stage
            for stage in _of_type(resources, "aws:apigatewayv2/stage:Stage")
            if set(stage.sources.get("apiId", ())) & set(route.sources.get("apiId", ()))
        ]
        for stage in stages:
            settings = [stage.inputs.get("defaultRouteSettings") or {}, *(stage.inputs.get("routeSettings") or ())]
            limits = ("throttlingRateLimit", "throttlingBurstLimit")
            if not all((setting.get(limit) or 0) > 0 for setting in settings for limit in limits):
                yield (
                    stage,
                    f"Everybody may call {route.name} as often as they like, at your cost; set throttlingRateLimit and "
                    "throttlingBurstLimit, or an authorization type other than NONE.",
                )
    for url in _of_type(resources, "aws:lambda/functionUrl:FunctionUrl"):
        if url.inputs.get("authorizationType") != "AWS_IAM":
            yield url, "A function URL cannot be throttled, and everybody may call this one; use AWS_IAM."


RULES: tuple[ResourceRule | StackRule, ...] = (
    ResourceRule("encrypted-file-systems", "EFS file systems are encrypted at rest.", file_systems_are_encrypted),
    StackRule("encrypted-buckets", "S3 buckets say how they are encrypted at rest.", buckets_are_encrypted),
    StackRule(
        "no-plain-text", "Buckets and file systems refuse everybody who comes without TLS.", plain_text_is_refused
    ),
    StackRule("no-public-buckets", "Every bucket has a public access block, with all of it on.", buckets_are_private),
    ResourceRule(
        "no-public-access",
        "No resource policy, ACL or permission is open to everybody.",
        nothing_is_open_to_everybody,
    ),
    ResourceRule(
        "least-privilege",
        "Roles have no wildcard action, and a wildcard resource only where AWS has no other.",
        roles_may_only_what_they_need,
    ),
    ResourceRule(
        "log-retention",
        "Log groups have a retention, and no function leaves its log group to Lambda.",
        logs_are_kept_for_a_time,
    ),
    StackRule("throttled-apis", "What can be called without authorisation is throttled.", open_apis_are_throttled),
    ResourceRule("tags", f"Everything carries the tags {', '.join(REQUIRED_TAGS)}.", everything_is_tagged),
    ResourceRule("no-nat-gateway", "There is no NAT gateway, in a VPC of awsx neither.", there_is_no_nat_gateway),
    ResourceRule("images-by-digest", "Functions name their image by digest.", images_are_named_by_digest),
)


def statements(policy: Any) -> list[Mapping[str, Any]]:
    """The statements of a policy document, given as JSON or as data; none for no document."""
    if isinstance(policy, str):
        policy = json.loads(policy)
    found = (policy or {}).get("Statement") or []
    return [found] if isinstance(found, Mapping) else list(found)


def listed(value: Any) -> list[str]:
    """What IAM takes as one text or as a list of them, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def is_wildcard(resource: str) -> bool:
    """Whether the resource of a statement leaves open which one it is; a wildcard below a named one does not."""
    if resource == "*":
        return True
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return "*" in resource
    names = re.split("[:/]", parts[5])
    # The first part is the name itself in S3, elsewhere most often the type: `log-group:<name>`, `file-system/<id>`.
    name = names[0] if parts[2] == "s3" or len(names) == 1 else names[1]
    return "*" in name or names[0] == "*"


def is_everybody(principal: Any) -> bool:
    """Whether the principal of a statement is anybody at all."""
    values = principal.values() if isinstance(principal, Mapping) else [principal]
    return any("*" in listed(value) for value in values)


def _refuses_plain_text(statement: Mapping[str, Any]) -> bool:
    condition = (statement.get("Condition") or {}).get("Bool") or {}
    return (
        statement.get("Effect") == "Deny"
        and is_everybody(statement.get("Principal"))
        and any("*" in action for action in listed(statement.get("Action")))
        and "false" in listed(condition.get("aws:SecureTransport"))
    )


def _of_type(resources: Sequence[Declared], kind: str) -> list[Declared]:
    return [resource for resource in resources if resource.type == kind]
