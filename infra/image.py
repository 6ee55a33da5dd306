"""A container image for one architecture: its repository, and the image in it by digest."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from .image_build import ImageBuild

# Untagged images are older pushes; functions pinned to one by digest keep working until it is expired.
_KEPT_UNTAGGED = 5


class FunctionImage(pulumi.ComponentResource):
    """An ECR repository and the image in it; `uri` names the image by digest, so that a new build is a new value."""

    uri: pulumi.Output[str]
    repository_url: pulumi.Output[str]

    def __init__(self, name: str, build: ImageBuild, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:FunctionImage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        repository = aws.ecr.Repository(
            f"{name}-repository",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
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


def expire_untagged(kept: int) -> str:
    """A lifecycle policy that keeps the newest `kept` untagged images."""
    rule = {
        "rulePriority": 1,
        "description": f"Keep the {kept} newest images that newer pushes have replaced",
        "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": kept},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
