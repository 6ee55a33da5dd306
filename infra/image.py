"""A container image for one architecture: its repository, what goes into the build, and the image by digest."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

from handlers.serving.bundle import MANIFEST

from .bundles import LocalBundle

# One value in two spellings: what the image is built for is what the function runs on.
CPU_ARCHITECTURE = "x86_64"
PLATFORM = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}[CPU_ARCHITECTURE]

BUILD = Path(".build")

# Untagged images are older pushes; functions pinned to one by digest keep working until it is expired.
_KEPT_UNTAGGED = 5


@dataclass(kw_only=True)
class FunctionImageArgs:
    """The target of handlers/Dockerfile to build, the bundles that are copied into the image, and the repository's key."""

    target: str
    bundles: Sequence[LocalBundle] = field(default_factory=list)
    kms_key_arn: str = ""


class FunctionImage(pulumi.ComponentResource):
    """An ECR repository and the image in it; `uri` names the image by digest, so that a new build is a new value."""

    uri: pulumi.Output[str]
    repository_url: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ml-inference:infra:FunctionImage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

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
        context = stage_build_context(args.target, args.bundles)
        image = docker.Image(
            f"{name}-image",
            image_name=pulumi.Output.concat(repository.repository_url, ":latest"),
            build=docker.DockerBuildArgs(
                context=context.as_posix(),
                dockerfile=(context / "handlers" / "Dockerfile").as_posix(),
                target=args.target,
                platform=PLATFORM,
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


def stage_build_context(target: str, bundles: Sequence[LocalBundle]) -> Path:
    """The build context of a target: the handlers, the bundles, nothing else, with the same modes and times everywhere.

    A context of its own makes the image depend on what is in the image alone: editing the README does not rebuild it,
    and a clone with another umask builds the same one. Files that are there already are left untouched, since a stack
    on this machine may be serving them.
    """
    context = BUILD / target
    wanted = {context / path: path for path in sorted(Path("handlers").rglob("*")) if _belongs_in_image(path)}
    for bundle in bundles:
        for path in [MANIFEST, *(file.path for file in bundle.manifest.files)]:
            wanted[context / "models" / bundle.path / path] = bundle.folder / path
    (context / "models").mkdir(parents=True, exist_ok=True)
    for staged in context.rglob("*"):
        if staged.is_file() and staged not in wanted:
            staged.unlink()
    for staged, source in wanted.items():
        if not staged.is_file() or not filecmp.cmp(source, staged, shallow=False):
            staged.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, staged)
        staged.chmod(0o644)
        os.utime(staged, (0, 0))
    for folder in [context, *(path for path in context.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
        os.utime(folder, (0, 0))
    return context


def _belongs_in_image(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
