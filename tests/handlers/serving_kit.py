"""What the tests of the handlers do more than once: place bundles, fill buckets, invoke handlers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3

from handlers.serving.bundle import Bundle
from workbench.models.bundles import seal

REPOSITORY = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
RANDOM = DATA / "random"

Reply = tuple[int, Any, dict[str, str]]
Ask = Callable[..., Reply]


def place(root: Path, name: str, extra: Mapping[str, bytes] | None = None, **fields: Any) -> Bundle:
    """Puts the random model below `root` as model `name`, with extra files and other manifest fields if need be."""
    folder = root / name / "new"
    shutil.copytree(RANDOM, folder)
    for path, content in (extra or {}).items():
        (folder / path).write_bytes(content)
    manifest = json.loads((RANDOM / "bundle.json").read_text())
    known = {key: manifest[key] for key in ("task", "engine", "precision", "source", "max_length")}
    bundle = seal(folder, name=name, **{**known, **fields})
    folder.rename(root / name / bundle.digest)
    return bundle


def digests(root: Path) -> dict[str, str]:
    """The models below `root`, by name, with the digests of their bundles."""
    return {folder.parent.name: folder.name for folder in sorted(root.glob("*/*"))}


def invoke(handler: Callable[[Any, Any], Mapping[str, Any]], event: object) -> Reply:
    """Invokes a handler as Lambda does: event in; status, body and headers of the reply out."""
    reply = handler(event, SimpleNamespace(aws_request_id="request-1"))
    return reply["statusCode"], json.loads(reply["body"]), reply["headers"]


class Bucket:
    """A bucket of the emulator."""

    def __init__(self, name: str, endpoint: str) -> None:
        self.name = name
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self._s3.create_bucket(Bucket=name)

    def put(self, key: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self.name, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self.name, Key=key)

    def fill(self, root: Path) -> None:
        """Puts the bundles below `root` where the functions look for them."""
        for path in root.glob("*/*/*"):
            self.put(f"bundles/{path.relative_to(root).as_posix()}", path.read_bytes())
