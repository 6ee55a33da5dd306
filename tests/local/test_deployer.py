"""The local deployer translates everything that the program sets, or says what it cannot."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from workbench.local.clients import Clients
from workbench.local.deployer import EmulatorProvider
from workbench.local.images import FileSystems, Images
from workbench.local.translations import FUNCTIONS, RESOURCES, Context
from workbench.program import preview
from workbench.program.config import StackConfig, load
from workbench.program.graph import Resource
from workbench.program.runner import ProgramError, run


@pytest.fixture
def provider(emulator: Any, tmp_path: Path) -> EmulatorProvider:
    clients = Clients(emulator.endpoint, "us-east-1")
    context = Context(clients, Images(tmp_path / "images"), FileSystems(tmp_path / "none"), "http://127.0.0.1:9/")
    return EmulatorProvider(context)


def resource(kind: str, **inputs: Any) -> Resource:
    urn = f"urn:pulumi:stack::project::{kind}::name"
    return Resource(urn, kind, "name", "", {"tags": {"stack": "test"}, **inputs}, (), custom=True)


def test_the_preview_and_the_local_stack_know_the_same_types_and_functions() -> None:
    assert set(RESOURCES) | {"pulumi:providers:aws"} == set(preview._OUTPUTS)
    assert set(FUNCTIONS) == set(preview._RESULTS)


def test_a_type_without_a_translation_is_refused(provider: EmulatorProvider) -> None:
    with pytest.raises(ProgramError, match="aws:sqs/queue:Queue name: the local stack cannot create this type"):
        provider.create(resource("aws:sqs/queue:Queue"))


def test_an_input_without_a_translation_is_refused(provider: EmulatorProvider) -> None:
    with pytest.raises(ProgramError, match=r"LogGroup name: no translation for skipDestroy"):
        provider.create(resource("aws:cloudwatch/logGroup:LogGroup", retentionInDays=14, skipDestroy=True))


def test_an_input_inside_an_object_without_a_translation_is_refused(provider: EmulatorProvider) -> None:
    scanning = {"scanOnPush": True, "scanOften": True}
    with pytest.raises(ProgramError, match=r"imageScanningConfiguration: no translation for scanOften"):
        provider.create(resource("aws:ecr/repository:Repository", imageScanningConfiguration=scanning))


def test_a_value_that_aws_would_refuse_is_refused(provider: EmulatorProvider) -> None:
    with pytest.raises(ProgramError, match=r"efs CreateFileSystem: ThroughputMode is 'fast'; allowed are"):
        provider.create(resource("aws:efs/fileSystem:FileSystem", throughputMode="fast"))


def test_a_value_that_the_emulator_refuses_is_reported_with_the_resource(provider: EmulatorProvider) -> None:
    with pytest.raises(ProgramError, match=r"^name: .*NoSuchBucket"):
        provider.create(resource("aws:s3/bucketPolicy:BucketPolicy", bucket="no-such-bucket", policy="{}"))


def test_a_vpc_with_nat_gateways_is_refused(provider: EmulatorProvider) -> None:
    inputs = {
        "subnetStrategy": "Auto",
        "vpcEndpointStrategy": "Auto",
        "natGateways": {"strategy": "OnePerAz"},
        "subnetSpecs": [{"type": "Isolated"}],
    }
    with pytest.raises(
        ProgramError, match="natGateways: strategy is 'OnePerAz', but the local stack can only do 'None'"
    ):
        provider.create(resource("awsx:ec2:Vpc", **inputs))


def test_an_image_without_credentials_for_its_registry_is_refused(provider: EmulatorProvider, tmp_path: Path) -> None:
    registry = {"server": "registry/repository", "username": "AWS", "password": ""}
    build = {"context": str(tmp_path), "dockerfile": "x", "target": "oci"}
    with pytest.raises(ProgramError, match="password is empty"):
        provider.create(
            resource("docker:index/image:Image", imageName="registry/repository:latest", registry=registry, build=build)
        )


JWT = {"issuer": "https://issuer.example", "audience": ["me"]}
SCHEDULE = {"at": "at(2030-01-01T00:00:00)", "timezone": "Europe/Vienna", "minimum": 1, "maximum": 3}


@pytest.mark.parametrize(
    "config",
    [
        {"auth": "iam", "throttleRate": 0},
        {"auth": "jwt", "jwt": JWT},
        {"corsOrigins": ["*"]},
        {"memory": 128, "models": [{"name": "nlp1", "bundle": "models/demo/nlp1"}]},
        {"memory": 10240, "timeout": 1, "ephemeralStorage": 10240},
        {"reservedConcurrency": 0},
        {"provisionedConcurrency": 1, "scaling": {"maximum": 2, "utilization": 90}},
        {"provisionedConcurrency": 1, "scaling": {"schedules": [SCHEDULE]}},
        {"oci": {"rollout": {"stable": 1, "percent": 0}}},
        {"oci": {"rollout": {"stable": 1, "percent": 99}}},
        {"monitoring": True, "alarms": {"errorPercent": 100, "p95Ms": 30000, "throttles": 1000}},
        {"logRetentionDays": 3653},
    ],
    ids=json.dumps,
)
def test_every_value_of_an_option_is_one_that_aws_takes(provider: EmulatorProvider, config: dict[str, Any]) -> None:
    overrides = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()]
    values = load("local", ['architectures=["s3", "oci"]', *overrides]).values
    # Another stack for each, because they all lie in one emulator.
    stack = "s" + hashlib.sha256(json.dumps(config).encode()).hexdigest()[:8]
    graph = run(StackConfig("ml-inference", stack, values), provider)
    assert set(graph.outputs["endpoints"]) == {"s3", "oci"}


def test_what_the_emulator_does_not_have_is_checked_as_everything_else_is(provider: EmulatorProvider) -> None:
    kind, target = "aws:appautoscaling/target:Target", {"serviceNamespace": "lambda", "resourceId": "function:f:live"}
    with pytest.raises(ProgramError, match="ScalableDimension is 'lambda:concurrency'; allowed are"):
        provider.create(resource(kind, **target, scalableDimension="lambda:concurrency", minCapacity=1, maxCapacity=2))
    dimension = "lambda:function:ProvisionedConcurrency"
    with pytest.raises(ProgramError, match="Invalid type for parameter MinCapacity"):
        provider.create(resource(kind, **target, scalableDimension=dimension, minCapacity="1", maxCapacity=2))
    with pytest.raises(ProgramError, match="no translation for roleArn"):
        provider.create(
            resource(kind, **target, scalableDimension=dimension, roleArn="arn:aws:iam::000000000000:role/r")
        )
    provider.create(resource(kind, **target, scalableDimension=dimension, minCapacity=1, maxCapacity=2))


@pytest.mark.parametrize(
    ("kind", "inputs", "complaint"),
    [
        ("aws:lambda/functionUrl:FunctionUrl", {"authorizationType": "OPEN"}, "AuthType is 'OPEN'; allowed are NONE"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {"treatMissingData": "x" * 256}, "TreatMissingData has 256"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {"comparisonOperator": "More"}, "ComparisonOperator is 'More'"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {"datapointsToAlarm": 2}, "no translation for datapointsToAlarm"),
        ("aws:apigatewayv2/domainName:DomainName", {"mutualTlsAuthentication": {}}, "for mutualTlsAuthentication"),
    ],
    ids=["url", "missing data", "comparison", "datapoints", "mutual tls"],
)
def test_a_wrong_option_is_refused(
    provider: EmulatorProvider, kind: str, inputs: dict[str, Any], complaint: str
) -> None:
    known = {
        "aws:lambda/functionUrl:FunctionUrl": {"functionName": "function"},
        "aws:cloudwatch/metricAlarm:MetricAlarm": {
            "namespace": "AWS/Lambda",
            "metricName": "Throttles",
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "threshold": 1,
            "period": 60,
            "statistic": "Sum",
        },
        "aws:apigatewayv2/domainName:DomainName": {"domainName": f"{uuid.uuid4()}.example.org"},
    }
    with pytest.raises(ProgramError, match=complaint):
        provider.create(resource(kind, **known[kind] | inputs))
