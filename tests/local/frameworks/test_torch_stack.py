"""A stack with `engine: torch`: the same program, the same request, the same answer as with ONNX Runtime."""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.sample import PASSAGE, QUESTIONS
from workbench.local.asking import Asker
from workbench.local.stack import LocalStack
from workbench.models.checkpoint import TASKS
from workbench.models.prepare import prepare
from workbench.models.targets import Target
from workbench.program.config import load

PROJECT = Path(__file__).parents[3]
ENGINES = ("onnx", "torch")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of random weights as a bundle for each engine."""
    import torch
    from tokenizers import Tokenizer
    from transformers import DistilBertConfig, DistilBertForQuestionAnswering

    folder = tmp_path_factory.mktemp("project")
    tokenizer = Tokenizer.from_file(str(PROJECT / "models/demo/nlp1/tokenizer.json"))
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(), dim=64, hidden_dim=128, n_layers=2, n_heads=2, initializer_range=0.3
    )
    DistilBertForQuestionAnswering(config).save_pretrained(folder / "mine")
    tokenizer.save(str(folder / "mine/tokenizer.json"))
    task = next(iter(TASKS))
    with pytest.MonkeyPatch.context() as shell:
        shell.chdir(folder)
        targets = [Target("mine", "./mine", None, task, engine, "fp32") for engine in ENGINES]
        return {found.target.engine: folder / found.target.folder for found in prepare(targets, min_agreement=1)}


def answer(bundle: Path, engine: str, folder: Path) -> dict[str, Any]:
    models = json.dumps([{"name": "mine", "bundle": str(bundle)}])
    stack = load("local", [f"models={models}", f"engine={engine}", 'architectures=["s3"]'])
    with LocalStack(stack, folder) as local, Asker() as asker:
        endpoint = local.deploy().outputs["endpoints"]["s3"]
        reply = asker.ask(endpoint, model_type="mine", question=QUESTIONS[0], context=PASSAGE)
        assert reply.status == 200, reply.body
        return reply.body


def test_both_engines_answer_the_same(bundles: dict[str, Path], tmp_path: Path) -> None:
    onnx, torch = (answer(bundles[engine], engine, tmp_path / engine) for engine in ENGINES)
    assert torch == {**onnx, "score": pytest.approx(onnx["score"], abs=1e-3)}
