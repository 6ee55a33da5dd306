"""Weights on EFS: mapped from a file system that a loader fills; a new model is a new folder on it."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from . import policies
from .bundles import digests
from .file_system import ModelFileSystem
from .function import ContainerFunction, ContainerFunctionArgs, FileSystemMount
from .image import FunctionImage
from .inference import Inference, InferenceArgs
from .models import ModelBucket
from .network import IsolatedNetwork, IsolatedNetworkArgs

MODELS_FOLDER = "/mnt/models"

# Copying is bound by the network, which grows with memory, and happens once per model.
_LOADER_MEMORY_MB = 1769
_LOADER_TIMEOUT_S = 900


class EfsInference(Inference):
    """A file system in a network of its own, a loader that may write to it and a function that may only read."""

    def __init__(
        self,
        name: str,
        args: InferenceArgs,
        models: ModelBucket,
        region: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ml-inference:infra:EfsInference", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        network = IsolatedNetwork(name, IsolatedNetworkArgs(cidr=args.stack.vpc_cidr, region=region), opts=child)
        file_system = ModelFileSystem(name, network, opts=child)
        image = FunctionImage(name, args.image_build("efs"), opts=child)

        loader = ContainerFunction(
            f"{name}-loader",
            ContainerFunctionArgs(
                image_uri=image.uri,
                command="handlers.efs.loader.handler",
                cpu=args.stack.cpu,
                memory=_LOADER_MEMORY_MB,
                timeout=_LOADER_TIMEOUT_S,
                log_retention_days=args.stack.log_retention_days,
                environment={"MODEL_ROOT": MODELS_FOLDER, "MODEL_BUCKET": models.bucket},
                statements=[
                    models.arn.apply(policies.read_bundles),
                    pulumi.Output.all(file_system.arn, file_system.access_point_arn).apply(
                        lambda arns: policies.mount(*arns, write=True)
                    ),
                ],
                file_system=FileSystemMount(
                    access_point_arn=file_system.access_point_arn,
                    path=MODELS_FOLDER,
                    subnet_ids=network.subnet_ids,
                    security_group_id=network.loader_group_id,
                ),
                requires=file_system.mount_targets,
            ),
            opts=child,
        )
        loaded = aws.lambda_.Invocation(
            f"{name}-load",
            function_name=loader.name,
            qualifier=loader.alias,
            input=json.dumps({"bundles": digests(args.bundles)}),
            triggers=digests(args.bundles) | {"file-system": file_system.id},
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=models.uploaded)),
        )

        function = ContainerFunction(
            name,
            ContainerFunctionArgs(
                image_uri=image.uri,
                command="handlers.efs.app.handler",
                cpu=args.stack.cpu,
                memory=args.function.memory,
                timeout=args.function.timeout,
                log_retention_days=args.stack.log_retention_days,
                environment={"MODELS": json.dumps(digests(args.bundles)), "MODEL_ROOT": MODELS_FOLDER},
                statements=[
                    pulumi.Output.all(file_system.arn, file_system.access_point_arn).apply(
                        lambda arns: policies.mount(*arns)
                    )
                ],
                file_system=FileSystemMount(
                    access_point_arn=file_system.access_point_arn,
                    path=MODELS_FOLDER,
                    subnet_ids=network.subnet_ids,
                    security_group_id=network.function_group_id,
                ),
                # The new version goes live only when its models are there.
                requires=[*file_system.mount_targets, loaded],
            ),
            opts=child,
        )
        self.serve(name, args, image, function)
