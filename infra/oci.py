"""Weights inside the container image: nothing to fetch and nothing to mount; a new model is a new image."""

from __future__ import annotations

import pulumi

from .image import FunctionImage
from .inference import Inference, InferenceArgs

MODELS_FOLDER = "/opt/models"


class OciInference(Inference):
    """An image with the bundles in its last layer, and a function that reads them from there."""

    def __init__(self, name: str, args: InferenceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:OciInference", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = FunctionImage(name, args.image(args.bundles), opts=child)
        self.serve(name, args, image, environment={"MODEL_ROOT": MODELS_FOLDER})
