"""The local deployer translates everything that the program sets, or says what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.local.clients import Clients
from workbench.local.deployer import EmulatorProvider
from workbench.local.images import Images
from workbench.local.translations import FUNCTIONS, RESOURCES, Context
from workbench.program import preview
from workbench.program.graph import Resource
from workbench.program.runner import ProgramError


@pytest.fixture
def provider(emulator: Any, tmp_path: Path) -> EmulatorProvider:
    clients = Clients(emulator.endpoint, "us-east-1")
    return EmulatorProvider(Context(clients, Images(tmp_path / "images"), "http://127.0.0.1:9/"))


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
