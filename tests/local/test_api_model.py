"""Calls that AWS would refuse are refused before the emulator sees them."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from workbench.local.api_model import ApiModelError
from workbench.local.clients import Clients

# Nothing listens there: a call that is let through fails with another error.
UNREACHABLE = "http://127.0.0.1:9"

FUNCTION: dict[str, Any] = {
    "FunctionName": "function",
    "Role": "arn:aws:iam::000000000000:role/role",
    "Code": {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/repository@sha256:" + "0" * 64},
    "PackageType": "Image",
    "MemorySize": 3008,
}


@pytest.fixture(scope="module")
def clients() -> Clients:
    return Clients(UNREACHABLE, "us-east-1")


@pytest.mark.parametrize(
    ("member", "value", "complaint"),
    [
        ("PackageType", "Docker", "PackageType is 'Docker'; allowed are Zip, Image"),
        ("Architectures", ["x86"], r"Architectures\[0\] is 'x86'; allowed are x86_64, arm64"),
        ("TracingConfig", {"Mode": "On"}, "TracingConfig.Mode is 'On'; allowed are Active, PassThrough"),
        ("Role", "role", "Role is 'role', which does not match"),
        ("FunctionName", "a function", "FunctionName is 'a function', which does not match"),
        ("MemorySize", 64, "MemorySize is 64; allowed are 128 to"),
        ("MemorySize", 100_000, "MemorySize is 100000; allowed are 128 to"),
        ("Memory", 128, "Memory is no member of CreateFunctionRequest"),
        ("LoggingConfig", {"LogGrp": "x"}, "LoggingConfig.LogGrp is no member of LoggingConfig"),
        ("VpcConfig", {"SubnetIds": ["subnet_1"]}, r"VpcConfig.SubnetIds\[0\] is 'subnet_1', which does not match"),
        ("FileSystemConfigs", [{"Arn": "x", "LocalMountPath": "/models"}], "LocalMountPath is '/models'"),
    ],
)
def test_a_wrong_member_of_a_call_is_caught(clients: Clients, member: str, value: Any, complaint: str) -> None:
    with pytest.raises(ApiModelError, match=complaint):
        clients("lambda").create_function(**FUNCTION | {member: value})


def test_a_wrong_type_and_a_missing_member_are_caught(clients: Clients) -> None:
    with pytest.raises(botocore.exceptions.ParamValidationError, match="Invalid type for parameter MemorySize"):
        clients("lambda").create_function(**FUNCTION | {"MemorySize": "3008"})
    with pytest.raises(botocore.exceptions.ParamValidationError, match="Missing required parameter"):
        clients("lambda").create_function(FunctionName="function")


def test_other_services_are_checked_too(clients: Clients) -> None:
    with pytest.raises(ApiModelError, match="which does not match"):
        clients("efs").create_mount_target(FileSystemId="files", SubnetId="subnet-00000000")
    with pytest.raises(ApiModelError, match="ProtocolType is 'HTTPS'; allowed are WEBSOCKET, HTTP"):
        clients("apigatewayv2").create_api(Name="api", ProtocolType="HTTPS")
    with pytest.raises(ApiModelError, match="logGroupName"):
        clients("logs").create_log_group(logGroupName="a group")


def test_a_call_that_aws_would_take_is_sent(clients: Clients) -> None:
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        clients("lambda").create_function(**FUNCTION)


def test_neither_the_users_profile_nor_credentials_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://example.org")
    client = Clients(UNREACHABLE, "us-east-1")("sts")
    assert client.meta.endpoint_url == UNREACHABLE
    assert client._request_signer._credentials.access_key == "test"
