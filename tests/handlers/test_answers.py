"""Question answering: the answers are those of the pipeline of transformers 4.57, and true to the context."""

from __future__ import annotations

import itertools
import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import question_answering_pairs
from numpy.typing import NDArray
from question_answering_pairs import WRITTEN
from record_question_answering import BUNDLES
from recorded_answers import PAIRS, RECORD, assert_equal
from serving_kit import RANDOM, REPOSITORY, Ask, place

from handlers.serving.errors import RequestError
from handlers.serving.models import load_model
from handlers.serving.stores.folder import open_folder
from handlers.serving.tasks import encoder
from handlers.serving.tasks.question_answering import MAX_WINDOWS, QuestionAnswering, best_spans


@pytest.fixture(scope="module", params=BUNDLES)
def recorded(request: pytest.FixtureRequest) -> tuple[QuestionAnswering, list[dict[str, Any]]]:
    """A model, and what the pipeline answers with it to each of the pairs, by `top_k`."""
    stored = open_folder(REPOSITORY / request.param)
    record = RECORD["models"].get(request.param)
    if not record or stored.manifest.digest != record["digest"]:
        pytest.fail(f"{request.param} is not the bundle that was recorded; run record_question_answering.py again")
    return load_model(stored), record["answers"]


@pytest.fixture(scope="module")
def model() -> QuestionAnswering:
    return load_model(open_folder(RANDOM))


