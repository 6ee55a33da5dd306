"""Docker Engine, which builds the images: what it needs to be able to, and what its errors mean.

Pulumi's provider builds and pushes by itself (`infra.image`); here is what the program checks before that, and the
client by which the local stack and the tests build and run the same images.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from .image_build import PLATFORMS
from .settings import Settings

# Bytes that a build takes at most, those of a base image of 0.6 GB included: each layer exists once where it is made and
# once in the image, and torch a third time before it is slimmed.
_ROOM = {"onnx": 2_000_000_000, "torch": 5_000_000_000}

# The language host of the Pulumi CLI hands the stack's configuration to the program in it.
_RUN_BY_PULUMI = "PULUMI_CONFIG"

_LAST_LINES = 15  # of an output that says nothing known


class DockerError(pulumi.RunError):
    """Docker cannot do what is asked of it. The message is a sentence for whoever has to act."""


_NO_BASE_IMAGE = (
    "The base image {what} cannot be fetched. See that its name is right and its registry reachable and, where it asks for "
    "it, that you are logged in (`docker login`); or set ml-inference:baseImage to a copy that you can reach."
)
_OTHER_BASE_IMAGE = (
    "The base image is not there for the processors that the build is for. Choose the other value of ml-inference:cpu, or "
    "an ml-inference:baseImage for these."
)
_OTHER_PROCESSORS = (
    "The build is for other processors than this machine has. Choose the other value of ml-inference:cpu, build on such a "
    "machine, or install emulation (docs/images.md says how)."
)
_NO_TORCH = (
    "The package index has no build of PyTorch for the CPU alone. Set ml-inference:torchIndex to the index that the "
    "installer page of pytorch.org shows for pip and CPU."
)

# What Docker, BuildKit, containerd and pip print, in the versions 20.10 to 28 of Docker, and what to do about it. The
# first that is found counts: a full disk shows in many ways, and some of them look like another fault.
_FAULTS: tuple[tuple[str, str], ...] = (
    (
        r"permission denied while trying to connect to the Docker daemon|dial unix \S+: connect: permission denied",
        "This user may not use Docker Engine. Add it to the group docker (`sudo usermod -aG docker $USER`) and log in "
        "again, or set DOCKER_HOST to an engine of its own.",
    ),
    (
        r"cannot connect to the docker daemon|failed to dial gRPC|error during connect|is the docker daemon running",
        "Docker Engine does not answer. Start it (Docker Desktop, or `sudo systemctl start docker`), or set DOCKER_HOST "
        "to where it listens.",
    ),
    (
        r"buildx component is missing",
        "This docker command cannot build with BuildKit. Install its plugin buildx, which Docker's packages and Docker "
        "Desktop bring along.",
    ),
    (
        r"no space left on device|disk quota exceeded",
        "The disk of Docker Engine is full. `docker system df` says what takes the room, and `docker system prune` "
        "removes what no container uses; then try again.",
    ),
    (
        r"exec format error",
        _OTHER_PROCESSORS,
    ),
    (
        r"no match for platform in manifest|no matching manifest for|does not match the (?:specified|expected) platform"
        r"|built on an image for other processors",
        _OTHER_BASE_IMAGE,
    ),
    (
        r"No matching distribution found for torch==",
        _NO_TORCH,
    ),
    (
        r"No matching distribution found for (?P<what>\S+)",
        "The build could not get the package {what}. See that the package index is reachable from the build, and that it "
        "has a wheel for the Python of the base image.",
    ),
    (
        r"(?:load metadata for|failed to resolve source metadata for) (?P<what>[^\s:]+(?::\d+/[^\s:]+)?(?::[\w.-]+)?)(?s:.*)"
        r"(?:failed to do request|not found|401 Unauthorized|pull access denied|403 Forbidden|failed to solve)",
        _NO_BASE_IMAGE,
    ),
    (
        r"no basic auth credentials|authorization token has expired|failed with status: 401|unauthorized|denied: ",
        "The registry refuses the login. For ECR, see that your AWS credentials are valid (`aws sts "
        "get-caller-identity`) and may call ecr:GetAuthorizationToken and push; else log in with `docker login`.",
    ),
    (
        r"dial tcp|i/o timeout|TLS handshake timeout|x509:",
        "The registry cannot be reached. See that its address is right and that this machine's network and proxy let "
        "Docker Engine through.",
    ),
)


def explain(output: str) -> str:
    """What Docker's output of a failed command means and what to do, as a sentence and the line that it goes by.

    Where it means nothing known, the end of the output.
    """
    for pattern, sentence in _FAULTS:
        if found := re.search(pattern, output, re.IGNORECASE):
            start, end = output.rfind("\n", 0, found.start()) + 1, output.find("\n", found.start())
            line = output[start : end if end >= 0 else None].strip()
            return f"{sentence.format(**found.groupdict())}\nDocker says: {line}"
    return "Docker failed; its last words are:\n" + "\n".join(output.strip().splitlines()[-_LAST_LINES:])


# The classic builder of older versions knows no mounts. And Lambda takes an image, but no index of an image and the
# attestation that newer versions add; Pulumi's provider, which calls the engine itself, asks for none either.
BUILDING = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def docker(*arguments: str) -> str:
    """What `docker <arguments>` prints.

    Raises:
        DockerError: there is no docker, or it failed.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **BUILDING},
        )
    except FileNotFoundError:
        raise DockerError(
            "There is no command docker. The images are built with Docker Engine: install it, as docs.docker.com says, "
            "or see that docker is on PATH."
        ) from None
    if done.returncode:
        raise DockerError(explain(f"{done.stdout}\n{done.stderr}"))
    return done.stdout


