"""The model bundle: a folder with `bundle.json`, a tokenizer and the weights of one model.

Reads and checks bundles; standard library only, because the deployer's machine reads them too. Writing one is
`workbench.models.bundles`; getting its bytes to a running function is `serving.stores`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "bundle.json"
FORMAT = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BundleError(Exception):
    """A bundle that is missing, incomplete or altered. `file` is the path, inside the bundle, that is at fault."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(message)
        self.file = file


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle: `path` relative to the bundle's folder, `size` in bytes, `sha256` in lower-case hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """The manifest of a bundle; see docs/architecture.md for the format.

    `max_length` is the longest input, in tokens with the special ones, that the model was trained for. `labels` maps
    class indices to names and is empty for tasks without classes. `digest` identifies the bundle: other weights,
    another tokenizer or another manifest give another digest. `proof` has the figures of the comparison with the
    original model, and is empty where there was none.

    `options` has what a task has to know of the model beyond its labels; each may be left out:
    `problem_type` (text-classification): `regression`, `single_label_classification` or `multi_label_classification`;
    `pooling` and `normalize` (feature-extraction): `mean`, `cls` or `none`, and true or false, where a request does not
    say; `special_tokens`: the texts of the tokens `mask`, `unk` and `pad`, where they are not spelt as usual.
    """

    name: str
    task: str
    engine: str
    precision: str
    source: Mapping[str, str]
    max_length: int
    labels: Mapping[str, str]
    files: tuple[BundleFile, ...]
    digest: str
    proof: Mapping[str, str | int | float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files, the manifest apart."""
        return sum(file.size for file in self.files)

    def file(self, path: str) -> BundleFile:
        """The entry for `path`; raises `BundleError` when the manifest does not list it."""
        for file in self.files:
            if file.path == path:
                return file
        raise BundleError(path, f"{MANIFEST} of model {self.name!r} does not list {path!r}; prepare the bundle again.")

    @classmethod
    def from_json(cls, text: str | bytes) -> Bundle:
        """The bundle that a manifest describes.

        Raises:
            BundleError: the text is no manifest of this format, or its digest is not the digest of its fields.
        """
        try:
            fields = json.loads(text)
            files = tuple(BundleFile(**file) for file in fields["files"])
            bundle = cls(
                name=fields["name"],
                task=fields["task"],
                engine=fields["engine"],
                precision=fields["precision"],
                source=fields["source"],
                max_length=fields["max_length"],
                labels=fields["labels"],
                files=files,
                digest=fields["digest"],
                proof=fields.get("proof", {}),
                options=fields.get("options", {}),
            )
            version = fields["format"]
        except (ValueError, TypeError, KeyError) as error:
            raise BundleError(MANIFEST, f"{MANIFEST} is not a bundle manifest ({error}).") from error
        if version != FORMAT:
            raise BundleError(MANIFEST, f"{MANIFEST} has format {version!r}; this version reads format {FORMAT}.")
        if (actual := digest_of(fields)) != bundle.digest:
            raise BundleError(MANIFEST, f"{MANIFEST} says digest {bundle.digest} but its fields have digest {actual}.")
        for file in files:
            if Path(file.path).is_absolute() or ".." in Path(file.path).parts or not _SHA256.fullmatch(file.sha256):
                raise BundleError(file.path, f"{MANIFEST} lists {file.path!r}, which no file of a bundle can be.")
        return bundle

    @classmethod
    def read(cls, folder: Path) -> Bundle:
        """The bundle in `folder`, its files present with the sizes that the manifest gives.

        Raises:
            BundleError: the manifest or a file is missing, unreadable or of another size.
        """
        try:
            text = (folder / MANIFEST).read_bytes()
        except OSError as error:
            raise BundleError(MANIFEST, f"{folder / MANIFEST} cannot be read ({error.strerror}).") from error
        bundle = cls.from_json(text)
        for file in bundle.files:
            try:
                size = (folder / file.path).stat().st_size
            except OSError as error:
                raise BundleError(file.path, f"{folder / file.path} cannot be read ({error.strerror}).") from error
            if size != file.size:
                raise BundleError(
                    file.path,
                    f"{folder / file.path} has {size} bytes; its manifest says {file.size}. Prepare it again.",
                )
        return bundle


def digest_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the canonical JSON of every field of a manifest but `digest` itself."""
    fields = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
