"""Every family with a head for a task: exported, quantized, run by PyTorch, and each proven to answer as the original.

docs/models.md has the table of what passes here.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from workbench.models import export
from workbench.models.checkpoint import FAMILIES, TASKS
from workbench.models.prepare import prepare
from workbench.models.targets import Target

LABELS = {0: "contradiction", 1: "neutral", 2: "entailment"}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _one_export_of_a_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An export takes ten seconds, and both precisions begin with that of the same model."""
    exported: dict[str, Path] = {}
    export_model = export._export

    def once(model: Any, destination: Path, outputs: tuple[str, ...]) -> None:
        key = f"{type(model).__name__} {model.config.num_labels}"
        if key not in exported:
            folder = tmp_path_factory.mktemp("exported")
            export_model(model, folder / destination.name, outputs)
            exported[key] = folder
        shutil.copytree(exported[key], destination.parent, dirs_exist_ok=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_export", once)
        yield


def test_every_family_has_a_configuration_here() -> None:
    assert set(tiny.CONFIGS) == set(FAMILIES)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", [pytest.param(family, marks=pytest.mark.xdist_group(family)) for family in FAMILIES])
def test_bundles_are_proven(family: str, task: str, project: Path) -> None:
    labels = {"id2label": LABELS} if task.endswith("classification") else {}
    tiny.save(project / "mine", family, task, **labels)
    targets = [
        Target("it", "./mine", None, task, engine, precision)
        for engine, precision in (("onnx", "fp32"), ("onnx", "int8"), ("torch", "fp32"))
    ]
    # Random weights leave most answers nearly undecided, so that int8 changes some; real models are held to 95 %.
    proofs = [prepared.bundle.proof for prepared in prepare(targets, min_agreement=0.5)]
    assert [proof["probes"] for proof in proofs] == [60, 60, 60]
    exact, quantized, framework = proofs
    assert float(exact["largest_logit_difference"]) < 1e-3
    assert float(quantized["largest_logit_difference"]) > float(exact["largest_logit_difference"])
    assert float(framework["largest_logit_difference"]) < 1e-3
