"""Physical names for resources that the program leaves to Pulumi to name: the logical name and seven hex digits."""

from __future__ import annotations

import hashlib

from .graph import Resource

# The input that names a resource of a type, where Pulumi names it by itself.
NAME_INPUT = {
    "aws:apigatewayv2/api:Api": "name",
    "aws:apigatewayv2/authorizer:Authorizer": "name",
    "aws:appautoscaling/policy:Policy": "name",
    "aws:appautoscaling/scheduledAction:ScheduledAction": "name",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:ec2/securityGroup:SecurityGroup": "name",
    "aws:ecr/repository:Repository": "name",
    "aws:iam/role:Role": "name",
    "aws:iam/rolePolicy:RolePolicy": "name",
    "aws:lambda/function:Function": "name",
    "aws:s3/bucket:Bucket": "bucket",
}


def physical_name(resource: Resource) -> str:
    """The name that the resource is given, else one that depends on its URN alone (Pulumi's own suffix is random)."""
    given = resource.inputs.get(NAME_INPUT[resource.type])
    return given or f"{resource.name}-{hashlib.sha256(resource.urn.encode()).hexdigest()[:7]}"
