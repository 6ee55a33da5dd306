"""What `EfsInference`, `S3Inference` and `OciInference` have in common: their arguments, their outputs, their API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from .api import HttpApi, HttpApiArgs
from .bundles import LocalBundle
from .function import ContainerFunction
from .image import FunctionImage
from .image_build import ImageBuild, image_build
from .settings import FunctionSettings, Settings


@dataclass(kw_only=True)
class InferenceArgs:
    """The bundles to serve, the function's settings (memory in MB, timeout in seconds) and the stack's."""

    bundles: Sequence[LocalBundle]
    function: FunctionSettings
    stack: Settings

    def image_build(self, target: str, bundles: Sequence[LocalBundle] = ()) -> ImageBuild:
        """The build of the image, with `bundles` in it, for the engine and the processors that the stack is set to."""
        return image_build(
            target,
            bundles,
            engine=self.function.engine,
            cpu=self.stack.cpu,
            base_image=self.stack.base_image,
            torch_index=self.stack.torch_index,
        )


class Inference(pulumi.ComponentResource):
    """One architecture: an image, a function from it and the HTTP API in front. Where the weights lie differs."""

    endpoint: pulumi.Output[str]
    function_name: pulumi.Output[str]
    image_uri: pulumi.Output[str]
    log_group_name: pulumi.Output[str]

    def serve(self, name: str, args: InferenceArgs, image: FunctionImage, function: ContainerFunction) -> None:
        """Puts the HTTP API in front of `function` and registers the component's outputs."""
        api = HttpApi(
            f"{name}-api",
            HttpApiArgs(
                function=function,
                throttle_rate=args.stack.throttle_rate,
                throttle_burst=args.stack.throttle_burst,
                log_retention_days=args.stack.log_retention_days,
                auth=args.stack.auth,
                jwt=args.stack.jwt,
                cors_origins=args.stack.cors_origins,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.endpoint = api.endpoint
        self.function_name = function.name
        self.image_uri = image.uri
        self.log_group_name = function.log_group_name
        self.register_outputs(
            {
                "endpoint": self.endpoint,
                "functionName": self.function_name,
                "imageUri": self.image_uri,
                "logGroupName": self.log_group_name,
            }
        )
