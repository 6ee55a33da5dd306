"""Images and functions in containers, as Docker Engine builds them and as Lambda runs them.

What an image is built from is `infra.image_build`'s to say, and what a function is told is the Lambda service's.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from infra.docker_engine import docker
from infra.image_build import ImageBuild

from .images import FileSystems
from .lambda_service.functions import Function
from .lambda_service.launchers import Runtime, peak_memory

_REAPER = Path(__file__).with_name("reaper.py")

LABEL = "ml-inference.stack"

# The user that Lambda runs a function as owns nothing in its image; which one it is, is not promised.
UNPRIVILEGED = "993:990"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: processes and threads, file descriptors
_PROCESSES = 1024
_FILES = 1024

_SIGNALLED = 128  # a shell's and Docker's exit status for a process that a signal ended is this and the signal
_INTERVAL = 0.1  # seconds between two looks at a container


@dataclass(frozen=True)
class Mount:
    """A folder of this machine in a container."""

    folder: Path
    path: str
    writable: bool = False


def build(build: ImageBuild, tag: str | None = None) -> str:
    """Builds an image and returns its id; `tag` names it.

    Raises:
        DockerError: it cannot be built.
    """
    return docker(*build_arguments(build), "--quiet", *(("--tag", tag) if tag else ())).strip()


def build_arguments(build: ImageBuild) -> list[str]:
    """What `docker` is called with to build an image."""
    return [
        *("build", "--platform", build.platform, "--target", build.target, "--file", str(build.dockerfile)),
        *(word for name, value in sorted(build.args.items()) for word in ("--build-arg", f"{name}={value}")),
        # An index or a proxy on the loopback interface of this machine is within reach.
        *("--network", "host", str(build.context)),
    ]


def run_arguments(
    image: str,
    command: Sequence[str],
    *,
    memory: int,
    tmp: int = 512,
    user: str = UNPRIVILEGED,
    mounts: Sequence[Mount] = (),
    variables: Mapping[str, str] | None = None,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[str]:
    """What `docker` is called with to run an image as Lambda does; `memory` and `tmp` in MB.

    The root is read-only, `/tmp` alone is writable, there is no `/dev/shm`, the user has no rights, and memory has its
    limit. The network is this machine's: that is where the emulator and the Runtime API are.
    """
    return [
        *("run", "--rm", "--network", "host", "--ipc", "none"),
        *("--read-only", "--tmpfs", f"/tmp:rw,exec,nosuid,nodev,mode=1777,size={tmp}m"),  # noqa: S108 - the container's
        *("--user", user, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--memory", f"{memory}m", "--memory-swap", f"{memory}m"),
        *("--pids-limit", str(_PROCESSES), "--ulimit", f"nofile={_FILES}:{_FILES}"),
        *(("--name", name) if name else ()),
        *(word for key, value in (labels or {}).items() for word in ("--label", f"{key}={value}")),
        *(
            word
            for mount in mounts
            for word in ("--volume", f"{mount.folder.resolve()}:{mount.path}:{'rw' if mount.writable else 'ro'}")
        ),
        # By name alone: a value on the command line could be read by every user of this machine.
        *(word for key in (variables or {}) for word in ("--env", key)),
        image,
        *command,
    ]


class ContainerLauncher:
    """Runs functions as containers of their images, from `with` to the end of its block, and leaves none behind.

    Should this process die, a reaper that it has started removes them. `folder` is the stack's; containers are labelled
    with it.

    Raises:
        DockerError: Docker Engine does not answer.
    """

    def __init__(self, folder: Path, file_systems: FileSystems) -> None:
        self._label = str(folder.resolve())
        self._file_systems = file_systems
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ContainerLauncher:
        docker("version", "--format", "{{.Server.Version}}")
        self._reaper = subprocess.Popen(
            [sys.executable, "-P", _REAPER, f"{LABEL}={self._label}"],
            stdin=subprocess.PIPE,  # never written to: its end is how the reaper learns of this process's
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            self._reaper.wait()

    async def launch(self, function: Function, environment: str, variables: Mapping[str, str], log: int) -> Runtime:
        """See `Launcher.launch`; the root of the image, its limits and its mounts are those that the function has."""
        name = f"ml-inference-{environment}"
        access = {path: self._file_systems.access(arn, function.role) for path, arn in function.mounts.items()}
        told = {**function.own_variables, **variables}
        arguments = run_arguments(
            function.image,
            [function.handler],
            memory=function.memory_size,
            tmp=function.tmp_size,
            # A bind mount maps no users, as the access point of a file system does.
            user=next((one.user for one in access.values()), UNPRIVILEGED),
            mounts=[Mount(one.folder, path, one.writable) for path, one in access.items()],
            variables=told,
            name=name,
            labels={LABEL: self._label},
        )
        process = await asyncio.create_subprocess_exec(
            *("docker", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **told},
            start_new_session=True,  # so that Ctrl-C does not get here
        )
        return _Container(name, process)


class _Container:
    """A container, attached to by a `docker run` that ends with it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process
        self._inside = 0
        self._tasks = {asyncio.create_task(self._find())}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return _as_of_a_process(self._process.returncode)

    async def wait(self) -> int:
        code = await self._process.wait()
        await asyncio.gather(*self._tasks)  # they end with the process
        return _as_of_a_process(code) or 0

    def kill(self) -> None:
        if self._process.returncode is None:
            self._tasks.add(asyncio.create_task(self._remove()))

    def peak_memory(self) -> int:
        return peak_memory(self._inside) if self._inside else 0

    async def _find(self) -> None:
        """Finds the process in the container, of which the client that waits for it knows nothing."""
        while not self._inside and self._process.returncode is None:
            said = await _docker("inspect", "--format", "{{.State.Pid}}", self._name)
            self._inside = int(said) if said.isdigit() else 0
            await asyncio.sleep(_INTERVAL)

    async def _remove(self) -> None:
        # Again and again: it may not have come about yet.
        while self._process.returncode is None:
            await _docker("rm", "--force", self._name)
            await asyncio.sleep(_INTERVAL)


async def _docker(*arguments: str) -> str:
    """What `docker` prints, whether or not it fails."""
    process = await asyncio.create_subprocess_exec(
        "docker", *arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    return output.decode().strip()


def _as_of_a_process(code: int | None) -> int | None:
    """The exit status of `docker run` as Python gives that of a process: negative for a signal."""
    return _SIGNALLED - code if code is not None and code > _SIGNALLED else code
