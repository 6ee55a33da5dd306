"""Runs the program as `pulumi preview` does, with made-up values in the place of AWS's, and checks what it registers.

It runs twice. Once with a plausible value for every output, which gives the graph; once with every output unknown, as
in the preview of a new stack, which the program has to survive. An input that is there when values are unknown and
gone when they are known was lost on the way: an output that the program uses does not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import StackConfig
from .graph import Graph, Resource, paths
from .naming import physical_name
from .runner import PROGRAM, ProgramError, run

ACCOUNT = "000000000000"

Outputs = dict[str, Any]


def preview(config: StackConfig, program: Path = PROGRAM) -> Graph:
    """The graph of a stack, from a run with known values that a run with unknown ones agrees with.

    Raises:
        ProgramError: the program stops, registers something that the SDKs or this preview do not know, or loses a value.
    """
    known = run(config, Imagined(config.region), program=program)
    unknown = run(config, Unknown(), preview=True, program=program)
    if lost := list(_differences(known, unknown)):
        raise ProgramError(
            "With values known, the program registers something else than with values unknown: " + "; ".join(lost)
        )
    return known


def _differences(known: Graph, unknown: Graph) -> list[str]:
    by_urn = {resource.urn: resource for resource in known.resources}
    found = [f"{resource.urn} only when unknown" for resource in unknown.resources if resource.urn not in by_urn]
    seen = {resource.urn for resource in unknown.resources}
    found += [f"{urn} only when known" for urn in by_urn if urn not in seen]
    for resource in unknown.resources:
        if twin := by_urn.get(resource.urn):
            dropped = sorted(set(paths(resource.inputs)) - set(paths(twin.inputs)))
            found += [f"{resource.type} {resource.name} loses its input {path}" for path in dropped]
    found += [f"the stack output {key} is lost" for key in sorted(set(unknown.outputs) - set(known.outputs))]
    return found


class Unknown:
    """Every id and every output is one that only a deployment will tell."""

    def create(self, resource: Resource) -> tuple[str, Outputs]:
        """An empty id and no outputs; raises `ProgramError` for a type that the preview does not know."""
        _listed(resource)
        return "", {}

    def invoke(self, token: str, args: dict[str, Any]) -> Outputs:
        """What a function answers whose arguments are known, which a preview calls for real."""
        return _result(token, args)


class Imagined:
    """Every output that the program may use has a plausible value, the same on every run."""

    def __init__(self, region: str) -> None:
        self._region = region

    def create(self, resource: Resource) -> tuple[str, Outputs]:
        """The id and the outputs of a resource; raises `ProgramError` for a type that the preview does not know."""
        outputs = _listed(resource)(_Imagined(resource, self._region))
        # A component of another package is one resource here; what it is given is not what it gives back.
        given = {} if resource.type.startswith("awsx:") else resource.inputs
        return outputs.get("id", f"{resource.name}-{_hex(resource.urn, 8)}"), given | outputs

    def invoke(self, token: str, args: dict[str, Any]) -> Outputs:
        """What a function answers; raises `ProgramError` for one that the preview does not know."""
        return _result(token, args)


@dataclass(frozen=True)
class _Imagined:
    """A resource for which values are made up."""

    resource: Resource
    region: str

    @property
    def inputs(self) -> dict[str, Any]:
        return self.resource.inputs

    @property
    def name(self) -> str:
        return physical_name(self.resource)

    def id(self, prefix: str, length: int = 17) -> str:
        return prefix + _hex(self.resource.urn, length)

    def arn(self, service: str, path: str, *, region: bool = True, account: bool = True) -> str:
        return f"arn:aws:{service}:{self.region if region else ''}:{ACCOUNT if account else ''}:{path}"


def _hex(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _nothing(_: _Imagined) -> Outputs:
    return {}


def _function(it: _Imagined) -> Outputs:
    return {"name": it.name, "id": it.name, "version": "1", "arn": it.arn("lambda", f"function:{it.name}")}


def _alias(it: _Imagined) -> Outputs:
    arn = it.arn("lambda", f"function:{it.inputs.get('functionName')}:{it.inputs.get('name')}")
    return {
        "arn": arn,
        "invokeArn": f"arn:aws:apigateway:{it.region}:lambda:path/2015-03-31/functions/{arn}/invocations",
    }


def _api(it: _Imagined) -> Outputs:
    identity = it.id("", 10)
    return {
        "id": identity,
        "name": it.name,
        "executionArn": it.arn("execute-api", identity),
        "apiEndpoint": f"https://{identity}.execute-api.{it.region}.amazonaws.com",
    }


def _stage(it: _Imagined) -> Outputs:
    host = f"{it.inputs.get('apiId')}.execute-api.{it.region}.amazonaws.com"
    return {"id": it.inputs.get("name"), "invokeUrl": f"https://{host}/{it.inputs.get('name')}"}


def _domain_name(it: _Imagined) -> Outputs:
    target = f"d-{it.id('', 10)}.execute-api.{it.region}.amazonaws.com"
    configuration = {**it.inputs.get("domainNameConfiguration", {}), "targetDomainName": target}
    return {"id": it.inputs.get("domainName"), "domainNameConfiguration": configuration}


_OUTPUTS: dict[str, Callable[[_Imagined], Outputs]] = {
    "aws:apigatewayv2/api:Api": _api,
    "aws:apigatewayv2/apiMapping:ApiMapping": lambda it: {"id": it.id("", 6)},
    "aws:apigatewayv2/authorizer:Authorizer": lambda it: {"id": it.id("", 6)},
    "aws:apigatewayv2/domainName:DomainName": _domain_name,
    "aws:apigatewayv2/integration:Integration": lambda it: {"id": it.id("", 7)},
    "aws:apigatewayv2/route:Route": lambda it: {"id": it.id("", 7)},
    "aws:apigatewayv2/stage:Stage": _stage,
    "aws:appautoscaling/policy:Policy": lambda it: {"id": it.name, "name": it.name},
    "aws:appautoscaling/scheduledAction:ScheduledAction": lambda it: {"id": it.name, "name": it.name},
    "aws:appautoscaling/target:Target": lambda it: {"id": it.inputs.get("resourceId")},
    "aws:cloudwatch/dashboard:Dashboard": _nothing,
    "aws:cloudwatch/logGroup:LogGroup": lambda it: {
        "id": it.name,
        "name": it.name,
        "arn": it.arn("logs", f"log-group:{it.name}"),
    },
    "aws:cloudwatch/metricAlarm:MetricAlarm": lambda it: {
        "id": it.name,
        "name": it.name,
        "arn": it.arn("cloudwatch", f"alarm:{it.name}"),
    },
    "aws:ec2/securityGroup:SecurityGroup": lambda it: {"id": it.id("sg-"), "name": it.name},
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _nothing,
    "aws:ecr/repository:Repository": lambda it: {
        "id": it.name,
        "name": it.name,
        "registryId": ACCOUNT,
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{it.region}.amazonaws.com/{it.name}",
    },
    "aws:efs/accessPoint:AccessPoint": lambda it: {
        "id": it.id("fsap-"),
        "arn": it.arn("elasticfilesystem", f"access-point/{it.id('fsap-')}"),
    },
    "aws:efs/fileSystem:FileSystem": lambda it: {
        "id": it.id("fs-"),
        "arn": it.arn("elasticfilesystem", f"file-system/{it.id('fs-')}"),
    },
    "aws:efs/fileSystemPolicy:FileSystemPolicy": _nothing,
    "aws:efs/mountTarget:MountTarget": lambda it: {"id": it.id("fsmt-")},
    "aws:iam/role:Role": lambda it: {
        "id": it.name,
        "name": it.name,
        "arn": it.arn("iam", f"role/{it.name}", region=False),
    },
    "aws:iam/rolePolicy:RolePolicy": _nothing,
    "aws:lambda/alias:Alias": _alias,
    "aws:lambda/function:Function": _function,
    "aws:lambda/functionUrl:FunctionUrl": lambda it: {
        "id": it.inputs.get("functionName"),
        "functionUrl": f"https://{it.id('', 32)}.lambda-url.{it.region}.on.aws/",
    },
    "aws:lambda/invocation:Invocation": lambda it: {"result": "{}", "id": it.id("")},
    "aws:lambda/permission:Permission": _nothing,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": _nothing,
    "aws:s3/bucket:Bucket": lambda it: {
        "id": it.name,
        "bucket": it.name,
        "arn": it.arn("s3", it.name, region=False, account=False),
    },
    "aws:s3/bucketObjectv2:BucketObjectv2": _nothing,
    "aws:s3/bucketPolicy:BucketPolicy": _nothing,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _nothing,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _nothing,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": lambda it: {"id": it.id("sgr-")},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": lambda it: {"id": it.id("sgr-")},
    "awsx:ec2:Vpc": lambda it: {
        "vpcId": it.id("vpc-"),
        "isolatedSubnetIds": [it.id(f"subnet-{zone}", 16) for zone in "ab"],
    },
    "docker:index/image:Image": lambda it: {
        "imageName": it.inputs.get("imageName"),
        "repoDigest": f"{it.inputs.get('imageName', '').rpartition(':')[0]}@sha256:{it.id('', 64)}",
    },
    "pulumi:providers:aws": _nothing,
}

_RESULTS: dict[str, Callable[[dict[str, Any]], Outputs]] = {
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": lambda args: {
        "id": "pl-" + _hex(args.get("name", ""), 8),
        "name": args.get("name"),
    },
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": lambda _: {"userName": "AWS", "password": "imagined"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda _: {"names": ["zone-a", "zone-b"]},
}


def _listed(resource: Resource) -> Callable[[_Imagined], Outputs]:
    if resource.type not in _OUTPUTS:
        raise ProgramError(
            f"The program registers a {resource.type}, which this preview does not know; add it to {__name__}."
        )
    return _OUTPUTS[resource.type]


def _result(token: str, args: dict[str, Any]) -> Outputs:
    if token not in _RESULTS:
        raise ProgramError(f"The program calls {token}, which this preview does not know; add it to {__name__}.")
    return _RESULTS[token](args)
