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

    def manifest(self, name: str, digest: str) -> Bundle:
        """See `Store.manifest`; the files of the bundle are there, with the right sizes."""
        bundle = Bundle.read(self._root / name / digest)
        if bundle.digest != digest:
            raise BundleError(MANIFEST, f"{self._root / name / digest} holds bundle {bundle.digest}.")
        return bundle

    def renew(self) -> None:
        """See `Store.renew`: a folder has no connections."""

    def open(self, name: str, digest: str) -> StoredBundle:
        """See `Store.open`."""
        return _stored(self.manifest(name, digest), self._root / name / digest)


def open_folder(folder: Path) -> StoredBundle:
    """The bundle that lies in `folder` itself, its files present with the right sizes; raises `BundleError`."""
    return _stored(Bundle.read(folder), folder)


def _stored(manifest: Bundle, folder: Path) -> StoredBundle:
    return StoredBundle(manifest, {file.path: folder / file.path for file in manifest.files})
