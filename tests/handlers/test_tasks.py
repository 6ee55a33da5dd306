"""Every task replies what the pipeline of transformers gives on the same weights, to one text as to a list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_kit import DATA, RANDOM, Reply, invoke

from handlers.serving.application import Application
from handlers.serving.bundle import Bundle, BundleError
from handlers.serving.engines import load_engine
from handlers.serving.engines.onnx import OnnxEngine
from handlers.serving.models import TASKS, load_model
from handlers.serving.stores import StoredBundle
from handlers.serving.stores.folder import open_folder
from workbench.models.bundles import seal

FOLDER = DATA / "tasks"
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CASES = [
    pytest.param(name, case, id=f"{name}-{','.join(f'{key}={value}' for key, value in case['parameters'].items())}")
    for name, record in RECORDS.items()
    for case in record["cases"]
]
TEXT = "Karl Benz invented the car in 1886."


class FolderOfTasks:
    """A store of the recorded bundles, each under the name of its folder, with other options if need be."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.opened: list[str] = []

    def manifest(self, name: str, digest: str) -> Bundle:
        return Bundle.read(FOLDER / name)

    def renew(self) -> None:
        pass

    def open(self, name: str, digest: str) -> StoredBundle:
        self.opened.append(name)
        return open_folder(FOLDER / name)


@pytest.fixture
def store() -> FolderOfTasks:
    return FolderOfTasks()


@pytest.fixture
def ask(store: FolderOfTasks) -> Callable[..., Reply]:
    """Asks a recorded model: its name and the fields of the body in; status, body and headers of the reply out."""
    application = Application({name: record["digest"] for name, record in RECORDS.items()}, store)

    def ask(model: str, **fields: Any) -> Reply:
        return invoke(application, {"body": json.dumps({"model_type": model, **fields})})

    return ask


def close(expected: Any, tolerance: float = 1e-4) -> Any:
    """What is equal to `expected`, its numbers within the tolerance."""
    if isinstance(expected, dict):
        return {key: close(value, tolerance) for key, value in expected.items()}
    if isinstance(expected, list):
        return [close(value, tolerance) for value in expected]
    return pytest.approx(expected, abs=tolerance) if isinstance(expected, float) else expected


def test_every_task_was_recorded() -> None:
    assert {Bundle.read(FOLDER / name).task for name in RECORDS} | {"question-answering"} == set(TASKS)
    for name, record in RECORDS.items():
        assert Bundle.read(FOLDER / name).digest == record["digest"], "run record_tasks.py again"


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_reply_equals_that_of_the_pipeline(ask: Callable[..., Reply], name: str, case: dict[str, Any]) -> None:
    for text, expected in zip(case["texts"], case["replies"], strict=True):
        status, body, _ = ask(name, inputs=text, parameters=case["parameters"])
        assert status == 200, body
        assert body == close(expected)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_list_has_the_replies_of_its_texts_in_their_order(
    ask: Callable[..., Reply], name: str, case: dict[str, Any]
) -> None:
    _, body, _ = ask(name, inputs=case["texts"], parameters=case["parameters"])
    # The Inference API has a list of classes within a list for one text already.
    replies = [[reply] for reply in body] if name.startswith("text_classification") else body
    assert replies == close(case["replies"])


def test_a_list_of_one_is_a_list(ask: Callable[..., Reply]) -> None:
    for name, record in RECORDS.items():
        case = record["cases"][0]
        _, body, _ = ask(name, inputs=case["texts"][:1], parameters=case["parameters"])
        assert len(body) == 1


def test_texts_are_read_together_with_others_of_their_length(
    ask: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, int]] = []
    run = OnnxEngine.run

    def counted(self: OnnxEngine, inputs: Any, outputs: Any) -> Any:
        shapes.append(inputs["input_ids"].shape)
        assert inputs["attention_mask"].any(axis=0).all(), "a column is nothing but padding"
        return run(self, inputs, outputs)

    monkeypatch.setattr(OnnxEngine, "run", counted)
    texts = [" ".join("abcdefghij"[: 1 + index % 10]) for index in range(100)] + ["a " * 62]
    assert ask("text_classification", inputs=texts)[0] == 200
    assert sum(rows for rows, _ in shapes) == 101
    assert len(shapes) <= 5
    assert all(rows * length <= 512 for rows, length in shapes)
    assert shapes == sorted(shapes, key=lambda shape: -shape[1])


