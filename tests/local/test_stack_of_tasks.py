"""A stack with a model of every task: configured, deployed and asked over HTTP, one reply shape for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.serving.bundle import Bundle
from handlers.serving.models import TASKS
from infra.bundles import LocalBundle
from infra.sample import PASSAGE, QUESTIONS, sample_body
from workbench.local.asking import Asker, Reply
from workbench.local.stack import LocalStack
from workbench.program.config import load

RECORDED = Path(__file__).parents[1] / "handlers/data/tasks"
FOLDERS = {
    Bundle.read(folder).task: folder.relative_to(Path.cwd())
    for folder in sorted(RECORDED.iterdir(), reverse=True)
    if folder.is_dir() and not folder.name.endswith(("_byte_pairs", "_multi_label"))
}
ARCHITECTURES = ["s3", "oci"]

Ask = Callable[..., Reply]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a model of the stack, which is called as its task."""
    models = [{"name": "question-answering", "bundle": "models/demo/nlp1"}]
    models += [{"name": task, "bundle": str(folder)} for task, folder in FOLDERS.items()]
    stack = load("local", [f"models={json.dumps(models)}", f"architectures={json.dumps(ARCHITECTURES)}"])
    with LocalStack(stack, tmp_path_factory.mktemp("stack")) as local, Asker() as asker:
        endpoints = local.deploy().outputs["endpoints"]

        def post(architecture: str, task: str, **fields: Any) -> Reply:
            return asker.post(endpoints[architecture], json.dumps({"model_type": task, **fields}).encode())

        yield post


@pytest.mark.parametrize("task", TASKS)
def test_the_sample_request_of_a_model_is_right_for_its_task(ask: Ask, task: str) -> None:
    folder = Path("models/demo/nlp1") if task == "question-answering" else FOLDERS[task]
    fields = sample_body(LocalBundle(task, folder, Bundle.read(folder)))
    assert fields.pop("model_type") == task
    reply = ask("s3", task, **fields)
    assert reply.status == 200, reply.body


def close(expected: Any) -> Any:
    if isinstance(expected, dict):
        return {key: close(value) for key, value in expected.items()}
    if isinstance(expected, list):
        return [close(value) for value in expected]
    return pytest.approx(expected, abs=1e-4) if isinstance(expected, float) else expected


def test_there_is_a_model_for_every_task() -> None:
    assert {"question-answering", *FOLDERS} == set(TASKS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("task", FOLDERS)
def test_a_model_replies_as_its_pipeline(ask: Ask, task: str, architecture: str) -> None:
    record = json.loads((RECORDED / f"{FOLDERS[task].name}.json").read_text(encoding="utf-8"))
    for case in record["cases"]:
        reply = ask(architecture, task, inputs=case["texts"][0], parameters=case["parameters"])
        assert reply.status == 200, reply.body
        assert reply.body == close(case["replies"][0])


def test_a_question_is_answered_beside_them(ask: Ask) -> None:
    reply = ask("s3", "question-answering", question=QUESTIONS[0], context=PASSAGE)
    assert (reply.status, reply.body["answer"]) == (200, "1886")


@pytest.mark.parametrize("task", TASKS)
def test_a_request_of_the_wrong_shape_gets_one_that_is_right(ask: Ask, task: str) -> None:
    wrong = {"inputs": "no question"} if task == "question-answering" else {"question": "Who?", "context": "Ada."}
    refused = ask("oci", task, **wrong)
    assert (refused.status, refused.body["error"]["code"]) == (400, "invalid_request")
    _, _, example = refused.body["error"]["message"].partition("{")
    fields = json.JSONDecoder().raw_decode("{" + example)[0]
    assert (
        ask("oci", **{"task": task, **{key: value for key, value in fields.items() if key != "model_type"}}).status
        == 200
    )
