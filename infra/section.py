"""A section of the configuration: how its values are read, and the sentences for what is wrong with them.

Which sections and values there are is written in `infra.settings`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError


class ConfigError(pulumi.RunError):
    """A stack configuration that cannot be deployed; the message is for the person who wrote it."""


class Section(BaseModel):
    """An object of the configuration: its keys in camel case, no others allowed, no type taken for another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=True)


def limits(allowed: str, why: str) -> dict[str, Any]:
    """What a user is told when a value of a field is refused; for the field's `json_schema_extra`."""
    return {"allowed": allowed, "why": why}


def conflict(key: str, problem: str, remedy: str) -> PydanticCustomError:
    """What a validator raises when the value of `key` does not go with the rest."""
    return PydanticCustomError("conflict", "{problem}: {remedy}", {"key": key, "problem": problem, "remedy": remedy})


def parse(section: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration as Python data: Pulumi hands each over as a string, objects and numbers as JSON."""
    fields = {field.alias: field for field in section.model_fields.values()}
    return {key: _parse(value, fields.get(key)) for key, value in values.items()}


def sentences(section: type[Section], prefix: str, values: Mapping[str, Any], error: ValidationError) -> Iterator[str]:
    """Each problem that was found in `values` as a sentence; keys are given with `prefix`."""
    return (_sentence(section, prefix, values, detail) for detail in error.errors())


def _parse(value: Any, field: FieldInfo | None) -> Any:
    if not isinstance(value, str) or field is None or _is_text(field):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _is_text(field: FieldInfo) -> bool:
    kind = field.annotation
    return kind is str or (get_origin(kind) is Literal and all(isinstance(value, str) for value in get_args(kind)))


def _sentence(root: type[Section], prefix: str, values: Mapping[str, Any], detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "conflict":
        return f"{prefix}{context['key']}{_given(values, context['key'])} {detail['msg']}."
    section: type[Section] | None = root
    field: FieldInfo | None = None
    walked: list[str | int] = []
    for step in detail["loc"]:
        if isinstance(step, str) and section is not None:
            known = {field.alias or name: field for name, field in section.model_fields.items()}
            if step not in known:
                close = difflib.get_close_matches(step, known, 1)
                return (
                    f"{_key(prefix, [*walked, step])} is not a setting"
                    + (f"; did you mean {close[0]}?" if close else ".")
                    + f" Allowed are {', '.join(known)}: an unknown one would be ignored without a word."
                )
            field = known[step]
            section = _section_of(field)
        walked.append(step)
    key = _key(prefix, walked)
    if detail["type"] in ("origin", "names"):
        return f"{key} {detail['msg']}."
    extra = field.json_schema_extra if field is not None and isinstance(field.json_schema_extra, dict) else {}
    allowed, why = extra.get("allowed", detail["msg"]), extra.get("why", "nothing else can be deployed")
    problem = "is missing" if detail["type"] == "missing" else f"is {json.dumps(detail['input'], default=str)}"
    return f"{key} {problem}; allowed: {allowed}, because {why}."


def _given(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return f" ({json.dumps(value, default=str)})" if value is not None else ""


def _key(prefix: str, path: list[str | int]) -> str:
    first, *rest = path
    return f"{prefix}{first}" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)


def _section_of(field: FieldInfo) -> type[Section] | None:
    """The section that the values of a field, or the items of its list, belong to."""
    pending = [field.annotation]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
        pending.extend(get_args(kind))
    return None
