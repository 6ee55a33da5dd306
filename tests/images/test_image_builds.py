"""What is in the images: layers that are shared and stay, sizes, and nothing that does not belong there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from conftest import BuiltImage, built

from infra.bundles import LocalBundle
from infra.docker_engine import BUILDING, docker
from infra.image_build import ImageBuild, image_build
from infra.settings import Settings
from workbench.images.sizes import layers, sizes, table
from workbench.local.containers import build_arguments

MB = 1_000_000


def steps(build: ImageBuild, *options: str) -> dict[str, bool]:
    """The steps of a build, and whether each came from the cache."""
    done = subprocess.run(
        ["docker", *build_arguments(build), "--progress", "plain", *options],
        env={**os.environ, **BUILDING},
        capture_output=True,
        text=True,
        check=True,
    )
    output = done.stdout + done.stderr
    found = dict(re.findall(r"^#(\d+) (\[.*\] (?:RUN|COPY) .*)$", output, re.MULTILINE))
    cached = set(re.findall(r"^#(\d+) CACHED$", output, re.MULTILINE))
    return {step: number in cached for number, step in found.items()}


def edited(image: BuiltImage, root: Path) -> ImageBuild:
    """The build of an image from a copy of its files, with one line more in the handlers."""
    shutil.copytree(image.build.context, root)
    with (root / "handlers/serving/application.py").open("a") as file:
        file.write("# another line\n")
    return replace(image.build, context=root)


def test_the_three_images_share_all_layers_but_that_of_the_models(
    images: Mapping[str, BuiltImage], base_layers: list[str]
) -> None:
    count = len(base_layers)
    assert images["efs"].layers[:count] == base_layers
    assert images["efs"].layers == images["s3"].layers
    assert images["oci"].layers[:-1] == images["efs"].layers
    assert len(images["efs"].layers) == count + 2


def test_a_second_build_is_all_from_the_cache(images: Mapping[str, BuiltImage]) -> None:
    for image in images.values():
        taken = steps(image.build)
        assert len(taken) >= 5
        assert [step for step, cached in taken.items() if not cached] == []


def test_a_change_of_code_leaves_the_layer_of_the_packages(
    images: Mapping[str, BuiltImage], base_layers: list[str], tmp_path: Path
) -> None:
    before, after = images["efs"], built(edited(images["efs"], tmp_path / "edited"))
    count = len(base_layers)
    assert before.layers[: count + 1] == after.layers[: count + 1]
    assert before.layers[count + 1] != after.layers[count + 1]


def test_a_change_of_models_leaves_the_layers_of_packages_and_code(
    images: Mapping[str, BuiltImage], demo: list[LocalBundle], base: str, tmp_path: Path
) -> None:
    before, after = images["oci"], built(image_build("oci", demo[:1], base_image=base, root=tmp_path))
    assert before.layers[:-1] == after.layers[:-1]
    assert before.layers[-1] != after.layers[-1]


def test_a_build_without_the_cache_makes_the_same_layers(images: Mapping[str, BuiltImage]) -> None:
    image = images["oci"]
    assert not any(steps(image.build, "--no-cache", "--tag", "ml-inference-again").values())
    again = docker("image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", "ml-inference-again")
    assert again.split() == image.layers


def test_the_oci_image_adds_the_bytes_of_the_bundles_and_nothing_else(
    images: Mapping[str, BuiltImage], demo: list[LocalBundle], base: str
) -> None:
    added = layers(images["oci"].id, base, ("packages", "code", "models"))
    files = [path for bundle in demo for path in bundle.folder.iterdir()]
    assert {path.name for path in files} == {"bundle.json", "model.onnx", "tokenizer.json"}
    assert added["models"] == sum(path.stat().st_size for path in files)


INSPECT = """
import json, os, stat, sys
found = {}
for root in ("/opt", "/var/task"):
    for folder, _, names in os.walk(root):
        for path in [folder, *(os.path.join(folder, name) for name in names)]:
            found[path] = [stat.S_IMODE(os.lstat(path).st_mode), int(os.lstat(path).st_mtime), os.lstat(path).st_uid]
print(json.dumps(found))
"""


def contents(image: BuiltImage) -> dict[str, list[int]]:
    """Each path that an image adds: mode, time of change and owner."""
    return json.loads(docker("run", "--rm", "--network", "host", "--entrypoint", "python3", image.id, "-c", INSPECT))


def test_an_image_holds_packages_and_code_compiled_and_readable_by_anybody(
    images: Mapping[str, BuiltImage], torch_image: BuiltImage
) -> None:
    for image in (images["oci"], torch_image):
        found = contents(image)
        top = {path.removeprefix("/opt/python/").split("/")[0] for path in found if path.startswith("/opt/python/")}
        assert {"numpy", "obstore", "tokenizers"} < top
        assert not top & {"bin", "pip", "boto3", "pytest", "awslambdaric"}
        assert {
            path for path in found if re.search(r"/tests$|\.(a|h|whl|orig)$|/\.|Dockerfile|/slim\.py", path)
        } == set()
        sources = [
            path for path in found if path.endswith(".py") and path.startswith(("/var/task", "/opt/python/numpy"))
        ]
        compiled = {
            re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc", r"\1.py", path) for path in found if path.endswith("pyc")
        }
        assert set(sources) <= compiled
        assert {mode for mode, _, _ in found.values()} <= {0o644, 0o755}
        assert {owner for _, _, owner in found.values()} == {0}
        assert {time for _, time, _ in found.values()} == {0}


def test_an_image_tells_nothing_of_the_machine_that_built_it(torch_image: BuiltImage) -> None:
    told = docker("image", "inspect", "--format", "{{json .Config.Env}} {{json .Config.Labels}}", torch_image.id)
    told += docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", torch_image.id)
    assert "TORCH_INDEX" not in told
    assert torch_image.build.args["TORCH_INDEX"] not in told


def test_the_images_keep_to_their_limits(
    base: str, torch_index: str, images: Mapping[str, BuiltImage], report: Callable[[str], None]
) -> None:
    settings = Settings.model_validate(
        {"models": [{"name": "nlp1", "source": "a/b"}], "base_image": base, "torch_index": torch_index}
    )
    onnx, torch, oci, sample = measured = sizes(settings)
    assert onnx.added <= 200 * MB
    assert torch.added <= 1100 * MB
    assert oci.added - oci.layers["models"] == onnx.added
    assert sample.added > torch.added + oci.layers["models"]
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(measured))
    report(f"Sizes of the images, on {base}:\n{capture.get()}")
