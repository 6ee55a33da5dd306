"""Stands in for images and file systems: which folders of this machine a function sees where."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from .lambda_service.functions import ImageTarget

# What the stages of handlers/Dockerfile set: the command, and where a build context's models end up.
_COMMAND = "handlers.{target}.app.handler"
_MODELS = "/opt/models"


class Images:
    """The images of the stack. None is built: a function runs from the build context that the image would come from.

    The models of a context are kept below `root`, as links to the same bytes: the context is staged anew by the next
    stack that is brought up in this project, and an image does not change any more.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._targets: dict[str, ImageTarget] = {}

    def add(self, repository: str, target: str, context: Path) -> str:
        """The URI, by digest, of the image that `target` and the files of `context` would make."""
        content = hashlib.sha256(target.encode())
        for path in sorted(path for path in context.rglob("*") if path.is_file()):
            content.update(path.relative_to(context).as_posix().encode() + b"\0" + path.read_bytes())
        digest = content.hexdigest()
        kept = self._root / digest
        if not kept.exists():
            shutil.copytree(context / "models", kept, copy_function=_link)
        uri = f"{repository}@sha256:{digest}"
        self._targets[uri] = ImageTarget(command=(_COMMAND.format(target=target),), folders={_MODELS: kept.resolve()})
        return uri

    def __call__(self, uri: str) -> ImageTarget:
        """What is in the image; raises `LookupError` for one that this stack did not make."""
        try:
            return self._targets[uri]
        except KeyError:
            raise LookupError(f"No image {uri} was made by this stack.") from None


class FileSystems:
    """The file systems of the stack, each access point as a folder below `root`.

    Functions see them at `seen`, which is the same folder unless something is put between: it has to show what is in
    `root`. A function that runs already keeps what it sees.
    """

    def __init__(self, root: Path) -> None:
        # In full, as functions run in a working directory of their own.
        self.root = root.resolve()
        self.seen = self.root

    def __call__(self, access_point_arn: str) -> Path:
        """The folder of an access point, made at its first use."""
        name = access_point_arn.rpartition("/")[2]
        (self.root / name).mkdir(parents=True, exist_ok=True)
        return self.seen / name


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copyfile(source, destination)
