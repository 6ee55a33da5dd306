"""Checkpoints on this machine: downloaded from the hub at the locked commit, or a folder of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from handlers.serving.bundle import BundleFile
from workbench.models.bundles import sha256_of
from workbench.models.checkpoint import Description, describe, describing_files, weight_files
from workbench.models.errors import ModelError
from workbench.models.hub import Hub, HubFile
from workbench.models.lock import DEFAULT_REVISION, Lock, Locked


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this machine, in `folder`.

    `source` is what a bundle made from it says of its origin: the model as the user calls it, and the commit; of a
    local folder, a checksum over its files.
    """

    folder: Path
    source: Mapping[str, str]
    description: Description


def is_local(source: str) -> bool:
    """Whether `source` is a folder; anything that does not begin as a path is a model of the hub."""
    return source.startswith(("./", "../", "/", "~/")) or source in (".", "..")


def origin(source: str, revision: str | None, lock: Lock) -> dict[str, str] | None:
    """What a bundle would say of its origin if it were prepared now without looking at the hub.

    None when the model is not locked, so that only the hub can say.

    Raises:
        ModelError: a local folder does not exist or is not a checkpoint.
    """
    if is_local(source):
        return _local_origin(source)
    locked = lock.get(source, revision)
    return {"model": source, "revision": locked.commit} if locked else None


def fetch(source: str, revision: str | None, task: str | None, hub: Hub, lock: Lock) -> tuple[Checkpoint, Lock]:
    """The checkpoint of a source, and the lock with what it consists of now.

    A locked model is fetched as the lock says; one that is not is what its revision is on the hub now. What cannot be
    prepared is refused before its weights are downloaded.

    Raises:
        ModelError: it cannot be fetched, or is of a kind that cannot be prepared.
    """
    if is_local(source):
        if revision is not None:
            raise ModelError(f"{source} is a folder and has no revisions, but {revision} is asked for; drop revision.")
        folder = Path(source).expanduser()
        return Checkpoint(folder, _local_origin(source), describe(folder, source, task)), lock
    revision = revision or DEFAULT_REVISION
    locked = lock.get(source, revision)
    if locked:
        commit = locked.commit
        known = {file.path: HubFile(file.path, file.size, file.sha256) for file in locked.files}
    else:
        resolved = hub.resolve(source, revision)
        commit = resolved.commit
        known = {file.path: file for file in resolved.files}
    describing = describing_files(known, source)
    folder = hub.download(source, commit, [known[path] for path in describing], locked=locked is not None)
    description = describe(folder, source, task)
    weights = weight_files(known, folder, source)
    hub.download(source, commit, [known[path] for path in weights], locked=locked is not None)
    if locked is None:
        files = tuple(_file(folder, path) for path in sorted({*describing, *weights}))
        lock = lock.with_entry(Locked(source, revision, commit, files))
    return Checkpoint(folder, {"model": source, "revision": commit}, description), lock


def _local_origin(source: str) -> dict[str, str]:
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise ModelError(f"The source {source} is to be a folder with a checkpoint, and there is none.")
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    describing = describing_files(paths, source)
    needed = sorted({*describing, *weight_files(paths, folder, source)})
    text = "".join(f"{sha256_of(folder / path)}  {path}\n" for path in needed)
    return {"model": source, "revision": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}


def _file(folder: Path, path: str) -> BundleFile:
    return BundleFile(path, (folder / path).stat().st_size, sha256_of(folder / path))
