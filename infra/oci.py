"""Weights inside the container image: nothing to fetch and nothing to mount; a new model is a new image."""

from __future__ import annotations

import json

import pulumi

from .bundles import digests
from .function import ContainerFunction, ContainerFunctionArgs
from .image import FunctionImage
from .inference import Inference, InferenceArgs

MODELS_FOLDER = "/opt/models"


class OciInference(Inference):
    """An image with the bundles in its last layer, and a function that reads them from there."""

    def __init__(self, name: str, args: InferenceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:OciInference", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = FunctionImage(name, args.image_build("oci", args.bundles), opts=child)
        function = ContainerFunction(
            name,
            ContainerFunctionArgs(
                image_uri=image.uri,
                command="handlers.oci.app.handler",
                cpu=args.stack.cpu,
                memory=args.function.memory,
                timeout=args.function.timeout,
                log_retention_days=args.stack.log_retention_days,
                environment={"MODELS": json.dumps(digests(args.bundles)), "MODEL_ROOT": MODELS_FOLDER},
            ),
            opts=child,
        )
        self.serve(name, args, image, function)
