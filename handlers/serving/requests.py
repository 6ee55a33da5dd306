"""Requests as they come from outside: every field checked, with a sentence for whatever is wrong.

Here is what a field may hold; which fields a request has is up to the task of the model that it is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from handlers.serving.errors import RequestError

MODEL = "model_type"

# More than any model reads of a text, and enough for the windows that question answering cuts a context into. It is
# there to refuse a text at once that would take seconds to tokenize. Lambda's own limit, 6 MB for an event, is further
# away.
MAX_CHARACTERS = 100_000
# The texts of a list together: tokenizing this many characters takes up to about a second on one vCPU.
MAX_CHARACTERS_TOGETHER = 400_000
# How much work the texts are is limited by their tokens (`tasks.encoder`); this bounds what is done for each text.
MAX_INPUTS = 128

Parameters = TypeVar("Parameters")


@dataclass(frozen=True)
class Texts(Generic[Parameters]):
    """A valid request of a task that takes a text or a list of texts; `single` says that it was not a list."""

    texts: list[str]
    single: bool
    parameters: Parameters

    @property
    def facts(self) -> dict[str, str | int]:
        """What the log may say of the request."""
        return {"inputs": len(self.texts), "characters": sum(map(len, self.texts))}


class Fields:
    """The fields of an object that is the body of a request, or is inside of it.

    Every method that reads a field raises `RequestError` when the field is missing, unless it has a default, or is not
    what it may be.
    """

    def __init__(self, values: Mapping[str, Any], known: Sequence[str], where: str = "") -> None:
        """`where` is the name of the field that holds the object; empty for the body itself.

        Raises:
            RequestError: there is a field that is not among the `known` ones.
        """
        self._values = values
        self._prefix = f"{where}." if where else ""
        if unknown := [field for field in values if field not in known]:
            raise RequestError(
                "invalid_request",
                f"{where or 'The body'} has an unknown field, {shown(unknown[0])}; "
                f"{'it' if where else 'a request'} may have {', '.join(known)}.",
            )

    def __contains__(self, field: str) -> bool:
        return field in self._values

    def inside(self, field: str, known: Sequence[str]) -> Fields:
        """The fields of the object that a field holds; of an empty object if there is no such field."""
        value = self._values.get(field, {})
        if not isinstance(value, dict):
            raise RequestError(
                "invalid_request",
                f"{self._prefix}{field} is {shown(value)}; it must be an object, which may have {', '.join(known)}.",
            )
        return Fields(value, known, f"{self._prefix}{field}")

    def text(self, field: str, longest: int = MAX_CHARACTERS) -> str:
        """A text with at least one character that is not white space, and at most `longest` characters."""
        if field not in self._values:
            raise RequestError("invalid_request", f"{self._prefix}{field} is missing; send it as text.")
        return _text(self._values[field], f"{self._prefix}{field}", longest)

    def texts(
        self, field: str, longest: int = MAX_CHARACTERS, most: int = MAX_INPUTS, *, empty: bool = False
    ) -> tuple[list[str], bool]:
        """A text or a list of up to `most` texts, at least one unless it may be `empty`; and whether it was one text."""
        if field not in self._values:
            raise RequestError("invalid_request", f"{self._prefix}{field} is missing; send a text or a list of texts.")
        value, name = self._values[field], f"{self._prefix}{field}"
        if isinstance(value, str):
            return [_text(value, name, longest)], True
        if not isinstance(value, list):
            raise RequestError("invalid_request", f"{name} is {shown(value)}; it must be a text or a list of texts.")
        if not value and not empty:
            raise RequestError("invalid_request", f"{name} is an empty list; it must have at least one text.")
        if len(value) > most:
            raise RequestError(
                "too_large", f"{name} has {len(value)} texts; it may have {most}. Send them in several requests."
            )
        texts = [_text(text, f"{name}[{index}]", longest) for index, text in enumerate(value)]
        if (together := sum(map(len, texts))) > MAX_CHARACTERS_TOGETHER:
            raise RequestError(
                "too_large",
                f"The texts of {name} have {together} characters together; they may have {MAX_CHARACTERS_TOGETHER}. "
                "Send them in several requests.",
            )
        return texts, False

    def integer(self, field: str, *, default: int | None, highest: int, lowest: int = 1) -> Any:
        """An integer from `lowest` to `highest`, or the default."""
        if field not in self._values:
            return default
        number = self._values[field]
        # True and False are integers in Python, but not in JSON.
        if not isinstance(number, int) or isinstance(number, bool) or not lowest <= number <= highest:
            raise RequestError(
                "invalid_request",
                f"{self._prefix}{field} is {shown(number)}; it must be an integer from {lowest} to {highest}, or left "
                "out.",
            )
        return number

    def boolean(self, field: str, *, default: bool | None) -> Any:
        """True, false, or the default."""
        value = self._values.get(field, default)
        if field in self._values and not isinstance(value, bool):
            raise RequestError(
                "invalid_request", f"{self._prefix}{field} is {shown(value)}; it must be true or false, or left out."
            )
        return value

    def choice(self, field: str, choices: Sequence[str], *, default: str | None) -> Any:
        """One of the choices, or the default."""
        value = self._values.get(field, default)
        if field in self._values and value not in choices:
            raise RequestError(
                "invalid_request",
                f"{self._prefix}{field} is {shown(value)}; it must be one of {', '.join(choices)}, or left out.",
            )
        return value


def parse_texts(
    fields: Mapping[str, Any],
    known: Sequence[str],
    parameters: Callable[[Fields], Parameters],
    *,
    beside: bool = False,
) -> Texts[Parameters]:
    """A request as the Inference API has it: `{"inputs": a text or a list of texts, "parameters": {...}}`.

    `parameters` reads them, and `known` are their names. With `beside` they may also be beside `inputs`.

    Raises:
        RequestError: a field is missing, unknown, of the wrong type, or outside its range.
    """
    body = Fields(fields, (MODEL, "inputs", "parameters", *(known if beside else ())))
    texts, single = body.texts("inputs")
    given = body.inside("parameters", known)
    if outside := [field for field in known if field in body]:
        if "parameters" in body:
            raise RequestError(
                "invalid_request", f"The body has {outside[0]} beside parameters; send all of them in one place."
            )
        given = body
    return Texts(texts, single, parameters(given))


def parse_model(fields: Mapping[str, Any], models: Sequence[str]) -> str:
    """The model that a request is for. `models` are the known ones; the first answers when none is named.

    Raises:
        RequestError: the model is not one of them.
    """
    model = fields.get(MODEL, models[0])
    if not isinstance(model, str):
        raise RequestError(
            "invalid_request", f"{MODEL} is {shown(model)}; it must be one of {', '.join(models)}, or left out."
        )
    if model not in models:
        raise RequestError("unknown_model", f"{MODEL} is {shown(model)}; the models here are {', '.join(models)}.")
    return model


def shown(value: object) -> str:
    """A value as an error message may show it: in full if it is a name or a number, else in kind."""
    if isinstance(value, str):
        return f'"{value}"' if re.fullmatch(r"[\w.-]{1,40}", value) else f"a text of {len(value)} characters"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value) if abs(value) < 1e9 else "a large number"
    return "an object" if isinstance(value, dict) else "a list"


def _text(text: object, name: str, longest: int) -> str:
    if not isinstance(text, str):
        raise RequestError("invalid_request", f"{name} is {shown(text)}; it must be text.")
    if not text.strip():
        raise RequestError("invalid_request", f"{name} is empty; it must have at least one letter or digit.")
    if len(text) > longest:
        raise RequestError(
            "too_large", f"{name} has {len(text)} characters; it may have {longest}. Send the part that matters."
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError(
            "invalid_request",
            f"{name} has one half of a character that JSON writes as two (\\ud800 to \\udfff); send both halves.",
        )
    return text
