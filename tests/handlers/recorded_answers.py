"""What the pipeline of transformers 4.57 answered, and the comparison with what a model answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from record_question_answering import RECORD as FILE

from handlers.serving.tasks.question_answering import QuestionAnswering

RECORD = json.loads(FILE.read_text(encoding="utf-8"))
PAIRS: list[dict[str, str]] = RECORD["pairs"]


def assert_equal(model: QuestionAnswering, pair: Mapping[str, str], expected: Mapping[str, Any]) -> None:
    """Asserts the same texts and offsets, for each `top_k`, and scores that differ by less than 1e-4 of the score."""
    windows = model.tokenize(**pair)
    for top_k, answers in expected.items():
        given = [list(answer) for answer in model.answer(windows, top_k=int(top_k))]
        assert given == [
            [text, pytest.approx(score, rel=1e-4, abs=1e-6), start, end] for text, score, start, end in answers
        ]
