# pyright: reportMissingImports=false
"""Question answering on a model of full size: exported or run by PyTorch, the answers are those of the pipeline."""

from __future__ import annotations

from pathlib import Path

import full_size
import pytest
from question_answering_pairs import WRITTEN
from record_question_answering import FULL_SIZE, FULL_SIZE_TOKENIZER
from recorded_answers import PAIRS, RECORD, assert_equal

from handlers.serving.models import load_model
from handlers.serving.stores.folder import open_folder
from handlers.serving.tasks.question_answering import QuestionAnswering
from workbench.models.bundles import seal
from workbench.models.checkpoint import TASKS
from workbench.models.export import export_onnx

EXPECTED = RECORD["models"][FULL_SIZE]["answers"]
TASK = "question-answering"


def sealed(folder: Path, engine: str) -> QuestionAnswering:
    source = {"model": FULL_SIZE, "revision": "0"}
    max_length = full_size.MAX_LENGTH
    seal(folder, name="it", task=TASK, engine=engine, precision="fp32", source=source, max_length=max_length)
    return load_model(open_folder(folder))


@pytest.fixture(scope="module")
def torch_model(tmp_path_factory: pytest.TempPathFactory) -> QuestionAnswering:
    folder = tmp_path_factory.mktemp("torch")
    assert full_size.make(folder, FULL_SIZE_TOKENIZER) == RECORD["models"][FULL_SIZE]["digest"]
    return sealed(folder, "torch")


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> QuestionAnswering:
    import transformers

    folder = tmp_path_factory.mktemp("onnx")
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    full_size.make(checkpoint, FULL_SIZE_TOKENIZER)
    model = getattr(transformers, TASKS[TASK].auto_class).from_pretrained(checkpoint, attn_implementation="eager")
    export_onnx(model.eval(), folder / "model.onnx", TASK, "fp32")
    (checkpoint / "tokenizer.json").rename(folder / "tokenizer.json")
    return sealed(folder, "onnx")


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_onnx_answers_equal_those_of_the_pipeline(onnx_model: QuestionAnswering, number: int) -> None:
    assert_equal(onnx_model, PAIRS[number], EXPECTED[number])


@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_torch_answers_equal_those_of_the_pipeline(torch_model: QuestionAnswering, number: int) -> None:
    assert_equal(torch_model, PAIRS[number], EXPECTED[number])