def check_builder(settings: Settings) -> None:
    """Stops a deployment whose images cannot be built, before it has created anything.

    A preview builds no image, and neither does a run of the program without the Pulumi CLI; both pass.

    Raises:
        DockerError: the engine is not there, its disk is full, the base image cannot be reached or is for another
            processor, or nothing is said of where to get PyTorch.
    """
    if _RUN_BY_PULUMI in os.environ and not pulumi.runtime.is_dry_run():
        engines = {settings.for_architecture(architecture).engine for architecture in settings.architectures}
        check_build(PLATFORMS[settings.cpu], settings.base_image, engines, settings.torch_index)


def check_build(wanted: str, base_image: str, engines: set[str], torch_index: str) -> None:
    """Checks that images for the platform `wanted` can be built; raises as `check_builder` does."""
    engine: dict[str, Any] = json.loads(docker("info", "--format", "{{json .}}"))
    if errors := engine.get("ServerErrors"):
        raise DockerError(explain("\n".join(errors)))
    _check_room(Path(engine["DockerRootDir"]), max(_ROOM[name] for name in engines))
    if "torch" in engines and not torch_index and base_image == Settings.model_fields["base_image"].default:
        raise DockerError(_NO_TORCH)
    _check_emulation(engine, wanted)
    _check_base_image(base_image, wanted)


def _check_room(root: Path, needed: int) -> None:
    # In a virtual machine or elsewhere, it is not a folder of this machine, and the build will show.
    if root.is_dir() and (free := shutil.disk_usage(root).free) < needed:
        raise DockerError(
            f"Docker Engine has {free / 1e9:.1f} GB left at {root}, and building needs up to {needed / 1e9:.0f} GB. "
            "`docker system df` says what takes the room, and `docker system prune` removes what no container uses."
        )


def _check_emulation(engine: Mapping[str, Any], wanted: str) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(engine["Architecture"], engine["Architecture"])
    if wanted == f"linux/{machine}" or engine["KernelVersion"] != platform.release():
        return  # Docker Desktop emulates; what another machine can do shows when it builds
    emulator = {"linux/arm64": "qemu-aarch64", "linux/amd64": "qemu-x86_64"}[wanted]
    if not Path("/proc/sys/fs/binfmt_misc", emulator).exists():
        raise DockerError(f"{_OTHER_PROCESSORS} It is for {wanted}, on linux/{machine}.")


def _check_base_image(name: str, wanted: str) -> None:
    try:
        here = docker("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", name).strip()
    except DockerError:
        here = ""
    if here == wanted:
        return
    try:
        manifest: dict[str, Any] = json.loads(docker("manifest", "inspect", name))
    except DockerError as error:
        said = str(error).rpartition("\n")[2]
        raise DockerError(f"{_NO_BASE_IMAGE.format(what=name)}\n{said}") from None
    offered = {"{os}/{architecture}".format(**entry["platform"]) for entry in manifest.get("manifests", ())}
    if offered and wanted not in offered:
        raise DockerError(f"{_OTHER_BASE_IMAGE} {name} is there for {', '.join(sorted(offered))}, not for {wanted}.")
