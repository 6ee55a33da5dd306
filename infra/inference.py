"""What `EfsInference`, `S3Inference` and `OciInference` have in common: their arguments, their function, their endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import pulumi

from . import policies
from .api import HttpApi, HttpApiArgs
from .bundles import LocalBundle, digests, read_bundles
from .domain import CustomDomain
from .function import ContainerFunction, ContainerFunctionArgs, FileSystemMount
from .function_url import FunctionUrl, FunctionUrlArgs
from .image import FunctionImage, FunctionImageArgs
from .image_build import image_build
from .scaling import ProvisionedConcurrency, ProvisionedConcurrencyArgs
from .settings import Architecture, FunctionSettings, Settings
from .sizes import check_sizes


@dataclass(kw_only=True)
class InferenceArgs:
    """The bundles to serve, the function's settings (memory in MB, timeout in seconds) and the stack's."""

    architecture: Architecture
    bundles: Sequence[LocalBundle]
    function: FunctionSettings
    stack: Settings
    domain: CustomDomain | None = None

    @classmethod
    def of(cls, architecture: Architecture, settings: Settings) -> Self:
        """The arguments of one architecture of the stack; raises `ConfigError` when its models cannot be deployed."""
        function = settings.for_architecture(architecture)
        bundles = read_bundles(function, pulumi.get_stack())
        check_sizes(architecture, function, bundles)
        return cls(architecture=architecture, bundles=bundles, function=function, stack=settings)

    def below(self, domain: CustomDomain) -> Self:
        """The same arguments with the endpoint below a domain."""
        return replace(self, domain=domain)

    @property
    def namespace(self) -> str:
        """The CloudWatch namespace of what the handlers measure: the stack's own, so that two stacks do not mix."""
        return f"{pulumi.get_project()}/{pulumi.get_stack()}"

    def image(self, bundles: Sequence[LocalBundle] = ()) -> FunctionImageArgs:
        """The image, with `bundles` in it, for the engine and the processors that the stack is set to."""
        build = image_build(
            self.architecture,
            bundles,
            engine=self.function.engine,
            cpu=self.stack.cpu,
            base_image=self.stack.base_image,
            torch_index=self.stack.torch_index,
        )
        return FunctionImageArgs(build=build, kms_key_arn=self.stack.kms_key_arn)


class Inference(pulumi.ComponentResource):
    """One architecture: an image, a function from it and the HTTP API in front. Where the weights lie differs."""

    endpoint: pulumi.Output[str]
    function_name: pulumi.Output[str]
    function_url: pulumi.Output[str] | None
    image_uri: pulumi.Output[str]
    log_group_name: pulumi.Output[str]
    api_id: pulumi.Output[str]

    def serve(
        self,
        name: str,
        args: InferenceArgs,
        image: FunctionImage,
        *,
        environment: Mapping[str, pulumi.Input[str]],
        statements: Sequence[pulumi.Input[policies.Statement]] = (),
        file_system: FileSystemMount | None = None,
        requires: Sequence[pulumi.Resource] = (),
    ) -> None:
        """Makes the function that answers and what leads to it, and registers the component's outputs.

        The keyword arguments are what differs between architectures: where the function finds its models, what its role
        may do to read them, the file system that it mounts, and what has to be there before it goes live.
        """
        child = pulumi.ResourceOptions(parent=self)
        function = ContainerFunction(
            name,
            ContainerFunctionArgs(
                image_uri=image.uri,
                command=f"handlers.{args.architecture}.app.handler",
                cpu=args.stack.cpu,
                memory=args.function.memory,
                timeout=args.function.timeout,
                ephemeral_storage=args.function.ephemeral_storage,
                snap_start=args.function.snap_start,
                reserved_concurrency=args.function.reserved_concurrency,
                rollout=args.function.rollout,
                log_retention_days=args.stack.log_retention_days,
                kms_key_arn=args.stack.kms_key_arn,
                environment={
                    "MODELS": json.dumps(digests(args.bundles)),
                    "POWERTOOLS_METRICS_NAMESPACE": args.namespace,
                    **environment,
                },
                statements=statements,
                file_system=file_system,
                requires=requires,
            ),
            opts=child,
        )
        if args.function.provisioned_concurrency:
            ProvisionedConcurrency(
                f"{name}-provisioned",
                ProvisionedConcurrencyArgs(
                    function=function,
                    environments=args.function.provisioned_concurrency,
                    scaling=args.function.scaling,
                ),
                opts=child,
            )
        url = (
            FunctionUrl(
                f"{name}-url", FunctionUrlArgs(function=function, auth=args.function.function_url_auth), opts=child
            )
            if args.function.function_url
            else None
        )
        api = HttpApi(
            f"{name}-api",
            HttpApiArgs(
                function=function,
                throttle_rate=args.stack.throttle_rate,
                throttle_burst=args.stack.throttle_burst,
                log_retention_days=args.stack.log_retention_days,
                auth=args.function.auth,
                jwt=args.stack.jwt,
                cors_origins=args.stack.cors_origins,
                cors_credentials=args.stack.cors_credentials,
                kms_key_arn=args.stack.kms_key_arn,
                domain=args.domain,
                path=args.architecture,
            ),
            opts=child,
        )
        self.endpoint = api.endpoint
        self.api_id = api.api_id
        self.function_name = function.name
        self.function_url = url.url if url else None
        self.image_uri = image.uri
        self.log_group_name = function.log_group_name
        self.register_outputs(
            {
                "endpoint": self.endpoint,
                "functionName": self.function_name,
                "functionUrl": self.function_url,
                "imageUri": self.image_uri,
                "logGroupName": self.log_group_name,
            }
        )
