"""How the runtime of an execution environment is started and ended: as a process of this machine.

`workbench.local.containers` starts it as a container of the function's image. What it is told over the Runtime API is
not decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from workbench.local.lambda_service.functions import Function

_CHILD = Path(__file__).parents[1] / "child.py"


class Runtime(Protocol):
    """A runtime that has been started."""

    @property
    def pid(self) -> int:
        """The process on this machine that ends when the runtime does."""
        ...

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        ...

    async def wait(self) -> int:
        """Waits for its end, and for that of everything that it has started; returns its exit status."""
        ...

    def kill(self) -> None:
        """Ends it and everything that it has started, without waiting for the end."""
        ...

    def peak_memory(self) -> int:
        """Bytes of physical memory that it had at most; 0 where that cannot be told."""
        ...


class Launcher(Protocol):
    """Starts runtimes."""

    async def launch(self, function: Function, environment: str, variables: Mapping[str, str], log: int) -> Runtime:
        """Starts the runtime of the environment with the id `environment`; its output goes to the descriptor `log`.

        `variables` are those that Lambda sets, over the function's own.
        """
        ...


@dataclass(frozen=True)
class ProcessLauncher:
    """Runs the installed runtime interface client as a child process, with folders in place of image and file systems.

    Attributes:
        folder: marks the processes as belonging to the stack in it, see `child`.
        task_root: working directory of the runtime and first entry of its import path.
        environments: each environment makes its `/tmp` here.
        lifeline: reading end of a pipe that nobody writes to; the processes end with it.
    """

    folder: Path
    task_root: Path
    environments: Path
    lifeline: int

    async def launch(self, function: Function, environment: str, variables: Mapping[str, str], log: int) -> Runtime:
        """See `Launcher.launch`."""
        tmp = self.environments / environment
        tmp.mkdir(parents=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", _CHILD, self.folder, "awslambdaric", function.handler),
            stdin=self.lifeline,
            stdout=log,
            stderr=log,
            cwd=self.task_root,
            env={
                **function.environment(tmp),
                "PATH": os.environ.get("PATH", os.defpath),
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "HOME": str(tmp),
                "TMPDIR": str(tmp),
                "LAMBDA_TASK_ROOT": str(self.task_root),
                **variables,
            },
            start_new_session=True,  # so that a kill reaches what the handler starts, and Ctrl-C does not get here
        )
        return _Process(process, tmp)


class _Process:
    """A process and its group."""

    def __init__(self, process: asyncio.subprocess.Process, tmp: Path) -> None:
        self._process = process
        self._tmp = tmp

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        code = await self._process.wait()
        self._kill_group()  # what a handler started does not outlive its environment
        await asyncio.to_thread(shutil.rmtree, self._tmp, ignore_errors=True)
        return code

    def kill(self) -> None:
        if self.returncode is None:
            self._kill_group()

    def peak_memory(self) -> int:
        return peak_memory(self.pid)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.pid, signal.SIGKILL)


def peak_memory(pid: int) -> int:
    """Bytes of physical memory that a process had at most; where the system does not say, what it has now; or 0."""
    with contextlib.suppress(OSError, psutil.Error):
        if sys.platform == "linux":
            for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return psutil.Process(pid).memory_info().rss
    return 0
