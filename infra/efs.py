"""Weights on EFS: mapped from a file system that a loader fills; a new model is a new folder on it."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from .bundles import digests
from .file_system import ModelFileSystem, ModelFileSystemArgs
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
        file_system = ModelFileSystem(
            name,
            ModelFileSystemArgs(network=network, kms_key_arn=args.stack.kms_key_arn, protect=args.stack.protect_data),
            opts=child,
        )
        image = FunctionImage(name, args.image(), opts=child)

        def mounted_from(security_group_id: pulumi.Output[str]) -> FileSystemMount:
            return FileSystemMount(
                access_point_arn=file_system.access_point_arn,
                path=MODELS_FOLDER,
                subnet_ids=network.subnet_ids,
                security_group_id=security_group_id,
            )

        loader = ContainerFunction(
            f"{name}-loader",
            ContainerFunctionArgs(
                image_uri=image.uri,
                command="handlers.efs.loader.handler",
                cpu=args.stack.cpu,
                memory=_LOADER_MEMORY_MB,
                timeout=_LOADER_TIMEOUT_S,
                log_retention_days=args.stack.log_retention_days,
                kms_key_arn=args.stack.kms_key_arn,
                environment={"MODEL_ROOT": MODELS_FOLDER, "MODEL_BUCKET": models.bucket},
                statements=[*models.read_statements, file_system.mount_statement(write=True)],
                file_system=mounted_from(network.loader_group_id),
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
        self.serve(
            name,
            args,
            image,
            environment={"MODEL_ROOT": MODELS_FOLDER},
            statements=[file_system.mount_statement()],
            file_system=mounted_from(network.function_group_id),
            # The new version goes live only when its models are there.
            requires=[*file_system.mount_targets, loaded],
        )
