"""Images of the local stack stay as they were deployed, whatever is staged for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.image_build import ImageBuild
from workbench.local.images import FileSystems, Images


def stage(context: Path, name: str) -> None:
    for old in (context / "models").glob("*/model.onnx"):
        old.unlink()
    (context / "models" / name).mkdir(parents=True)
    (context / "models" / name / "model.onnx").write_text(name, encoding="utf-8")


def test_an_image_keeps_its_models_when_another_stack_stages_its_own(tmp_path: Path) -> None:
    context = tmp_path / "context"
    build = ImageBuild(context=context, target="oci", platform="linux/amd64", args={})
    first, second = Images(tmp_path / "first"), Images(tmp_path / "second")
    stage(context, "a")
    one = first.add("repository", build)
    stage(context, "b")
    two = second.add("repository", build)
    assert one != two
    assert (first(one).folders["/opt/models"] / "a/model.onnx").read_text() == "a"
    assert (second(two).folders["/opt/models"] / "b/model.onnx").read_text() == "b"
    assert first.add("repository", build) == two


def test_a_file_system_is_where_it_is_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    systems = FileSystems(Path("file-systems"))
    folder = systems("arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1")
    assert folder == tmp_path / "file-systems/fsap-1"
    assert folder.is_dir()
    systems.seen = tmp_path / "seen"
    assert systems("access-point/fsap-1") == tmp_path / "seen/fsap-1"