def test_a_text_is_read_as_far_as_the_model_reads(ask: Callable[..., Reply]) -> None:
    long = "a b c d e " * 30
    assert ask("text_classification", inputs=long)[1] == ask("text_classification", inputs=long + long)[1]


def test_an_embedding_is_of_length_one_if_asked_for(ask: Callable[..., Reply]) -> None:
    for fields in ({"normalize": True}, {"parameters": {"normalize": True}}, {"pooling": "cls", "normalize": True}):
        _, body, _ = ask("feature_extraction", inputs=[TEXT, "B"], **fields)
        assert np.linalg.norm(body, axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("options", "shape"),
    [({}, (1, 3, 32)), ({"pooling": "mean"}, (32,)), ({"pooling": "cls", "normalize": True}, (32,))],
)
def test_a_bundle_says_how_its_embeddings_are_pooled(tmp_path: Path, options: dict[str, Any], shape: Any) -> None:
    model = load_model(resealed(tmp_path, "feature_extraction", options))
    request = model.parse({"model_type": "it", "inputs": "a"})
    reply = np.array(model.reply(request, model.prepare(request)))
    assert reply.shape == shape
    if options.get("normalize"):
        assert np.linalg.norm(reply) == pytest.approx(1, abs=1e-5)


def test_a_text_can_be_cut_at_its_beginning_or_not_at_all(ask: Callable[..., Reply]) -> None:
    long = "car " * 100 + "water"
    bodies = [
        ask("feature_extraction", inputs=text, pooling="mean", truncation_direction=direction)[1]
        for text, direction in ((long, "left"), (long, "right"), ("car " * 100, "right"))
    ]
    assert bodies[0] != bodies[1] == bodies[2]
    status, body, _ = ask("feature_extraction", inputs=["a", long], truncate=False)
    assert (status, body["error"]["code"]) == (413, "too_large")
    assert body["error"]["message"].startswith("inputs[1] has more than the 64 tokens that model")


def test_the_problem_type_decides_how_logits_become_scores(tmp_path: Path) -> None:
    def scores(options: dict[str, str]) -> list[float]:
        model = load_model(resealed(tmp_path / str(options), "text_classification", options))
        request = model.parse({"model_type": "it", "inputs": TEXT})
        return [each["score"] for each in model.reply(request, model.prepare(request))[0]]

    logits = np.array(scores({"problem_type": "regression"}))
    assert scores({"problem_type": "multi_label_classification"}) == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)
    softmax = np.exp(logits) / np.exp(logits).sum()
    assert scores({"problem_type": "single_label_classification"}) == pytest.approx(softmax, abs=1e-5)
    assert scores({}) == pytest.approx(softmax, abs=1e-5)


def test_a_long_text_is_read_whole_with_a_stride(ask: Callable[..., Reply]) -> None:
    text = "Karl Benz invented the car in Mannheim. " * 20

    def last(**parameters: Any) -> int:
        parameters = {"aggregation_strategy": "simple", "ignore_labels": [], **parameters}
        return ask("token_classification", inputs=text, parameters=parameters)[1][-1]["end"]

    assert last() < len(text) / 2
    assert last(stride=8) == len(text) - 1


def test_offsets_cut_the_entity_out_of_the_text(ask: Callable[..., Reply]) -> None:
    text = "Ödön 🚗 Benz"
    _, body, _ = ask("token_classification", inputs=text, parameters={"ignore_labels": []})
    for token in body:
        assert text[token["start"] : token["end"]].startswith(token["word"].removeprefix("##")[:1])


def test_a_mask_that_lies_too_far_is_an_error(ask: Callable[..., Reply]) -> None:
    status, body, _ = ask("fill_mask", inputs=["[MASK]", "car " * 100 + "[MASK]"])
    assert (status, body["error"]["code"]) == (400, "invalid_request")
    assert "inputs[1] has no [MASK] among the 64 tokens that are read" in body["error"]["message"]


def test_question_answering_takes_the_request_of_the_inference_api(tmp_path: Path) -> None:
    model = load_model(open_folder(RANDOM))
    pair = {"question": "Who?", "context": TEXT}
    ours = model.parse({"model_type": "first", **pair, "top_k": 3, "max_answer_length": 2})
    theirs = {"inputs": pair, "parameters": {"top_k": 3, "max_answer_len": 2}}
    assert model.parse({"model_type": "first", **theirs}) == ours


LABELS = {"parameters": {"candidate_labels": ["a"]}}


