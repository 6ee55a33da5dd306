"""A container image for one architecture: its repository, and the image in it by digest."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from .image_build import ImageBuild

# Untagged images are older pushes; functions pinned to one by digest keep working until it is expired.
_KEPT_UNTAGGED = 5


@dataclass(kw_only=True)
class FunctionImageArgs:
    """What is built, and the key that the repository encrypts with: AWS's own where it is empty."""

    build: ImageBuild
    kms_key_arn: str = ""


class FunctionImage(pulumi.ComponentResource):
    """An ECR repository and the image in it; `uri` names the image by digest, so that a new build is a new value."""

    uri: pulumi.Output[str]
    repository_url: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:FunctionImage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        build = args.build

        repository = aws.ecr.Repository(
            f"{name}-repository",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=_encryption(args.kms_key_arn),
            force_delete=True,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-lifecycle", repository=repository.name, policy=expire_untagged(_KEPT_UNTAGGED), opts=child
        )
        token = aws.ecr.get_authorization_token_output(
            registry_id=repository.registry_id, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        image = docker.Image(
            f"{name}-image",
            image_name=pulumi.Output.concat(repository.repository_url, ":latest"),
            build=docker.DockerBuildArgs(
                context=build.context.as_posix(),
                dockerfile=build.dockerfile.as_posix(),
                target=build.target,
                platform=build.platform,
                args=build.args,
                builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT,
            ),
            registry=docker.RegistryArgs(
                server=repository.repository_url,
                username=pulumi.Output.secret(token.user_name),
                password=pulumi.Output.secret(token.password),
            ),
            opts=child,
        )

        self.uri = image.repo_digest
        self.repository_url = repository.repository_url
        self.register_outputs({"uri": self.uri, "repositoryUrl": self.repository_url})


def _encryption(kms_key_arn: str) -> list[aws.ecr.RepositoryEncryptionConfigurationArgs] | None:
    """The repository's encryption with a key of the user's; None for that of AWS."""
    if not kms_key_arn:
        return None
    return [aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=kms_key_arn)]


def expire_untagged(kept: int) -> str:
    """A lifecycle policy that keeps the newest `kept` untagged images."""
    rule = {
        "rulePriority": 1,
        "description": f"Keep the {kept} newest images that newer pushes have replaced",
        "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": kept},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
