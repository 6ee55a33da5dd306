# pyright: reportMissingImports=false
"""The engine torch gives what the engine onnx gives."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import record_tasks
from serving_kit import DATA, REPOSITORY
from tokenizers import Tokenizer

from handlers.serving.bundle import BundleError
from handlers.serving.models import load_model
from handlers.serving.stores import StoredBundle
from handlers.serving.stores.folder import open_folder

TASKS = DATA / "tasks"
NAMES = sorted(path.stem for path in TASKS.glob("*.json"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a bundle for the engine torch, of the weights that a recorded bundle was exported from."""
    root = tmp_path_factory.mktemp("torch")

    def make(name: str) -> Path:
        folder = root / name
        if not folder.exists():
            tokenizer = Tokenizer.from_file(str(TASKS / name / "tokenizer.json"))
            record_tasks.build(name, tokenizer).save_pretrained(folder)
            tokenizer.save(str(folder / "tokenizer.json"))
            record_tasks.seal_model(folder, name, "torch")
        return folder

    return make


def reply(stored: StoredBundle, case: dict[str, Any]) -> Any:
    model = load_model(stored)
    request = model.parse({"model_type": "it", "inputs": case["texts"], "parameters": case["parameters"]})
    return model.reply(request, model.prepare(request))


def numbers(value: Any) -> list[float]:
    """All numbers of a reply, in order of the labels and places they belong to rather than of their size."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in numbers(value[key])]
    if isinstance(value, list):
        items = sorted(value, key=lambda item: str(item.get("label", item.get("token")))) if ranked(value) else value
        return [number for item in items for number in numbers(item)]
    return [value] if isinstance(value, float) else []


def ranked(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], dict) and bool({"label", "token"} & set(value[0]))


@pytest.mark.parametrize("name", NAMES)
def test_both_engines_reply_the_same(checkpoint: Callable[[str], Path], name: str) -> None:
    for case in json.loads((TASKS / f"{name}.json").read_text(encoding="utf-8"))["cases"]:
        torch, onnx = (numbers(reply(open_folder(folder), case)) for folder in (checkpoint(name), TASKS / name))
        assert len(torch) == len(onnx)
        assert np.abs(np.array(torch) - np.array(onnx)).max() < 1e-3


def test_weights_in_memory_are_as_good_as_in_a_file(checkpoint: Callable[[str], Path]) -> None:
    stored = open_folder(checkpoint("fill_mask"))
    fetched = dataclasses.replace(
        stored, files={path: file.read_bytes() for path, file in stored.files.items() if isinstance(file, Path)}
    )
    case = json.loads((TASKS / "fill_mask.json").read_text(encoding="utf-8"))["cases"][0]
    assert reply(fetched, case) == reply(stored, case)


def test_a_model_runs_on_the_vcpus_of_the_function(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    before = torch.get_num_threads()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
    try:
        torch.set_num_threads(2)
        load_model(open_folder(checkpoint("fill_mask")))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", lambda content: b"{", "config.json cannot be read by transformers"),
        ("config.json", lambda content: b'{"model_type": "none"}', "config.json cannot be read by transformers"),
        ("config.json", lambda content: content.replace(b'"dim": 32', b'"dim": 64'), "model.safetensors does not fit"),
        (
            "config.json",
            lambda content: content.replace(b'"n_layers": 2', b'"n_layers": 3'),
            "model.safetensors has no weights for distilbert.transformer.layer.2",
        ),
        ("model.safetensors", lambda content: content[:100], "model.safetensors cannot be read by safetensors"),
    ],
)
def test_files_that_do_not_make_a_model_are_named(
    checkpoint: Callable[[str], Path], file: str, change: Callable[[bytes], bytes], message: str
) -> None:
    stored = open_folder(checkpoint("fill_mask"))
    contents = {path: at.read_bytes() for path, at in stored.files.items() if isinstance(at, Path)}
    with pytest.raises(BundleError, match=message):
        load_model(dataclasses.replace(stored, files={**contents, file: change(contents[file])}))


def test_the_weights_stay_mapped_to_their_file(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("text_classification")
    run = f"""
from handlers.serving.models import load_model
from handlers.serving.stores.folder import open_folder
from pathlib import Path
model = load_model(open_folder(Path({str(folder)!r})))
assert {str(folder / "model.safetensors")!r} in Path("/proc/self/maps").read_text()
assert not any(parameter.is_meta for parameter in model._encoder._engine._model.parameters())
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.run(
        [sys.executable, "-c", run], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert process.returncode == 0, process.stderr
