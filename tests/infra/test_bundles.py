"""Bundles on the deployer's machine, and the build context that an image is made from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from infra.bundles import LocalBundle, read_bundles
from infra.image_build import image_build, stage_build_context
from infra.inference import InferenceArgs
from infra.section import ConfigError
from infra.settings import BASE_IMAGE, FunctionSettings, ModelSource, Settings
from workbench.models.bundles import seal

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the handlers and one bundle, as the current folder."""
    shutil.copytree(PROJECT / "handlers", tmp_path / "handlers", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "models" / "nlp1" / "onnx-fp32"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    seal_bundle(folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seal_bundle(folder: Path, precision: str = "fp32") -> None:
    seal(
        folder,
        name="nlp1",
        task="question-answering",
        engine="onnx",
        precision=precision,
        source={"model": "test", "revision": "1"},
        max_length=384,
    )


def settings(**model: str) -> FunctionSettings:
    source = ModelSource.model_validate({"name": "nlp1"} | (model or {"source": "a/b"}))
    return FunctionSettings(models=[source], engine="onnx", precision="fp32", memory=128, timeout=1)


def test_a_model_from_the_hub_is_read_from_where_it_was_prepared(project: Path) -> None:
    [bundle] = read_bundles(settings(), "dev")
    assert bundle.folder == Path("models/nlp1/onnx-fp32")
    assert bundle.path == f"nlp1/{bundle.digest}"


def test_a_missing_bundle_names_the_command_that_prepares_it(project: Path) -> None:
    shutil.rmtree(project / "models")
    with pytest.raises(ConfigError, match=r"run `python -m workbench models prepare nlp1 --stack dev`"):
        read_bundles(settings(), "dev")


def test_a_damaged_bundle_names_the_file(project: Path) -> None:
    (project / "models/nlp1/onnx-fp32/model.onnx").write_bytes(b"fewer")
    with pytest.raises(ConfigError, match=r"models/nlp1/onnx-fp32/model.onnx has 5 bytes; its manifest says 7"):
        read_bundles(settings(), "dev")


def test_a_bundle_of_another_precision_is_refused(project: Path) -> None:
    seal_bundle(project / "models/nlp1/onnx-fp32", precision="int8")
    with pytest.raises(ConfigError, match=r"engine onnx with precision int8, but the stack asks for onnx with fp32"):
        read_bundles(settings(), "dev")


def staged(bundles: list[LocalBundle]) -> dict[str, tuple[bytes, int, float]]:
    context = stage_build_context(Path(".build/oci"), bundles)
    return {
        path.relative_to(context).as_posix(): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mode & 0o777,
            path.stat().st_mtime,
        )
        for path in context.rglob("*")
    }


def test_the_build_context_holds_the_handlers_the_chosen_bundles_and_nothing_else(project: Path) -> None:
    (project / "README.md").write_text("not in the image")
    (project / "handlers" / "__pycache__").mkdir()
    (project / "handlers" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    [bundle] = read_bundles(settings(), "dev")
    files = {path for path, (content, _, _) in staged([bundle]).items() if content}
    assert {path for path in files if not path.startswith("handlers/")} == {
        f"models/nlp1/{bundle.digest}/{name}" for name in ("bundle.json", "model.onnx", "tokenizer.json")
    }
    assert "handlers/Dockerfile" in files
    assert not [path for path in files if "pycache" in path]


def test_the_build_context_does_not_depend_on_modes_and_times(project: Path) -> None:
    bundles = read_bundles(settings(), "dev")
    before = staged(bundles)
    for path in (project / "handlers").rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    assert staged(bundles) == before


def test_what_is_no_longer_wanted_leaves_the_build_context(project: Path) -> None:
    bundles = read_bundles(settings(), "dev")
    staged(bundles)
    (project / "handlers" / "efs" / "__init__.py").unlink()
    files = {path for path in staged([]) if not (project / ".build" / "oci" / path).is_dir()}
    assert "handlers/efs/__init__.py" not in files
    assert not [path for path in files if path.startswith("models/")]


def test_folders_that_are_no_longer_wanted_leave_the_build_context(project: Path) -> None:
    staged(read_bundles(settings(), "dev"))
    folder = project / ".build/oci/handlers/left"
    folder.mkdir()
    assert {path for path in staged([]) if path.startswith(("models/", "handlers/left"))} == set()


def test_what_editors_and_systems_leave_in_the_handlers_stays_out_of_the_build_context(project: Path) -> None:
    before = staged([])
    for name in (".DS_Store", "efs/.app.py.swp", "efs/app.py.orig", "oci/app.py~", "core"):
        (project / "handlers" / name).write_text("left over")
    assert staged([]) == before


def test_an_image_of_the_engine_torch_is_told_where_pytorch_comes_from(project: Path) -> None:
    assert image_build("s3", engine="torch", torch_index="https://index").args == {
        "BASE_IMAGE": BASE_IMAGE,
        "ENGINE": "torch",
        "TORCH_INDEX": "https://index",
    }


def test_the_image_of_a_function_is_built_by_the_settings_of_its_architecture_and_of_the_stack(project: Path) -> None:
    stack = Settings.model_validate(
        {"models": [{"name": "nlp1", "source": "a/b"}], "s3": {"engine": "torch"}}
        | {"cpu": "arm64", "base_image": "mirror/python:1", "torch_index": "https://index"}
    )
    builds = {
        it: InferenceArgs(architecture=it, bundles=[], function=stack.for_architecture(it), stack=stack).image().build
        for it in stack.architectures
    }
    assert {build.platform for build in builds.values()} == {"linux/arm64"}
    assert {it: build.target for it, build in builds.items()} == {it: it for it in builds}
    assert builds["oci"].args == builds["efs"].args == {"BASE_IMAGE": "mirror/python:1", "ENGINE": "onnx"}
    assert builds["s3"].args == {
        "BASE_IMAGE": "mirror/python:1",
        "ENGINE": "torch",
        "TORCH_INDEX": "https://index",
    }
