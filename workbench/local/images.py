"""Images and file systems of the stack: what a function sees where, and whether it may write there."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.image_build import ImageBuild

from .lambda_service.functions import ImageTarget

# What the stages of handlers/Dockerfile set: the command, and where a build context's models end up.
COMMAND = "handlers.{target}.app.handler"
MODELS = "/opt/models"

_WRITE = "elasticfilesystem:ClientWrite"


class Images:
    """The images of the stack.

    With `builder`, from a build to what Docker knows the image by, each is built. Without, none is: a function runs from
    the build context that the image would come from. The models of a context are kept below `root`, as links to the same
    bytes: the context is staged anew by the next stack that is brought up in this project, and an image does not change
    any more.
    """

    def __init__(self, root: Path, builder: Callable[[ImageBuild], str] | None = None) -> None:
        self._root = root
        self._builder = builder
        self._targets: dict[str, ImageTarget] = {}

    def add(self, repository: str, build: ImageBuild) -> str:
        """The URI, by digest, of the image that a build makes, or would make.

        Raises:
            DockerError: it cannot be built.
        """
        built = self._builder(build) if self._builder else ""
        content = hashlib.sha256(json.dumps([build.target, dict(build.args), built]).encode())
        for path in sorted(path for path in build.context.rglob("*") if path.is_file()):
            content.update(path.relative_to(build.context).as_posix().encode() + b"\0" + path.read_bytes())
        digest = content.hexdigest()
        kept = self._root / digest
        if not kept.exists():
            shutil.copytree(build.context / "models", kept, copy_function=_link)
        uri = f"{repository}@sha256:{digest}"
        self._targets[uri] = ImageTarget(
            command=(COMMAND.format(target=build.target),), folders={MODELS: kept.resolve()}, built=built
        )
        return uri

    def __call__(self, uri: str) -> ImageTarget:
        """What is in the image; raises `LookupError` for one that this stack did not make."""
        try:
            return self._targets[uri]
        except KeyError:
            raise LookupError(f"No image {uri} was made by this stack.") from None


@dataclass(frozen=True)
class Access:
    """What an access point is to a role: a folder, whether it may be written to, and as which `uid:gid`."""

    folder: Path
    writable: bool
    user: str


class FileSystems:
    """The file systems of the stack, each access point as a folder below `root`.

    Functions see them at `seen`, which is the same folder unless something is put between: it has to show what is in
    `root`. A function that runs already keeps what it sees.
    """

    def __init__(self, root: Path) -> None:
        # In full, as functions run in a working directory of their own.
        self.root = root.resolve()
        self.seen = self.root
        self._users: dict[str, tuple[int, int]] = {}  # by the access point's ARN
        self._writers: set[str] = set()

    def __call__(self, access_point_arn: str) -> Path:
        """The folder of an access point, made at its first use."""
        name = access_point_arn.rpartition("/")[2]
        folder = self.root / name
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0 and access_point_arn in self._users:
                os.chown(folder, *self._users[access_point_arn])
        return self.seen / name

    def access(self, access_point_arn: str, role_arn: str) -> Access:
        """What the role may do at the access point. EFS writes as the access point's user, whoever the function is.

        A folder belongs to whoever brought the stack up, unless that is root, who gives it to the access point's user.
        """
        folder = self(access_point_arn)
        owner = folder.stat()
        return Access(folder, role_arn.rpartition("/")[2] in self._writers, f"{owner.st_uid}:{owner.st_gid}")

    def declare(self, access_point_arn: str, uid: int, gid: int) -> None:
        """Takes note of the user of an access point."""
        self._users[access_point_arn] = (uid, gid)

    def allow(self, role: str, policy: str) -> None:
        """Takes note of a policy of a role: who may write to file systems is said nowhere else."""
        for statement in json.loads(policy)["Statement"]:
            actions = statement.get("Action", [])
            if statement["Effect"] == "Allow" and any(
                fnmatch.fnmatchcase(_WRITE, action) for action in ([actions] if isinstance(actions, str) else actions)
            ):
                self._writers.add(role)


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copyfile(source, destination)
