"""Bundles on a file system: EFS mounted into the function, or a folder of the container image."""

from __future__ import annotations

from pathlib import Path

from handlers.serving.bundle import MANIFEST, Bundle, BundleError
from handlers.serving.stores import StoredBundle


class FolderStore:
    """Bundles at `root/<name>/<digest>/`.

    The bytes do not pass through here, so sizes are checked and checksums are not: reading 260 MB to hash it would
    cost more than all the rest of a cold start. What fills the folder (the loader, the image build) checks them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str, digest: str) -> StoredBundle:
        """See `Store.open`."""
        stored = open_folder(self._root / name / digest)
        if stored.manifest.digest != digest:
            raise BundleError(MANIFEST, f"{self._root / name / digest} holds bundle {stored.manifest.digest}.")
        return stored


def open_folder(folder: Path) -> StoredBundle:
    """The bundle that lies in `folder` itself, its files present with the right sizes; raises `BundleError`."""
    manifest = Bundle.read(folder)
    return StoredBundle(manifest, {file.path: folder / file.path for file in manifest.files})
