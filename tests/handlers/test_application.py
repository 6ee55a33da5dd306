"""The application around the models: when they are loaded, what is timed and logged, and what happens when they fail."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter
from serving_kit import Ask, digests, invoke, place

from handlers.serving import environment
from handlers.serving.application import Application
from handlers.serving.bundle import MANIFEST
from handlers.serving.models import Models
from handlers.serving.stores import StoredBundle
from handlers.serving.stores.folder import FolderStore
from handlers.serving.tasks.question_answering import QuestionAnswering

CANARY = "canary7f3a"
QUESTION = f"Who saw the {CANARY}?"
CONTEXT = f"Karl saw a {CANARY} in 1886."
VALID = {"question": QUESTION, "context": CONTEXT}


class CountingStore(FolderStore):
    """A folder of bundles that notes which were opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[str] = []

    def open(self, name: str, digest: str) -> StoredBundle:
        self.opened.append(name)
        return super().open(name, digest)


@pytest.fixture
def log() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of the log, as the Lambda runtime writes them in JSON."""
    output = io.StringIO()
    stream = logging.StreamHandler(output)
    stream.setFormatter(JsonFormatter())
    stream.terminator = ""
    logging.getLogger().addHandler(stream)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    logging.getLogger().removeHandler(stream)


def test_only_the_model_that_is_asked_for_is_loaded_and_it_is_kept(root: Path) -> None:
    store = CountingStore(root)
    application = Application(digests(root), store)
    assert store.opened == []
    for model, opened in (
        ("second", ["second"]),
        ("second", ["second"]),
        ("first", ["second", "first"]),
        ("second", ["second", "first"]),
        ("first", ["second", "first"]),
    ):
        assert invoke(application, {"body": json.dumps({**VALID, "model_type": model})})[0] == 200
        assert store.opened == opened


def test_a_wrong_request_loads_no_model(root: Path) -> None:
    store = CountingStore(root)
    application = Application(digests(root), store)
    assert invoke(application, {"body": json.dumps({**VALID, "top_k": 0})})[0] == 400
    assert invoke(application, {"body": json.dumps({**VALID, "model_type": "third"})})[0] == 404
    assert store.opened == []


def test_the_first_request_is_a_cold_start_and_no_other(ask: Ask) -> None:
    headers = [ask(model_type=model, **VALID)[2] for model in ("first", "first", "second")]
    assert [header["x-cold-start"] for header in headers] == ["true", "false", "false"]


def test_a_cold_start_that_fails_is_a_cold_start(ask: Ask) -> None:
    assert [ask()[2]["x-cold-start"], ask(**VALID)[2]["x-cold-start"]] == ["true", "false"]


def test_the_stages_are_timed_in_milliseconds(ask: Ask) -> None:
    def timing(**fields: Any) -> dict[str, float]:
        text = ask(**fields)[2]["server-timing"]
        assert re.fullmatch(r"(\w+;dur=\d+\.\d(, |$))+", text), text
        return {stage: float(ms) for stage, ms in (part.split(";dur=") for part in text.split(", "))}

    stages = ["load", "fetch", "session", "tokenize", "infer", "total"]
    cold, warm, refused = timing(**VALID), timing(**VALID), timing()
    assert list(cold) == [*stages, "imports"]
    assert list(warm) == list(refused) == stages
    assert cold["load"] > 1 > warm["load"]
    assert cold["load"] == pytest.approx(cold["fetch"] + cold["session"], abs=1)
    assert cold["total"] == pytest.approx(cold["load"] + cold["tokenize"] + cold["infer"], abs=5)
    assert all(cold[stage] < 1000 and warm[stage] < 1000 for stage in stages)
    assert warm["infer"] > 0
    assert [refused[stage] for stage in stages[:-1]] == [0] * 5


def test_a_missing_model_is_unavailable_and_answers_once_it_is_there(root: Path, ask: Ask) -> None:
    [folder] = (root / "first").iterdir()
    away = folder.rename(root / "away")
    status, body, _ = ask(**VALID)
    assert (status, body["error"]["code"]) == (503, "model_unavailable")
    assert body["error"]["message"] == (
        "Model 'first' cannot be loaded: its file bundle.json is missing, damaged, or not for this image. "
        "The log of request request-1 says more."
    )
    assert ask(model_type="second", **VALID)[0] == 200
    away.rename(folder)
    assert ask(**VALID)[0] == 200


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (MANIFEST, None, "bundle.json cannot be read (No such file or directory)."),
        (MANIFEST, b"{", "bundle.json is not a bundle manifest"),
        (MANIFEST, b"[]", "bundle.json is not a bundle manifest"),
        (MANIFEST, "other", "holds bundle "),
        (MANIFEST, "edited", "but its fields have digest "),
        ("tokenizer.json", None, "tokenizer.json cannot be read (No such file or directory)."),
        ("tokenizer.json", b"{}", "tokenizer.json has 2 bytes; its manifest says"),
        ("tokenizer.json", "zeros", "tokenizer.json cannot be read by the tokenizers library"),
        ("model.onnx", None, "model.onnx cannot be read (No such file or directory)."),
        ("model.onnx", b"", "model.onnx has 0 bytes; its manifest says"),
        ("model.onnx", "zeros", "model.onnx cannot be loaded by ONNX Runtime"),
    ],
)
def test_the_log_says_what_is_wrong_with_a_bundle(
    root: Path, ask: Ask, log: Callable[[], list[dict[str, Any]]], file: str, content: bytes | str | None, reason: str
) -> None:
    [folder] = (root / "first").iterdir()
    path = folder / file
    if content is None:
        path.unlink()
    elif content == "zeros":
        path.write_bytes(bytes(path.stat().st_size))
    elif content == "other":
        path.write_bytes(next((root / "second").iterdir()).joinpath(MANIFEST).read_bytes())
    elif content == "edited":
        path.write_text(path.read_text().replace("fp32", "int8"))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    status, body, _ = ask(**VALID)
    assert (status, body["error"]["code"]) == (503, "model_unavailable")
    assert f"its file {file} is" in body["error"]["message"]
    assert str(root) not in str(body)
    [line] = log()
    assert (line["level"], line["status"], line["model"], line["file"]) == ("ERROR", 503, "first", file)
    assert reason in line["reason"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"engine": "tensorflow"}, "asks for engine 'tensorflow'; this image has onnx"),
        ({"task": "translation"}, "has task 'translation'; this image has question-answering, text-classification"),
    ],
)
def test_a_model_that_this_image_cannot_run_says_what_it_can(
    tmp_path: Path, log: Callable[[], list[dict[str, Any]]], fields: dict[str, str], reason: str
) -> None:
    bundle = place(tmp_path, "other", None, **fields)
    application = Application({"other": bundle.digest}, FolderStore(tmp_path))
    status, body, _ = invoke(application, {"body": json.dumps(VALID)})
    assert (status, body["error"]["code"]) == (503, "model_unavailable")
    assert "its file bundle.json" in body["error"]["message"]
    assert reason in log()[0]["reason"]


def test_each_request_is_one_line_of_the_log(ask: Ask, log: Callable[[], list[dict[str, Any]]]) -> None:
    ask(model_type="second", **VALID, top_k=3)
    ask(**VALID, model_type="third")
    answered, refused = log()
    assert answered.keys() >= {"timestamp", "load_ms", "tokenize_ms", "infer_ms"}
    assert answered["load_ms"] > 0
    expected = {
        "level": "INFO",
        "message": "answered with status 200",
        "status": 200,
        "cold_start": True,
        "model": "second",
        "question_characters": len(QUESTION),
        "context_characters": len(CONTEXT),
        "top_k": 3,
        "windows": 1,
    }
    assert {field: answered.get(field) for field in expected} == expected
    assert (refused["level"], refused["status"], refused["code"]) == ("INFO", 404, "unknown_model")
    assert "model" not in refused


def test_an_internal_error_names_the_request_and_keeps_the_text_of_the_user_to_itself(
    ask: Ask,
    log: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(self: QuestionAnswering, question: str, context: str) -> None:
        try:
            {}[context]
        except KeyError as error:
            raise ValueError(f"cannot tokenize {question}") from error

    monkeypatch.setattr(QuestionAnswering, "tokenize", fail)
    status, body, headers = ask(**VALID)
    assert (status, body["error"]["code"]) == (500, "internal")
    assert "request-1" in body["error"]["message"]
    assert headers["content-type"] == "application/json"
    [line] = log()
    assert (line["level"], line["status"], line["errorType"]) == ("ERROR", 500, "ValueError")
    assert any("test_application.py" in frame and "in fail" in frame for frame in line["stackTrace"])
    for text in (str(body), str(headers), str(line), caplog.text, *capfd.readouterr()):
        assert CANARY not in text
        assert "Traceback" not in str(body)


def test_a_panic_below_python_is_an_internal_error(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(*_: object) -> None:
        raise PanicException(QUESTION)

    monkeypatch.setattr(QuestionAnswering, "tokenize", panic)
    status, body, _ = ask(**VALID)
    assert (status, body["error"]["code"]) == (500, "internal")


def test_a_model_that_computes_nonsense_is_an_internal_error(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    def run(_: object, inputs: dict[str, Any], outputs: list[str]) -> list[Any]:
        return [np.full(inputs["input_ids"].shape, np.nan, np.float32) for _ in outputs]

    monkeypatch.setattr("handlers.serving.engines.onnx.OnnxEngine.run", run)
    assert ask(**VALID)[0] == 500


def test_no_log_line_has_text_of_the_user(
    ask: Ask, log: Callable[[], list[dict[str, Any]]], capfd: pytest.CaptureFixture[str]
) -> None:
    ask(**VALID, top_k=5)
    ask(**VALID, top_k=0)
    ask(**VALID, model_type=f"the {CANARY}")
    ask(**VALID, **{f"a {CANARY} field": 1})
    ask(question=QUESTION, context=CONTEXT * 5000)
    ask(question=QUESTION * 200, context=CONTEXT)
    ask(question=[QUESTION], context=CONTEXT)
    ask(question=QUESTION, context=f"{CONTEXT} \ud800")
    lines = log()
    assert [line["status"] for line in lines] == [200, 400, 404, 400, 413, 413, 400, 400]
    assert CANARY not in str(lines)
    assert CANARY not in "".join(capfd.readouterr())


def test_the_models_keep_the_order_in_which_they_were_given(root: Path) -> None:
    names = list(digests(root))
    for order in (names, names[::-1]):
        models = Models({name: digests(root)[name] for name in order}, FolderStore(root))
        assert models.names == order


@pytest.mark.parametrize(
    "value", ["", "nlp1", "[]", "{}", '{"nlp1": 1}', '{"nlp1": "abc"}', '{"../x": "%s"}' % ("0" * 64), '["nlp1"]']
)
def test_a_wrong_setting_stops_the_function_with_a_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", value)
    with pytest.raises(ValueError, match=r"^(The environment variable )?MODELS (is|must) .*\.$"):
        environment.models()


def test_a_missing_setting_stops_the_function_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, read in (
        ("MODELS", environment.models),
        ("MODEL_ROOT", environment.model_root),
        ("MODEL_BUCKET", environment.model_bucket),
    ):
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ValueError, match=f"The environment variable {variable} is not set"):
            read()
