"""The folder of prepared bundles, as one command at a time works in it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.bundles import PREPARED
from workbench.models.errors import ModelError

# Inside the clone, where `models gc` finds it, rather than in the home folder.
CACHE = PREPARED / ".cache"

_LOCK = ".lock"
_NEW, _OLD = ".new", ".old"


@contextmanager
def exclusive(folder: Path = PREPARED) -> Iterator[None]:
    """Keeps other commands from changing bundles and downloads meanwhile.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        ModelError: another command is at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelError(f"Another `models` command is working in {folder}; wait until it has finished.") from error
        yield


@contextmanager
def replacing(destination: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `destination` when the block ends without an error.

    Needs `exclusive`: what an interrupted run has left beside the destination is thrown away.
    """
    new, old = _beside(destination, _NEW), _beside(destination, _OLD)
    recover(destination)
    new.mkdir(parents=True)
    try:
        yield new
        if destination.exists():
            destination.rename(old)
        new.rename(destination)
    finally:
        recover(destination)


def recover(destination: Path) -> None:
    """Removes what an interrupted `replacing` has left, and puts the old bundle back if it was just being replaced."""
    new, old = _beside(destination, _NEW), _beside(destination, _OLD)
    if old.exists() and not destination.exists():
        old.rename(destination)
    for leftover in (new, old):
        if leftover.exists():
            shutil.rmtree(leftover)


def leftovers(folder: Path = PREPARED) -> list[Path]:
    """What interrupted runs have left below `folder`; needs `exclusive`, or a running one's work is among it."""
    return sorted(path for suffix in (_NEW, _OLD) for path in folder.glob(f"*/.*{suffix}") if path.is_dir())


def _beside(destination: Path, suffix: str) -> Path:
    return destination.with_name(f".{destination.name}{suffix}")
