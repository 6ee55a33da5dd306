"""`models list`, `verify` and `gc`: what lies on this machine, whether it is whole, and what nothing needs."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stacks import PROJECT, write_stack
from typer.testing import CliRunner

from handlers.serving.bundle import Bundle
from workbench.models import prepare
from workbench.models.bundles import seal
from workbench.models.commands import models
from workbench.models.errors import ModelError
from workbench.models.targets import Target, settings_of, targets
from workbench.models.workspace import exclusive, recover, replacing
from workbench.program.config import load

PROOF = {
    "probes": 60,
    "agreement": 0.983333,
    "largest_logit_difference": 0.05,
    "largest_score_drift": 0.012,
}


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(models, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def bundle(folder: Path, name: str, precision: str = "fp32") -> Bundle:
    """A bundle with a demo model, as if it had been prepared."""
    folder.mkdir(parents=True)
    for file in ("model.onnx", "tokenizer.json"):
        shutil.copy(PROJECT / "models/demo/nlp1" / file, folder)
    return seal(
        folder,
        name=name,
        task="question-answering",
        engine="onnx",
        precision=precision,
        source={"model": "acme/squad", "revision": "c" * 40},
        max_length=384,
        proof=PROOF,
    )


@pytest.fixture
def prepared(project: Path) -> Path:
    """The folder of a bundle that stack `dev` deploys."""
    write_stack(project, [{"name": "nlp1", "source": "acme/squad"}])
    bundle(project / "models/nlp1/onnx-fp32", "nlp1")
    return project / "models/nlp1/onnx-fp32"


def test_list_shows_the_proof_and_the_stacks(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    [entry] = json.loads(call("list", "--json")[1])
    assert entry["model"] == "nlp1"
    assert entry["stacks"] == ["dev"]
    assert entry["problem"] is None
    assert entry["proof"] == PROOF
    assert entry["digest"] == Bundle.read(prepared).digest


def test_list_shows_what_is_not_prepared_yet(project: Path) -> None:
    write_stack(project, [{"name": "nlp1", "source": "acme/squad"}])
    [entry] = json.loads(call("list", "--json")[1])
    assert entry["folder"] == "models/nlp1/onnx-fp32"
    assert entry["problem"] == "not prepared yet"


def test_verify_finds_an_altered_byte(prepared: Path) -> None:
    weights = prepared / "model.onnx"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    code, output = call("verify")
    assert code == 1
    assert "model.onnx has SHA-256" in output


def test_verify_finds_a_file_that_is_gone(prepared: Path) -> None:
    (prepared / "tokenizer.json").unlink()
    code, output = call("verify", "nlp1", "--json")
    [result] = json.loads(output)
    assert code == 1
    assert not result["ok"]
    assert "tokenizer.json cannot be read" in result["message"]


def test_verify_of_an_unknown_model_lists_the_known_ones(prepared: Path) -> None:
    with pytest.raises(ModelError, match="There is no model 'nlp9' here; there are nlp1"):
        call("verify", "nlp9")


def test_gc_removes_what_nothing_needs_and_nothing_else(project: Path, prepared: Path) -> None:
    bundle(project / "models/nlp1/onnx-fp32.mine", "nlp1")  # not named as a prepared bundle is
    bundle(project / "models/demo/nlp1", "nlp1")
    bundle(project / "models/old/onnx-fp32", "old")
    (project / "models/.cache/acme--squad").mkdir(parents=True)
    (project / "models/.cache/acme--squad/model.safetensors.partial").write_bytes(bytes(1000))
    (project / "models/nlp1/.onnx-fp32.new").mkdir()

    listed = json.loads(call("gc", "--json")[1])
    assert not listed["removed"]
    assert {(item["path"], item["reason"]) for item in listed["leftovers"]} == {
        ("models/.cache", "downloads, which can be fetched again"),
        ("models/nlp1/.onnx-fp32.new", "left by an interrupted run"),
        ("models/old/onnx-fp32", "a bundle that no stack names"),
    }
    assert "Removed" in call("gc", "--yes")[1]
    assert prepared.is_dir()
    left = {path.parent.relative_to(project).as_posix() for path in project.glob("models/**/bundle.json")}
    assert left == {"models/nlp1/onnx-fp32", "models/nlp1/onnx-fp32.mine", "models/demo/nlp1"}
    assert not (project / "models/old").exists()
    assert "nothing to remove" in call("gc")[1]


def test_gc_asks_first(prepared: Path, project: Path) -> None:
    bundle(project / "models/old/onnx-fp32", "old")
    assert CliRunner().invoke(models, ["gc"], input="n\n").exit_code == 0
    assert (project / "models/old/onnx-fp32").is_dir()


def test_gc_keeps_everything_when_a_stack_cannot_be_read(prepared: Path, project: Path) -> None:
    write_stack(project, [{"name": "NLP"}], "broken")
    with pytest.raises(ModelError, match="The configuration of stack broken is not usable"):
        call("gc", "--yes")


def test_targets_are_the_distinct_bundles_of_all_architectures(project: Path) -> None:
    nlp1, nlp2 = {"name": "nlp1", "source": "acme/squad"}, {"name": "nlp2", "source": "acme/other", "revision": "v1"}
    write_stack(project, [nlp1, {"name": "demo", "bundle": "models/demo/nlp1"}], s3={"models": [nlp1, nlp2]})
    settings = settings_of(load("dev"))
    assert targets(settings) == [
        Target("nlp1", "acme/squad", None, None, "onnx", "fp32"),
        Target("nlp2", "acme/other", "v1", None, "onnx", "fp32"),
    ]
    assert [target.name for target in targets(settings, ["nlp2"])] == ["nlp2"]
    with pytest.raises(ModelError, match="has no model 'nlp3'; its models are nlp1, demo, nlp2"):
        targets(settings, ["nlp3"])
    with pytest.raises(ModelError, match="'demo' of the stack is a bundle already"):
        targets(settings, ["demo"])


def test_two_models_of_one_name_are_refused(project: Path) -> None:
    write_stack(
        project,
        [{"name": "nlp1", "source": "acme/squad"}],
        s3={"models": [{"name": "nlp1", "source": "acme/other"}]},
    )
    with pytest.raises(ModelError, match=r"Model nlp1 is one thing for one architecture .* give them different names"):
        targets(settings_of(load("dev")))


def test_a_replacement_that_was_killed_is_undone(tmp_path: Path) -> None:
    destination = tmp_path / "nlp1/onnx-fp32"
    old, new = (destination.with_name(f".onnx-fp32.{suffix}") for suffix in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "which").write_text(folder.name, encoding="utf-8")
    recover(destination)
    assert (destination / "which").read_text(encoding="utf-8") == ".onnx-fp32.old"
    assert [path.name for path in destination.parent.iterdir()] == ["onnx-fp32"]


def test_a_replacement_that_fails_changes_nothing(tmp_path: Path) -> None:
    destination = tmp_path / "nlp1/onnx-fp32"
    destination.mkdir(parents=True)

    def fail() -> None:
        with replacing(destination) as folder:
            (folder / "half").write_text("written", encoding="utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in destination.parent.iterdir()] == ["onnx-fp32"]
    assert not list(destination.iterdir())


def test_the_lock_is_released(tmp_path: Path) -> None:
    with exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_the_commands_import_nothing_heavy() -> None:
    # Every command of the workbench pays for what these import, and the demo has none of the frameworks.
    code = "import sys, workbench.models.commands; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "onnx", "onnxruntime", "numpy", "huggingface_hub", "pulumi"} & set(loaded)


def test_without_the_frameworks_prepare_says_how_to_get_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"takes torch, transformers, .* are not installed here; `make models`"):
        prepare.require_frameworks()
