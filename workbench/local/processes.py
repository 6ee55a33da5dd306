"""Which processes belong to the stack in a folder, and how to get rid of what a stack that died has left behind.

A stack is its owner, the process that brought it up, and the owner's children, which `child` ends when the owner ends.
`state.json` in the folder names the owner. The children are not listed anywhere, since a list could miss one that is
being started: each has the folder on its command line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

_CHILD = Path(__file__).with_name("child.py")
_STATE = "state.json"
_SCRATCH = ("emulator", "lambda")  # what emulator and Lambda service leave in the folder; the logs stay

# psutil computes a time of creation from the time of boot, of which the kernel's notion may move by a second.
_CLOCK_TOLERANCE = 2.0  # seconds
_KILL_LIMIT = 5.0  # seconds


class AlreadyRunningError(Exception):
    """A stack is up in this folder. The message is a sentence for the user."""


@dataclass(frozen=True)
class Owner:
    """The process that brought a stack up: `created` in seconds since the epoch; `endpoint` None until it is known."""

    stack: str
    pid: int
    created: float
    endpoint: str | None = None


class Claim:
    """A folder's being in use by this process; see `claim`."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self._folder = folder
        self._owner = owner
        self._write()

    def record(self, endpoint: str) -> None:
        """Lets others know where the stack's APIs are."""
        self._owner = replace(self._owner, endpoint=endpoint)
        self._write()

    def _write(self) -> None:
        partial = self._folder / f".{_STATE}.partial"
        partial.write_text(json.dumps(asdict(self._owner)) + "\n", encoding="utf-8")
        partial.replace(self._folder / _STATE)


@contextlib.contextmanager
def claim(folder: Path, stack: str) -> Iterator[Claim]:
    """Makes this process the owner of the stack in `folder` for a block, leftovers of an earlier one removed.

    Raises:
        AlreadyRunningError: another process is the owner.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusively(folder):
        _clear(folder)
        claimed = Claim(folder, Owner(stack, os.getpid(), psutil.Process().create_time()))
    try:
        yield claimed
    finally:
        (folder / _STATE).unlink(missing_ok=True)


def running(folder: Path) -> Owner | None:
    """The owner of the stack in `folder`, if it is alive."""
    try:
        owner = Owner(**json.loads((folder / _STATE).read_bytes()))
        process = psutil.Process(owner.pid)
        alive = (
            process.status() != psutil.STATUS_ZOMBIE
            and abs(process.create_time() - owner.created) < _CLOCK_TOLERANCE  # else the number went to another one
        )
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
    return owner if alive else None


def children(folder: Path) -> list[psutil.Process]:
    """The processes that belong to the stack in `folder`, the owner apart; also those that no owner is left of."""
    marks = {str(_CHILD), str(folder.resolve())}
    return [process for process in psutil.process_iter(["cmdline"]) if marks <= set(process.info["cmdline"] or ())]


def clean_up(folder: Path) -> None:
    """Ends what an owner that died has left running in `folder`, and removes its files except for the logs.

    Raises:
        AlreadyRunningError: the owner is alive.
    """
    if folder.exists():
        with _exclusively(folder):
            _clear(folder)


def end(folder: Path, limit: float = 10.0) -> Owner | None:
    """Ends the stack in `folder` and returns who owned it; cleans up in any case.

    The owner is asked to end (SIGTERM) and is killed if it has not done so after `limit` seconds.
    """
    owner = running(folder)
    if owner is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(owner.pid)
            process.terminate()
            if not _ended(folder, limit):
                process.kill()
                _ended(folder, _KILL_LIMIT)
    clean_up(folder)
    return owner


def _ended(folder: Path, limit: float) -> bool:
    """Waits until the owner has ended, `limit` seconds at most, and says whether it has.

    Not psutil's own waiting: to that, an owner whose parent has not taken notice yet is still there.
    """
    deadline = time.monotonic() + limit
    while running(folder) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return running(folder) is None


def _clear(folder: Path) -> None:
    if (owner := running(folder)) is not None:
        where = f" at {owner.endpoint}" if owner.endpoint else ""
        raise AlreadyRunningError(
            f"Stack {owner.stack} is up already{where} (process {owner.pid}); end it with Ctrl-C in its terminal "
            "or with `python -m workbench local down`."
        )
    left = children(folder)
    for process in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group that holds whatever it started
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()  # unless it was forked off by one that does
    psutil.wait_procs(left, timeout=_KILL_LIMIT)
    for name in _SCRATCH:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / _STATE).unlink(missing_ok=True)


@contextlib.contextmanager
def _exclusively(folder: Path) -> Iterator[None]:
    """Lets one process at a time look at the state and change it; the lock goes with a process that dies."""
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
