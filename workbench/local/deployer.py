"""Deploys the program into the emulator: each resource is created there the moment the program registers it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from infra.docker_engine import DockerError
from workbench.program.graph import Resource
from workbench.program.naming import NAME_INPUT, physical_name
from workbench.program.runner import ProgramError

from .api_model import ApiModelError
from .inputs import Inputs, TranslationError
from .translations import FUNCTIONS, RESOURCES, Context, Declared, parse_tags

T = TypeVar("T")

_PROVIDER = "pulumi:providers:aws"
# How the AWS provider reaches AWS, or an emulator, and as whom; here boto3 does, at an endpoint of its own.
_ABOUT_THE_WAY_TO_AWS = (
    "version",
    "accessKey",
    "secretKey",
    "endpoints",
    "s3UsePathStyle",
    "skipCredentialsValidation",
    "skipMetadataApiCheck",
    "skipRegionValidation",
    "skipRequestingAccountId",
)


class EmulatorProvider:
    """Stands where Pulumi's providers would be. `progress` is called with each resource that has been created."""

    def __init__(self, context: Context, progress: Callable[[Resource], None] = lambda _: None) -> None:
        self._context = context
        self._progress = progress
        self._default_tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        """Creates a resource; its id and its outputs are the emulator's.

        Raises:
            ProgramError: there is no translation for the type or for an input, or AWS or the emulator would refuse it.
        """
        if resource.type == _PROVIDER:
            return self._provider(resource)
        if resource.type not in RESOURCES:
            raise ProgramError(
                f"{resource.type} {resource.name}: the local stack cannot create this type; "
                "teach it in workbench.local.translations."
            )
        inputs = Inputs(f"{resource.type} {resource.name}", resource.inputs)
        name = resource.name
        if resource.type in NAME_INPUT:
            name = physical_name(resource)
            inputs.take(NAME_INPUT[resource.type])
        declared = Declared(inputs, name, self._tags(resource) | inputs.take("tags", {}))
        identity, outputs = _calling(resource.name, lambda: RESOURCES[resource.type](declared, self._context))
        _calling(resource.name, inputs.finish)
        self._progress(resource)
        # A component of another package is one resource here; what it is given is not what it gives back.
        return identity, outputs if resource.type.startswith("awsx:") else resource.inputs | outputs

    def invoke(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
        """What a function of a provider answers; raises `ProgramError` as `create` does."""
        if token not in FUNCTIONS:
            raise ProgramError(f"The local stack cannot answer {token}; teach it in workbench.local.translations.")
        return _calling(token, lambda: FUNCTIONS[token](args, self._context))

    def _provider(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        inputs = Inputs(f"{resource.type} {resource.name}", resource.inputs)
        inputs.take("defaultTags")
        _calling(resource.name, lambda: inputs.expect("region", self._context.clients.region))
        for key in _ABOUT_THE_WAY_TO_AWS:
            inputs.take(key)
        _calling(resource.name, inputs.finish)
        with self._lock:
            self._default_tags[resource.urn] = parse_tags(resource.inputs)
        return resource.name, resource.inputs

    def _tags(self, resource: Resource) -> dict[str, str]:
        for reference in (resource.provider, *resource.providers):
            # A reference to a provider is its URN and its id.
            if tags := self._default_tags.get(reference.rpartition("::")[0]):
                return tags
        return {}


def _calling(name: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except (ApiModelError, TranslationError, DockerError, ClientError, BotoCoreError) as error:
        raise ProgramError(f"{name}: {error}") from error
