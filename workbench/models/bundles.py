"""Writes bundles: turns a folder of model files into a bundle that `handlers.serving.bundle` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handlers.serving.bundle import FORMAT, MANIFEST, Bundle, digest_of


def seal(
    folder: Path,
    *,
    name: str,
    task: str,
    engine: str,
    precision: str,
    source: Mapping[str, str],
    max_length: int,
    labels: Mapping[str, str] | None = None,
    proof: Mapping[str, str | int | float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Bundle:
    """Writes the manifest of the files that lie in `folder`, last and in one step, and returns the bundle.

    `max_length` is in tokens. Every file below `folder` becomes part of the bundle. `proof` says how the bundle
    compares with the original model; `options` are those of `Bundle`. Sealing the same files with the same fields gives
    the same digest.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "task": task,
        "engine": engine,
        "precision": precision,
        "source": dict(source),
        "max_length": max_length,
        "labels": dict(labels or {}),
        "files": [
            {"path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "sha256": sha256_of(path)}
            for path in files
        ],
    }
    if proof is not None:
        manifest["proof"] = dict(proof)
    if options:
        manifest["options"] = dict(options)
    manifest["digest"] = digest_of(manifest)
    partial = folder / f".{MANIFEST}.partial"
    partial.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return Bundle.read(folder)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
