"""Weights in S3: fetched into memory at cold start; a new model is a new object and a new version of the function."""

from __future__ import annotations

import pulumi

from .image import FunctionImage
from .inference import Inference, InferenceArgs
from .models import ModelBucket
from .sizes import keeps_models_in_tmp

TMP_FOLDER = "/tmp/models"  # noqa: S108  (of the execution environment, which nobody shares)


class S3Inference(Inference):
    """A function outside any VPC that may read the bundles of one bucket, and nothing else."""

    def __init__(
        self, name: str, args: InferenceArgs, models: ModelBucket, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ml-inference:infra:S3Inference", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        image = FunctionImage(name, args.image(), opts=child)
        folder = {"MODEL_TMP": TMP_FOLDER} if keeps_models_in_tmp("s3", args.function) else {}
        self.serve(
            name,
            args,
            image,
            environment={"MODEL_BUCKET": models.bucket, **folder},
            statements=models.read_statements,
            requires=models.uploaded,
        )
