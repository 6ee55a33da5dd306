"""Fills the file system from the bucket: a Lambda function of its own, which the deployment runs.

A bundle appears at `MODEL_ROOT/<name>/<digest>/` in one step, whole and checked, or not at all. Run it at any time and
as often as you like: bundles that are there are left alone, and what a killed run has fetched is used.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handlers.serving import environment
from handlers.serving.bundle import MANIFEST, BundleError, BundleFile
from handlers.serving.stores import parse_manifest
from handlers.serving.stores.folder import FolderStore
from handlers.serving.stores.s3 import S3Store

logger = logging.getLogger(__name__)
if "AWS_LAMBDA_LOG_LEVEL" not in os.environ:
    logger.setLevel(logging.INFO)


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list[str]]:
    """Loads the bundles that the event names, `{"bundles": {name: digest, ...}}`; see `load`."""
    bundles = environment.parse_models(event.get("bundles"), "bundles, in the event,")
    return load(bundles, S3Store(environment.model_bucket()), environment.model_root())


def load(bundles: Mapping[str, str], source: S3Store, root: Path) -> dict[str, list[str]]:
    """Copies those bundles (name to digest) that are not below `root` yet.

    Returns:
        The names of the models in two lists: `loaded` now, and `present` before.

    Raises:
        BundleError: a file in the bucket is missing or not what its manifest says. Its bundle does not appear.
    """
    outcome: dict[str, list[str]] = {"loaded": [], "present": []}
    root.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(root):
        for name, digest in bundles.items():
            try:
                FolderStore(root).open(name, digest)
            except BundleError:  # it is not there, or damaged
                _copy(name, digest, source, root / name)
                outcome["loaded"].append(name)
            else:
                outcome["present"].append(name)
    logger.info("loaded %s, present %s", outcome["loaded"], outcome["present"], extra=outcome)
    return outcome


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Waits until no other loader is at work below `root`, in this process or on another machine.

    The lock goes with the process that holds it, however that ends. So what the holder finds half done is left over.
    """
    with (root / ".loader.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _copy(name: str, digest: str, source: S3Store, folder: Path) -> None:
    """Copies a bundle to `folder/<digest>`, by way of a folder next to it that takes its place in one step."""
    partial = folder / f".{digest}.partial"
    for leftover in folder.glob(".*.partial"):
        if leftover != partial:
            shutil.rmtree(leftover)
    partial.mkdir(parents=True, exist_ok=True)

    text = source.manifest_text(name, digest)
    for file in parse_manifest(text, digest).files:
        if not _is_there(partial / file.path, file):
            _write(partial / file.path, source.download(name, digest, file))
    _write(partial / MANIFEST, iter([text]))

    target = folder / digest
    if target.exists():  # damaged, so nothing can be served from it
        shutil.rmtree(target)
    partial.rename(target)
    _sync(folder)


def _is_there(path: Path, file: BundleFile) -> bool:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False


def _write(path: Path, parts: Iterator[Any]) -> None:
    """Writes a file and its folder through to the disk, so that the rename that follows cannot overtake it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as output:
        output.writelines(parts)
        output.flush()
        os.fsync(output.fileno())
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
