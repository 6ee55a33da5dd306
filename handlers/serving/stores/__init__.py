"""Where bundles lie: a folder (`stores.folder`) or a bucket (`stores.s3`).

A store answers one question: give me the files of this bundle, checked. A file comes as the `Path` it lies at, so that
an engine may map it into memory, or as its `bytes` where it has no path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from handlers.serving.bundle import MANIFEST, Bundle, BundleError


@dataclass(frozen=True)
class StoredBundle:
    """A bundle whose files are at hand. `files` has an entry for each path of the manifest."""

    manifest: Bundle
    files: Mapping[str, Path | bytes | bytearray]

    def file(self, path: str) -> Path | bytes | bytearray:
        """The file at `path` inside the bundle; raises `BundleError` when the manifest does not list it."""
        return self.files[self.manifest.file(path).path]


class Store(Protocol):
    def manifest(self, name: str, digest: str) -> Bundle:
        """What the bundle of model `name` with this digest is, without its other files.

        Raises:
            BundleError: the manifest is missing, cannot be read, or is another one.
        """
        ...

    def renew(self) -> None:
        """Drops connections and credentials, where there are any: they may be those of a snapshot."""
        ...

    def open(self, name: str, digest: str) -> StoredBundle:
        """The bundle of model `name` with this digest.

        Raises:
            BundleError: a file is missing, cannot be read, or is not what the manifest says.
        """
        ...


def parse_manifest(text: bytes, digest: str) -> Bundle:
    """The bundle that `text` describes, which must be the one with `digest`; raises `BundleError` when it is not."""
    bundle = Bundle.from_json(text)
    if bundle.digest != digest:
        raise BundleError(MANIFEST, f"{MANIFEST} is that of bundle {bundle.digest}; {digest} was asked for.")
    return bundle
