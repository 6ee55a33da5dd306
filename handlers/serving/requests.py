"""Questions as they come from outside: every field checked, with a sentence for whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.serving.errors import RequestError
from handlers.serving.tasks.question_answering import DEFAULT_ANSWER_LENGTH, MAX_ANSWER_LENGTH

FIELDS = ("model_type", "question", "context", "top_k", "max_answer_length")

MAX_TOP_K = 20
# A question takes its tokens away from each window over the context: this much is a long paragraph.
MAX_QUESTION_CHARACTERS = 2_000
# More than the most windows (`question_answering.MAX_WINDOWS`) hold of English. It is there to refuse a text at once
# that would take seconds to tokenize. Lambda's own limit, 6 MB for an event, is further away.
MAX_CONTEXT_CHARACTERS = 100_000


@dataclass(frozen=True)
class Question:
    """A valid request: `model` is one of the known ones, `max_answer_length` is in tokens."""

    model: str
    question: str
    context: str
    top_k: int
    max_answer_length: int


def parse_question(fields: Mapping[str, Any], models: Sequence[str]) -> Question:
    """The question in the body of a request. `models` are the known ones; the first answers when none is named.

    Raises:
        RequestError: a field is missing, unknown, of the wrong type, or outside its range.
    """
    if unknown := [field for field in fields if field not in FIELDS]:
        raise RequestError(
            "invalid_request",
            f"The body has an unknown field, {_shown(unknown[0])}; a request may have {', '.join(FIELDS)}.",
        )
    return Question(
        model=_model(fields, models),
        question=_text(fields, "question", MAX_QUESTION_CHARACTERS),
        context=_text(fields, "context", MAX_CONTEXT_CHARACTERS),
        top_k=_integer(fields, "top_k", default=1, highest=MAX_TOP_K),
        max_answer_length=_integer(
            fields, "max_answer_length", default=DEFAULT_ANSWER_LENGTH, highest=MAX_ANSWER_LENGTH
        ),
    )


def _model(fields: Mapping[str, Any], models: Sequence[str]) -> str:
    model = fields.get("model_type", models[0])
    if not isinstance(model, str):
        raise RequestError(
            "invalid_request", f"model_type is {_shown(model)}; it must be one of {', '.join(models)}, or left out."
        )
    if model not in models:
        raise RequestError("unknown_model", f"model_type is {_shown(model)}; the models here are {', '.join(models)}.")
    return model


def _text(fields: Mapping[str, Any], field: str, longest: int) -> str:
    if field not in fields:
        raise RequestError("invalid_request", f"{field} is missing; send it as text.")
    text = fields[field]
    if not isinstance(text, str):
        raise RequestError("invalid_request", f"{field} is {_shown(text)}; it must be text.")
    if not text.strip():
        raise RequestError("invalid_request", f"{field} is empty; it must have at least one letter or digit.")
    if len(text) > longest:
        raise RequestError(
            "too_large", f"{field} has {len(text)} characters; it may have {longest}. Send the part that matters."
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError(
            "invalid_request",
            f"{field} has one half of a character that JSON writes as two (\\ud800 to \\udfff); send both halves.",
        )
    return text


def _integer(fields: Mapping[str, Any], field: str, *, default: int, highest: int) -> int:
    number = fields.get(field, default)
    # True and False are integers in Python, but not in JSON.
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= highest:
        raise RequestError(
            "invalid_request", f"{field} is {_shown(number)}; it must be an integer from 1 to {highest}, or left out."
        )
    return number


def _shown(value: object) -> str:
    """A value as an error message may show it: in full if it is a name or a number, else in kind."""
    if isinstance(value, str):
        return f'"{value}"' if re.fullmatch(r"[\w.-]{1,40}", value) else f"a text of {len(value)} characters"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value) if abs(value) < 1e9 else "a large number"
    return "an object" if isinstance(value, dict) else "a list"
