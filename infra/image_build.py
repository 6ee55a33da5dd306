"""What an image is built from: the one description that Pulumi's provider, the tests and the local stack build by.

Nothing here knows of Pulumi or of Docker. The stages of the build are in `handlers/Dockerfile`.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handlers.serving.bundle import MANIFEST

from .bundles import LocalBundle
from .settings import BASE_IMAGE, Cpu, Engine

BUILD = Path(".build")

# What Lambda calls a processor, and what container images call it.
PLATFORMS: Mapping[Cpu, str] = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """A build of an image: of a stage of the Dockerfile, with the files of `context`, for `platform`."""

    context: Path
    target: str
    platform: str
    args: Mapping[str, str]

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile, which lies in the context, so that it is the one that belongs to these files."""
        return self.context / "handlers" / "Dockerfile"


def image_build(
    target: str,
    bundles: Sequence[LocalBundle] = (),
    *,
    engine: Engine = "onnx",
    cpu: Cpu = "x86_64",
    base_image: str = BASE_IMAGE,
    torch_index: str = "",
    root: Path = BUILD,
) -> ImageBuild:
    """The build of a target, its context staged below `root`: the image holds `bundles` and the packages of `engine`."""
    args = {"BASE_IMAGE": base_image, "ENGINE": engine}
    if engine == "torch" and torch_index:
        args["TORCH_INDEX"] = torch_index
    return ImageBuild(
        context=stage_build_context(root / target, bundles), target=target, platform=PLATFORMS[cpu], args=args
    )


def stage_build_context(context: Path, bundles: Sequence[LocalBundle]) -> Path:
    """Fills the folder `context`: the handlers, the bundles, nothing else, with the same modes and times everywhere.

    A context of its own makes the image depend on what is in the image alone: editing the README does not rebuild it,
    and a clone with another umask builds the same one. Files that are there already are left untouched, since a stack
    on this machine may be serving them.
    """
    wanted = {context / path: path for path in sorted(Path("handlers").rglob("*")) if _belongs_in_image(path)}
    for bundle in bundles:
        for path in [MANIFEST, *(file.path for file in bundle.manifest.files)]:
            wanted[context / "models" / bundle.path / path] = bundle.folder / path
    (context / "models").mkdir(parents=True, exist_ok=True)
    # Deepest first, so that folders that this empties go as well.
    for staged in sorted(context.rglob("*"), reverse=True):
        if staged.is_dir() and staged != context / "models":
            with contextlib.suppress(OSError):  # it is not empty
                staged.rmdir()
        elif staged.is_file() and staged not in wanted:
            staged.unlink()
    for staged, source in wanted.items():
        if not staged.is_file() or not filecmp.cmp(source, staged, shallow=False):
            staged.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, staged)
        staged.chmod(0o644)
        os.utime(staged, (0, 0))
    for folder in [context, *(path for path in context.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
        os.utime(folder, (0, 0))
    return context


def _belongs_in_image(path: Path) -> bool:
    """Named one by one: whatever else an editor, a system or a test leaves in the folder stays out."""
    return path.is_file() and (path.suffix in (".py", ".txt") or path.name == "Dockerfile")
