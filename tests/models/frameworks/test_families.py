"""Every family with a head for a task: exported, quantized and compared with the original.

docs/models.md has the table of what passes here.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from handlers.serving.stores.folder import open_folder
from workbench.models.bundles import seal
from workbench.models.checkpoint import FAMILIES, TASKS
from workbench.models.export import export_onnx
from workbench.models.original import Original
from workbench.models.proof import Proof, check, prove

# The graph of zero-shot-classification is that of text-classification.
HEADS = [task for task in TASKS if task != "zero-shot-classification"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def proven(folder: Path, family: str, task: str, precision: str) -> Proof:
    model = tiny.model(family, task)
    folder.mkdir()
    tiny.tokenizer(family).save(str(folder / "tokenizer.json"))
    export_onnx(model, folder / "model.onnx", task, precision)
    source = {"model": family, "revision": "0"}
    seal(folder, name="it", task=task, engine="onnx", precision=precision, source=source, max_length=256)
    return prove(open_folder(folder), Original(model))


def test_every_family_has_a_configuration_here() -> None:
    assert set(tiny.CONFIGS) == set(FAMILIES)


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize("family", tiny.CONFIGS)
def test_a_bundle_is_proven(family: str, task: str, tmp_path: Path) -> None:
    fp32 = proven(tmp_path / "fp32", family, task, "fp32")
    check(family, "fp32", fp32.to_json(), 1)
    # Random weights leave most answers nearly undecided, so that some change; real models are held to 95 %.
    int8 = proven(tmp_path / "int8", family, task, "int8")
    check(family, "int8", int8.to_json(), 0.5)
