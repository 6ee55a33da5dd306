"""Weights in S3: fetched into memory at cold start; a new model is a new object and a new version of the function."""

from __future__ import annotations

import json

import pulumi

from . import policies
from .bundles import digests
from .function import ContainerFunction, ContainerFunctionArgs
from .image import FunctionImage
from .inference import Inference, InferenceArgs
from .models import ModelBucket


class S3Inference(Inference):
    """A function outside any VPC that may read the bundles of one bucket, and nothing else."""

    def __init__(
        self, name: str, args: InferenceArgs, models: ModelBucket, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ml-inference:infra:S3Inference", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = FunctionImage(name, args.image_build("s3"), opts=child)
        function = ContainerFunction(
            name,
            ContainerFunctionArgs(
                image_uri=image.uri,
                command="handlers.s3.app.handler",
                cpu=args.stack.cpu,
                memory=args.function.memory,
                timeout=args.function.timeout,
                log_retention_days=args.stack.log_retention_days,
                environment={"MODELS": json.dumps(digests(args.bundles)), "MODEL_BUCKET": models.bucket},
                statements=[models.arn.apply(policies.read_bundles)],
                requires=models.uploaded,
            ),
            opts=child,
        )
        self.serve(name, args, image, function)