@pytest.mark.parametrize(
    ("model", "fields", "code", "message"),
    [
        ("text_classification", {}, "invalid_request", "inputs is missing; send a text or a list of texts."),
        ("text_classification", {"inputs": 7}, "invalid_request", "inputs is 7; it must be a text or a list of texts."),
        (
            "text_classification",
            {"inputs": []},
            "invalid_request",
            "inputs is an empty list; it must have at least one",
        ),
        ("text_classification", {"inputs": ["a", 7]}, "invalid_request", "inputs[1] is 7; it must be text."),
        ("text_classification", {"inputs": ["a", " "]}, "invalid_request", "inputs[1] is empty; it must have at least"),
        ("text_classification", {"inputs": "\ud83d"}, "invalid_request", "inputs has one half of a character"),
        (
            "text_classification",
            {"inputs": ["a"] * 129},
            "too_large",
            "inputs has 129 texts; it may have 128. Send them",
        ),
        ("text_classification", {"inputs": "a" * 100_001}, "too_large", "inputs has 100001 characters; it may have"),
        (
            "text_classification",
            {"inputs": ["a" * 90_000] * 5},
            "too_large",
            "The texts of inputs have 450000 characters",
        ),
        (
            "text_classification",
            {"question": "a", "context": "b"},
            "invalid_request",
            'The body has an unknown field, "question"; a request may have model_type, inputs, parameters. '
            'A request to text_classification looks like this: {"inputs": ',
        ),
        (
            "text_classification",
            {"inputs": "a", "parameters": {"topk": 1}},
            "invalid_request",
            'parameters has an unknown field, "topk"; it may have top_k, function_to_apply.',
        ),
        (
            "text_classification",
            {"inputs": "a", "parameters": [1]},
            "invalid_request",
            "parameters is a list; it must be an object, which may have top_k, function_to_apply.",
        ),
        (
            "text_classification",
            {"inputs": "a", "parameters": {"top_k": 0}},
            "invalid_request",
            "parameters.top_k is 0; it must be an integer from 1 to 1000, or left out.",
        ),
        (
            "text_classification",
            {"inputs": "a", "parameters": {"function_to_apply": "tanh"}},
            "invalid_request",
            'parameters.function_to_apply is "tanh"; it must be one of sigmoid, softmax, none, or left out.',
        ),
        (
            "text_classification",
            {"inputs": "a", "parameters": {"function_to_apply": ["none"]}},
            "invalid_request",
            "parameters.function_to_apply is a list; it must be one of",
        ),
        (
            "token_classification",
            {"inputs": "a", "parameters": {"stride": 8}},
            "invalid_request",
            "parameters.stride has a long text read in pieces",
        ),
        (
            "token_classification",
            {"inputs": "a", "parameters": {"stride": 62, "aggregation_strategy": "max"}},
            "invalid_request",
            "parameters.stride is 62; model 'token_classification' reads 62 tokens of a text at a time",
        ),
        (
            "feature_extraction",
            {"inputs": "a", "pooling": "none", "normalize": True},
            "invalid_request",
            "normalize is for one embedding of a text",
        ),
        (
            "feature_extraction",
            {"inputs": "a", "normalize": 1},
            "invalid_request",
            "normalize is 1; it must be true or false, or left out.",
        ),
        (
            "feature_extraction",
            {"inputs": "a", "normalize": True, "parameters": {"pooling": "mean"}},
            "invalid_request",
            "The body has normalize beside parameters; send all of them in one place.",
        ),
        ("fill_mask", {"inputs": "no mask"}, "invalid_request", "inputs has no [MASK]; put [MASK] where model 'fill_m"),
        ("fill_mask", {"inputs": "[MASK] " * 33}, "too_large", "inputs has 33 [MASK]; it may have 32."),
        (
            "fill_mask",
            {"inputs": "[MASK]", "parameters": {"targets": ["\u200d"]}},
            "invalid_request",
            "parameters.targets has nothing that model 'fill_mask' knows",
        ),
        (
            "zero_shot_classification",
            {"inputs": "a"},
            "invalid_request",
            "parameters.candidate_labels is missing; send a text or a list of texts.",
        ),
        (
            "zero_shot_classification",
            {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "no place"}},
            "invalid_request",
            "parameters.hypothesis_template must have {} once",
        ),
        (
            "zero_shot_classification",
            {"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "{} {0.__class__}"}},
            "invalid_request",
            "parameters.hypothesis_template must have {} once",
        ),
        (
            "zero_shot_classification",
            {"inputs": "a", "parameters": {"candidate_labels": ["a b " * 40]}},
            "too_large",
            "Model 'zero_shot_classification' reads 64 tokens at a time, and what is added to a text has more",
        ),
        (
            "zero_shot_classification",
            {"inputs": "a" * 90_000, "parameters": {"candidate_labels": ["b", "c", "d", "e", "f"]}},
            "too_large",
            "inputs, which is read once for each of the 5 labels, has 450000 characters in all",
        ),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    ask: Callable[..., Reply], model: str, fields: dict[str, Any], code: str, message: str
) -> None:
    status, body, _ = ask(model, **fields)
    assert body["error"]["message"].startswith(message)
    assert (status, body["error"]["code"]) == ({"invalid_request": 400, "too_large": 413}[code], code)


@pytest.mark.parametrize("name", RECORDS)
def test_a_request_of_the_wrong_shape_is_shown_a_right_one_and_loads_no_model(
    ask: Callable[..., Reply], store: FolderOfTasks, name: str
) -> None:
    status, body, _ = ask(name, question="Who?", context=TEXT)
    assert (status, body["error"]["code"]) == (400, "invalid_request")
    assert store.opened == []
    example = json.loads(body["error"]["message"].split("looks like this: ")[1])
    if name == "fill_mask_byte_pairs":
        example["inputs"] = example["inputs"].replace("[MASK]", "<mask>")
    assert ask(name, **example)[0] == 200


def test_more_tokens_than_a_reply_has_time_for_are_refused(
    ask: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.serving.tasks.encoder._MOST_TOKENS", 1000)
    status, body, _ = ask("text_classification", inputs=["car " * 100] * 20)
    assert (status, body["error"]["code"]) == (413, "too_large")
    assert body["error"]["message"].startswith(
        "The request has 1280 tokens for model 'text_classification' to read; it"
    )
    assert ask("text_classification", inputs=["car " * 100] * 15)[0] == 200


def test_a_reply_that_would_be_too_long_is_refused(ask: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.serving.tasks.feature_extraction.MAX_NUMBERS", 1000)
    status, body, _ = ask("feature_extraction", inputs=TEXT * 8)
    assert (status, body["error"]["code"]) == (413, "too_large")
    assert "set pooling to mean" in body["error"]["message"]
    assert ask("feature_extraction", inputs=TEXT * 8, pooling="mean")[0] == 200


@pytest.mark.parametrize("name", RECORDS)
def test_a_model_that_computes_nonsense_is_an_internal_error(
    ask: Callable[..., Reply], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = OnnxEngine.run
    monkeypatch.setattr(OnnxEngine, "run", lambda *given: [array * np.nan for array in run(*given)])
    case = RECORDS[name]["cases"][0]
    assert ask(name, inputs=case["texts"][0], parameters=case["parameters"])[0] == 500


@pytest.mark.parametrize(
    ("name", "changes", "file", "message"),
    [
        (
            "zero_shot_classification",
            {"labels": {"0": "no", "1": "yes", "2": "so"}},
            "bundle.json",
            "none of them is entail",
        ),
        (
            "feature_extraction",
            {"options": {"pooling": "max"}},
            "bundle.json",
            "pooling 'max'; this image has none, mean,",
        ),
        ("fill_mask", {"options": {"special_tokens": {"mask": "[HOLE]"}}}, "tokenizer.json", "has no mask token"),
    ],
)
def test_a_bundle_that_is_not_fit_for_its_task_is_named(
    tmp_path: Path, name: str, changes: dict[str, Any], file: str, message: str
) -> None:
    stored = resealed(tmp_path, name, **changes)
    with pytest.raises(BundleError, match=message) as error:
        TASKS[stored.manifest.task](stored, load_engine(stored))
    assert error.value.file == file


def resealed(
    folder: Path, name: str, options: dict[str, Any] | None = None, labels: dict[str, str] | None = None
) -> StoredBundle:
    """A recorded bundle with other labels or options."""
    folder.mkdir(exist_ok=True)
    bundle = Bundle.read(FOLDER / name)
    for file in bundle.files:
        (folder / file.path).write_bytes((FOLDER / name / file.path).read_bytes())
    seal(
        folder,
        name=name,
        task=bundle.task,
        engine=bundle.engine,
        precision=bundle.precision,
        source=bundle.source,
        max_length=bundle.max_length,
        labels=labels or bundle.labels,
        options=options,
    )
    return open_folder(folder)