class Finding:
    """An engine that is sure of one token, wherever it occurs in the given windows, and of no answer elsewhere."""

    def __init__(self, token: str, windows: Container[int] = range(1000)) -> None:
        self._id = json.loads((RANDOM / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"][token]
        self._windows = windows
        self._run = 0

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        ids = inputs["input_ids"]
        logits = np.where((ids == self._id) & (self._run in self._windows), 50, -50).astype(np.float32)
        logits[0, 0] = 0
        self._run += 1
        return [logits for _ in outputs]


def test_there_are_long_contexts_and_pairs_of_every_kind_among_those_recorded() -> None:
    assert [(pair["question"], pair["context"]) for pair in PAIRS] == list(question_answering_pairs.PAIRS)
    assert len(PAIRS) >= 300
    tokenizer = load_model(open_folder(REPOSITORY / BUNDLES[0]))
    windows = [len(tokenizer.tokenize(**pair).windows) for pair in PAIRS]
    assert sum(count > 1 for count in windows) >= 40
    assert max(windows) >= 4


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_answers_equal_those_of_the_pipeline(
    recorded: tuple[QuestionAnswering, list[dict[str, Any]]], number: int
) -> None:
    model, expected = recorded
    assert_equal(model, PAIRS[number], expected[number])


@pytest.mark.parametrize("pair", PAIRS[: len(WRITTEN)], ids=lambda pair: pair["question"][:20])
def test_offsets_cut_the_answer_out_of_the_context(ask: Ask, pair: dict[str, str]) -> None:
    status, body, _ = ask(**pair, top_k=5)
    assert status == 200
    for answer in [body, *body["answers"]]:
        assert pair["context"][answer["start"] : answer["end"]] == answer["answer"]
        assert answer["score"] > 0


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("question", ["Is [CLS] a token of 1886?", "[CLS] [CLS] who?"])
def test_a_classification_token_in_a_question_is_no_answer(bundle: str, question: str) -> None:
    # The pipeline takes it for a place of the context, and gives empty answers that end before they start.
    context = "The car was invented in 1886 by Karl Benz."
    model = load_model(open_folder(REPOSITORY / bundle))
    for answer in model.answer(model.tokenize(question, context), top_k=20):
        assert answer.answer == context[answer.start : answer.end] != ""


@pytest.mark.parametrize("before", [0, 200, 400, 599])
def test_the_answer_is_found_in_whichever_window_it_lies(before: int) -> None:
    context = " ".join([*["a"] * before, "b", *["a"] * (599 - before)])
    model = QuestionAnswering(open_folder(RANDOM), Finding("b"))
    windows = model.tokenize("Who?", context)
    assert len(windows.windows) == 10
    [answer] = model.answer(windows)
    assert (answer.answer, answer.start) == ("b", 2 * before)


def test_every_token_of_the_context_is_read_and_neighbours_overlap(model: QuestionAnswering) -> None:
    windows = model.tokenize("Who invented the car?", PAIRS[7]["context"])
    context = [window[windows.in_context[window]] for window in windows.windows]
    assert len(context) > 3
    assert set(np.concatenate(context).tolist()) == set(np.flatnonzero(windows.in_context).tolist())
    assert all(len(window) <= 128 for window in windows.windows)
    assert all(len(np.intersect1d(one, other)) == 64 for one, other in itertools.pairwise(context))


def test_the_same_question_has_the_same_answer_each_time(ask: Ask) -> None:
    assert ask(**PAIRS[7], top_k=20)[1] == ask(**PAIRS[7], top_k=20)[1]


@pytest.mark.parametrize("longest", [1, 2, 15, 128])
def test_answers_are_no_longer_than_asked_for(model: QuestionAnswering, longest: int) -> None:
    # Each letter is a word and a token, so that the widening to whole words adds nothing.
    windows = model.tokenize("Which letter?", " ".join("abcdefghij" * 30))
    answers = model.answer(windows, top_k=20, max_answer_length=longest)
    assert answers
    assert all(len(answer.answer.split()) <= longest for answer in answers)
    assert longest == 1 or any(len(answer.answer.split()) > 1 for answer in answers)


def test_answers_are_whole_words(model: QuestionAnswering) -> None:
    context = PAIRS[0]["context"]
    for answer in model.answer(model.tokenize("Who?", context), top_k=20):
        for place_, inside in ((answer.start, answer.start), (answer.end, answer.end - 1)):
            border = context[max(place_ - 1, 0) : place_ + 1]
            assert not border.isalnum() or len(border) < 2, f"{answer.answer!r} begins or ends inside a word"
            assert not context[inside].isspace()


def test_a_word_that_the_border_of_a_window_cuts_is_answered_as_far_as_the_window_reaches() -> None:
    # Each letter is a token, and a window takes 124 of the context, 60 further on than the one before: the third one
    # begins inside the long word, which only its last letter gives away.
    context = "a " * 100 + "a" * 89 + "b" + " a" * 100
    model = QuestionAnswering(open_folder(RANDOM), Finding("##b", windows={2}))
    windows = model.tokenize("a", context)
    assert (len(windows.in_context), len(windows.windows)) == (4 + 290, 4)
    [answer] = model.answer(windows)
    assert answer.answer == "a" * 69 + "b"
    assert answer.start == 200 + 20


def test_a_long_question_is_answered_while_the_context_fits_beside_it(model: QuestionAnswering) -> None:
    assert model.answer(model.tokenize("a " * 100, "short context"))


def test_a_question_that_leaves_no_room_for_a_long_context_is_refused(model: QuestionAnswering) -> None:
    with pytest.raises(RequestError, match=r"leaves too little of the context .* shorten it by 37 tokens") as error:
        model.tokenize("a " * 97, "b " * 100)
    assert error.value.code == "too_large"
    assert model.tokenize("a " * (97 - 37), "b " * 100).windows
    with pytest.raises(RequestError):
        model.tokenize("a " * (97 - 36), "b " * 100)


def test_the_longest_context_that_is_said_to_be_allowed_is_allowed(model: QuestionAnswering) -> None:
    with pytest.raises(RequestError, match=r"context has 9000 tokens .* it may have ") as error:
        model.tokenize("a", "b " * 9000)
    assert error.value.code == "too_large"
    longest = int(error.value.message.split("it may have ")[1].split(".")[0])
    assert len(model.tokenize("a", "b " * longest).windows) == MAX_WINDOWS
    with pytest.raises(RequestError):
        model.tokenize("a", "b " * (longest + 1))


def test_a_larger_model_reads_fewer_windows_for_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = open_folder(RANDOM)
    size = sum(file.size for file in stored.manifest.files if file.path != "tokenizer.json")
    # As if the model took so long that three windows of 128 tokens are all there is time for.
    monkeypatch.setattr(encoder, "_WORK", 3.5 * 128 * size / 4)
    model = load_model(stored)
    with pytest.raises(RequestError, match=r"it may have "):
        model.tokenize("a", "b " * 400)
    assert len(model.tokenize("a", "b " * 200).windows) == 3


def test_a_context_without_anything_to_read_is_refused(ask: Ask) -> None:
    status, body, _ = ask(question="Who?", context="\u200d\u200d")
    assert (status, body["error"]["code"]) == (400, "invalid_request")
    assert "context has no characters that model 'first' can read" in body["error"]["message"]


def test_the_model_reads_no_more_tokens_than_it_was_trained_for(tmp_path: Path) -> None:
    bundle = place(tmp_path, "short", max_length=100)
    model = load_model(open_folder(tmp_path / "short" / bundle.digest))
    windows = model.tokenize("Who invented the car?", PAIRS[0]["context"])
    assert max(len(window) for window in windows.windows) == 100


def test_best_spans_are_those_of_a_search_through_all() -> None:
    random = np.random.default_rng(1)
    start, end = random.random((2, 40)).astype(np.float32)
    every = sorted(
        (
            (float(start[first] * end[last]), first, last)
            for first in range(40)
            for last in range(first, min(first + 7, 40))
        ),
        reverse=True,
    )
    firsts, lasts, scores = best_spans(start, end, 25, 7)
    assert list(zip(scores.tolist(), firsts.tolist(), lasts.tolist(), strict=True)) == every[:25]


def test_best_spans_of_a_short_context_are_all_there_are() -> None:
    firsts, lasts, scores = best_spans(np.array([0, 0.5], np.float32), np.array([0.5, 0], np.float32), 12, 15)
    assert sorted(zip(firsts.tolist(), lasts.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1)]
    assert scores.tolist() == [0.0, 0.0, 0.0]
