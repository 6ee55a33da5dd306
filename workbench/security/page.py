"""Writes docs/security.md: who may do what in a stack, as the program registers it. Nothing in it is written by hand
but the sentences between the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from policy.rules import RESOURCE_POLICIES, RULES, WITHOUT_RESOURCE, is_everybody, is_wildcard, listed, statements
from workbench.program.graph import Graph, Resource

COMMAND = "python -m workbench security --write"

_ROLE = "aws:iam/role:Role"
_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
_FUNCTION = "aws:lambda/function:Function"

_INTRODUCTION = f"""\
# Security

Who may do what in a stack with all three architectures. `{COMMAND}` writes this page from
what the program registers, and a test fails when it is out of date. `python -m workbench security --stack <stack>`
prints the page of a stack of yours.

`<efs-files>` stands for the id or the physical name of the resource `<project>-<stack>-efs-files`.
"""

_POLICY_PACK = """\
## Policy pack

`policy/` holds these rules as a pack for the Pulumi CLI. Each is mandatory: a preview or an update that breaks one fails.

    make policy/.venv/.pack
    pulumi preview -s dev --policy-pack policy

{rules}
In the preview of a new stack there are no ARNs and no image digests yet. What needs them is reported as not checked, and
is checked by the update.

The tests ask the same rules about every subset of the architectures and break each rule once. They also start the pack
in its own environment as the CLI does, and send it the messages of the engine. It has not been run by the CLI itself.
"""


def security_page(graph: Graph) -> str:
    """The page for a graph that `graph_with_placeholders` gives, in Markdown."""
    sections = [
        _INTRODUCTION,
        _roles(graph),
        _wildcards(graph),
        _resource_policies(graph),
        _endpoints(graph),
        _network(graph),
        _data(graph),
        _POLICY_PACK.format(rules=_table(("rule", ""), ((f"`{rule.name}`", rule.description) for rule in RULES))),
    ]
    return "\n".join(sections)


def _roles(graph: Graph) -> str:
    parts = ["## Roles\n", "Each function has a role of its own with one inline policy; nothing else is attached.\n"]
    for role in _sorted(graph, _ROLE):
        trusted = [
            service
            for statement in statements(role.inputs["assumeRolePolicy"])
            for service in _principals(statement["Principal"])
        ]
        functions = [item.name for item in _sorted(graph, _FUNCTION) if role.urn in item.sources.get("role", ())]
        parts.append(f"### {role.name}\n")
        parts.append(
            f"Assumed by {_code(trusted)}, for {_code(functions)}.\n"
            if functions
            else f"Assumed by {_code(trusted)}.\n"
        )
        parts.append(
            _table(
                ("may", "on", "if"),
                (
                    (_code(_actions(statement)), _code(listed(statement.get("Resource"))), _condition(statement))
                    for statement in _allowed(graph, role)
                ),
            )
        )
    return "\n".join(parts)


def _wildcards(graph: Graph) -> str:
    found: dict[str, list[str]] = {}
    for role in _sorted(graph, _ROLE):
        for statement in _allowed(graph, role):
            if any(map(is_wildcard, listed(statement.get("Resource")))):
                for action in _actions(statement):
                    found.setdefault(action, []).append(role.name)
    return "\n".join(
        [
            "## Wildcards\n",
            _wildcard_actions(graph) + " These actions are allowed on `*`:\n",
            _table(
                ("action", "roles", "why"),
                (
                    (_code([action]), ", ".join(roles), WITHOUT_RESOURCE.get(action, "**no reason is given**"))
                    for action, roles in sorted(found.items())
                ),
            ),
        ]
    )


def _wildcard_actions(graph: Graph) -> str:
    roles = [
        role.name
        for role in _sorted(graph, _ROLE)
        if any("*" in action for statement in _allowed(graph, role) for action in _actions(statement))
    ]
    return f"**There are wildcards in the actions of {', '.join(roles)}.**" if roles else "No action has a wildcard."


def _resource_policies(graph: Graph) -> str:
    rows = []
    for kind, key in RESOURCE_POLICIES.items():
        for attached in _sorted(graph, kind):
            for statement in statements(attached.inputs["policy"]):
                who = (
                    "everybody" if is_everybody(statement["Principal"]) else _code(_principals(statement["Principal"]))
                )
                verb = "may not" if statement["Effect"] == "Deny" else "may"
                rows.append(
                    (_code([attached.inputs[key]]), who, f"{verb} {_code(_actions(statement))}", _condition(statement))
                )
    for permission in _sorted(graph, "aws:lambda/permission:Permission"):
        inputs = permission.inputs
        target = ":".join(filter(None, (inputs["function"], inputs.get("qualifier"))))
        condition = f"the source is {_code([inputs['sourceArn']])}" if "sourceArn" in inputs else ""
        rows.append((_code([target]), _code([inputs["principal"]]), f"may {_code([inputs['action']])}", condition))
    return "\n".join(
        [
            "## Policies of resources\n",
            _table(("resource", "who", "", "if"), rows),
            "The program gives the repositories no policy. Lambda adds one by itself that lets it pull the images of the "
            "functions,\nif whoever deploys may call `ecr:SetRepositoryPolicy` and `ecr:GetRepositoryPolicy`.\n",
        ]
    )


def _endpoints(graph: Graph) -> str:
    rows = []
    for route in _sorted(graph, "aws:apigatewayv2/route:Route"):
        for stage in _sorted(graph, "aws:apigatewayv2/stage:Stage"):
            if set(stage.sources.get("apiId", ())) & set(route.sources.get("apiId", ())):
                limits = stage.inputs.get("defaultRouteSettings", {})
                rows.append(
                    (
                        _code([route.inputs["apiId"]]),
                        f"`{route.inputs['routeKey']}` on stage `{stage.inputs['name']}`",
                        _code([route.inputs.get("authorizationType", "NONE")]),
                        str(limits.get("throttlingRateLimit", "no limit")),
                        str(limits.get("throttlingBurstLimit", "no limit")),
                    )
                )
    return "\n".join(
        [
            "## Endpoints\n",
            "Everybody may call what has the authorisation `NONE`, up to the rate; the setting `auth` changes that.\n",
            _table(("API", "route", "authorisation", "requests a second", "at once"), rows),
            "Access logs hold neither bodies nor query strings.\n",
        ]
    )


def _network(graph: Graph) -> str:
    rows = []
    for direction in ("Ingress", "Egress"):
        for rule in _sorted(graph, f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule"):
            inputs = rule.inputs
            peer = next(
                inputs[key]
                for key in ("referencedSecurityGroupId", "prefixListId", "cidrIpv4", "cidrIpv6")
                if key in inputs
            )
            first, last = inputs.get("fromPort"), inputs.get("toPort")
            ports = str(first) if first == last else f"{first} to {last}"
            rows.append(
                (
                    _code([inputs["securityGroupId"]]),
                    "from" if direction == "Ingress" else "to",
                    _code([peer]),
                    f"{inputs['ipProtocol']} {ports}",
                )
            )
    if not rows:
        return "## Network\n\nNo function is in a VPC.\n"
    return "\n".join(
        [
            "## Network\n",
            "Only the functions of EFS are in a VPC. It has isolated subnets, no internet gateway in use, no NAT gateway, and "
            "a\ngateway endpoint for S3. Everything that the security groups let through:\n",
            _table(("group", "", "peer", "port"), sorted(rows)),
        ]
    )


def _data(graph: Graph) -> str:
    rows = []
    for encryption in _sorted(
        graph, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ):
        for rule in encryption.inputs["rules"]:
            chosen = rule["applyServerSideEncryptionByDefault"]
            by = _key(chosen.get("kmsMasterKeyId"), f"S3's own key ({chosen['sseAlgorithm']})")
            rows.append((_code([encryption.inputs["bucket"]]), by, "with the stack"))
    for item in _sorted(graph, "aws:efs/fileSystem:FileSystem"):
        by = (
            _key(item.inputs.get("kmsKeyId"), "the AWS-managed key of EFS")
            if item.inputs.get("encrypted")
            else "nothing"
        )
        rows.append((_code([f"<{item.name}>"]), by, "with the stack"))
    for item in _sorted(graph, "aws:ecr/repository:Repository"):
        [chosen] = item.inputs.get("encryptionConfigurations", [{}])
        rows.append((_code([f"<{item.name}>"]), _key(chosen.get("kmsKey"), "ECR's own key (AES256)"), "with the stack"))
    for item in _sorted(graph, "aws:cloudwatch/logGroup:LogGroup"):
        kept = f"{item.inputs['retentionInDays']} days" if item.inputs.get("retentionInDays") else "never"
        rows.append(
            (_code([f"<{item.name}>"]), _key(item.inputs.get("kmsKeyId"), "the own key of CloudWatch Logs"), kept)
        )
    return "\n".join(
        [
            "## Data\n",
            "Models lie in the bucket, on the file system and in the images. Logs hold no text of users.\n",
            _table(("where", "encrypted by", "deleted after, or"), rows),
        ]
    )


def _allowed(graph: Graph, role: Resource) -> Iterator[Mapping[str, Any]]:
    for policy in graph.of_type(_ROLE_POLICY):
        if role.urn in policy.sources.get("role", ()):
            yield from statements(policy.inputs["policy"])


def _actions(statement: Mapping[str, Any]) -> list[str]:
    return sorted(listed(statement.get("Action")))


def _principals(principal: Any) -> list[str]:
    return (
        [name for value in principal.values() for name in listed(value)]
        if isinstance(principal, Mapping)
        else [principal]
    )


def _condition(statement: Mapping[str, Any]) -> str:
    return "; ".join(
        f"`{key}` is {_code(_values(expected))}"
        if operator in ("StringEquals", "Bool")
        else f"`{operator}` `{key}` {_code(_values(expected))}"
        for operator, tests in sorted(statement.get("Condition", {}).items())
        for key, expected in sorted(tests.items())
    )


def _values(expected: Any) -> list[str]:
    return listed(expected) if isinstance(expected, str | list) else [json.dumps(expected)]


def _key(given: str | None, otherwise: str) -> str:
    return _code([given]) if given else otherwise


def _code(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _sorted(graph: Graph, kind: str) -> list[Resource]:
    return sorted(graph.of_type(kind), key=lambda resource: resource.name)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"
