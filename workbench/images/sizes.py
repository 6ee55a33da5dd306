"""What the images add to their base image, in bytes of files, layer by layer; and the sample's recipe beside them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from infra.bundles import LocalBundle
from infra.docker_engine import docker
from infra.image_build import image_build
from infra.settings import Settings
from workbench.local.containers import build
from workbench.models.bundles import seal

_SAMPLE = Path(__file__).with_name("sample.Dockerfile")
_TORCH_PACKAGES = Path("handlers/packages-torch.txt")

# Parameters of distilbert-base-uncased-distilled-squad and of the cased one, 4 bytes each; what is in them has no
# influence on the size of an image.
_CHECKPOINTS = {"nlp1": 66_364_418, "nlp2": 65_192_450}
_TOKENIZER_BYTES = 466_062


@dataclass(frozen=True)
class ImageSize:
    """An image: the bytes that each layer adds to the base image, by what is in it."""

    name: str
    layers: Mapping[str, int]

    @property
    def added(self) -> int:
        """Bytes that the image adds to its base image."""
        return sum(self.layers.values())


def sizes(settings: Settings) -> list[ImageSize]:
    """Builds every image there is and the sample's, and measures them.

    Raises:
        DockerError: one cannot be built.
    """
    base, index = settings.base_image, settings.torch_index
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = folder / "models"
        bundles = [_bundle(models, name, parameters) for name, parameters in _CHECKPOINTS.items()]
        onnx = image_build("s3", base_image=base, cpu=settings.cpu, root=folder)
        oci = image_build("oci", bundles, base_image=base, cpu=settings.cpu, root=folder)
        measured = [
            ImageSize("efs, s3: engine onnx", layers(build(onnx), base, ("packages", "code"))),
            ImageSize("oci: engine onnx, two models", layers(build(oci), base, ("packages", "code", "models"))),
        ]
        torch = image_build("s3", engine="torch", base_image=base, cpu=settings.cpu, torch_index=index, root=folder)
        measured.insert(1, ImageSize("efs, s3: engine torch", layers(build(torch), base, ("packages", "code"))))
        sample = _sample(folder, models, base, index, torch.platform)
    return [*measured, ImageSize("the sample's recipe, two models", layers(sample, base, ("packages", "models")))]


def layers(image: str, base: str, names: Sequence[str]) -> dict[str, int]:
    """The bytes of the layers of an image above its base, the lowest first, under the names that they are given."""
    added = [size for size in reversed(_history(image)[: -len(_history(base))]) if size]
    if len(added) != len(names):
        raise ValueError(f"The image has {len(added)} layers above its base, not {len(names)}.")
    return dict(zip(names, added, strict=True))


def table(measured: Sequence[ImageSize]) -> Table:
    """The sizes as a table, in MB."""
    result = Table(box=SIMPLE_HEAD)
    result.add_column("image")
    parts = ("packages", "code", "models")
    for title in ("added MB", *parts):
        result.add_column(title, justify="right")
    for one in measured:
        cells = (f"{one.layers[part] / 1e6:.1f}" if part in one.layers else "" for part in parts)
        result.add_row(one.name, f"{one.added / 1e6:.0f}", *cells)
    return result


def as_json(measured: Sequence[ImageSize]) -> str:
    """The sizes for programs, in bytes."""
    return json.dumps(
        [{"image": one.name, "added": one.added, "layers": dict(one.layers)} for one in measured], indent=2
    )


def _history(image: str) -> list[int]:
    """Bytes of each step of an image, the last one first."""
    return [int(size) for size in docker("history", "--human=false", "--format", "{{.Size}}", image).split()]


def _bundle(root: Path, name: str, parameters: int) -> LocalBundle:
    """A bundle of the size of a full model: 4 random bytes for each parameter."""
    folder = root / name
    folder.mkdir(parents=True)
    with (folder / "model.onnx").open("wb") as model:
        for _ in range(4):
            model.write(os.urandom(parameters))
    (folder / "tokenizer.json").write_bytes(os.urandom(_TOKENIZER_BYTES))
    source = {"id": "random", "revision": "1"}
    manifest = seal(
        folder,
        name=name,
        task="question-answering",
        engine="onnx",
        precision="fp32",
        source=source,
        max_length=384,
    )
    return LocalBundle(name, folder, manifest)


def _sample(folder: Path, models: Path, base: str, index: str, platform: str) -> str:
    context = folder / "sample"
    context.mkdir()
    shutil.move(models, context / "models")
    pinned = dict(line.split("==") for line in _TORCH_PACKAGES.read_text(encoding="utf-8").splitlines() if "==" in line)
    arguments = {
        "BASE_IMAGE": base,
        "TORCH_INDEX": index,
        "TRANSFORMERS": pinned["transformers"],
        "TORCH": pinned["torch"],
    }
    return docker(
        *("build", "--quiet", "--network", "host", "--platform", platform, "--file", str(_SAMPLE)),
        *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
        str(context),
    ).strip()
