"""IAM policy documents as plain data: who may do what. Attaching them to resources is the components' work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]


def document(*statements: Statement) -> str:
    """A policy document with these statements, as JSON that is the same on every run."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def allow(actions: Sequence[str], resources: str | Sequence[str], **conditions: Mapping[str, Any]) -> Statement:
    """A statement that allows `actions` on `resources`; conditions are given as `Operator={key: value}`."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources} | _condition(conditions)


def assumed_by(service: str) -> str:
    """The trust policy of a role that an AWS service assumes."""
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}})


def deny_plain_text(actions: str, resources: str | Sequence[str]) -> Statement:
    """A resource policy's statement that refuses everyone who comes without TLS."""
    return {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": actions,
        "Resource": resources,
    } | _condition({"Bool": {"aws:SecureTransport": "false"}})


def write_logs(log_group_arn: str) -> Statement:
    """Writing to one log group."""
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*")


def write_traces() -> Statement:
    """Sending X-Ray segments, which has no resource to name (Service Authorization Reference, AWS X-Ray)."""
    return allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*")


def join_vpc() -> Statement:
    """What Lambda itself needs to place a function in a VPC.

    The actions and the resource are those that the Lambda developer guide lists ("Required IAM permissions" for
    functions in a VPC): describing has no resource to name, and Lambda refuses to create a function whose role
    cannot create and delete the network interfaces that Lambda has yet to make.
    """
    return allow(
        [
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        ],
        "*",
    )


def mount(file_system_arn: str, access_point_arn: str, *, write: bool = False) -> Statement:
    """Mounting one file system through one access point; read-only unless `write`."""
    actions = ["elasticfilesystem:ClientMount"] + (["elasticfilesystem:ClientWrite"] if write else [])
    return allow(actions, file_system_arn, StringEquals={"elasticfilesystem:AccessPointArn": access_point_arn})


def read_bundles(bucket_arn: str) -> Statement:
    """Reading the objects below the bundles' prefix."""
    return allow(["s3:GetObject"], f"{bucket_arn}/bundles/*")


def decrypt_objects(key_arn: str) -> Statement:
    """Reading objects that are encrypted with a key, for which S3 asks the key in the role's name; nothing else of it."""
    region = key_arn.split(":")[3]
    # The host name of S3 ends differently in China.
    return allow(["kms:Decrypt"], key_arn, StringLike={"kms:ViaService": f"s3.{region}.amazonaws.com*"})


def _condition(conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"Condition": dict(conditions)} if conditions else {}
