"""Checks every call of a boto3 client against the API model that AWS publishes with botocore, before it is sent.

botocore itself checks required members, types and lower bounds. An emulator may accept what AWS would refuse, so
enumerations, patterns and both bounds of lengths and numbers are checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import regex
from botocore.client import BaseClient
from botocore.exceptions import ParamValidationError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

# Patterns are written for an engine that sees text in units of 16 bits; this is its way to say all that takes two of them.
_BEYOND_16_BITS = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")


class ApiModelError(Exception):
    """A call that AWS would refuse; the message says which member, what was given and what is allowed."""


def check_calls(client: BaseClient) -> None:
    """Makes every later call of `client` raise `ApiModelError` when its input violates the service's API model."""
    client.meta.events.register("before-parameter-build", _before_parameter_build)


def check_call(client: BaseClient, operation: str, members: dict[str, Any]) -> None:
    """Checks the input of one call, named as in the service's API, without sending it.

    Raises:
        ApiModelError: a member violates the service's API model.
        botocore.exceptions.ParamValidationError: a member is missing or of the wrong type.
    """
    model = client.meta.service_model.operation_model(operation)
    _before_parameter_build(members, model)
    report = ParamValidator().validate(members, model.input_shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


def problems(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """What the model's constraints say against `value`, as phrases; types are botocore's to check.

    `shape` is a `botocore.model.Shape`, whose members botocore gives no types that a type checker can follow.
    """
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name not in shape.members:
                yield f"{path}{name} is no member of {shape.name}; allowed are {', '.join(shape.members)}"
            else:
                yield from problems(shape.members[name], item, f"{path}{name}.")
        return
    where = path.rstrip(".") or shape.name
    if shape.type_name == "list" and isinstance(value, list | tuple):
        yield from _bounds(shape, len(value), where, "items")
        for index, item in enumerate(value):
            yield from problems(shape.member, item, f"{where}[{index}].")
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from _bounds(shape, len(value), where, "entries")
        for key, item in value.items():
            yield from problems(shape.key, key, f"{where} key.")
            yield from problems(shape.value, item, f"{where}[{key}].")
    elif shape.type_name == "string" and isinstance(value, str):
        if shape.enum and value not in shape.enum:
            yield f"{where} is {value!r}; allowed are {', '.join(shape.enum)}"
        yield from _bounds(shape, len(value), where, "characters")
        pattern = shape.metadata.get("pattern")
        if pattern and not regex.fullmatch(pattern.replace(*_BEYOND_16_BITS), value):
            yield f"{where} is {value!r}, which does not match {pattern}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _bounds(shape, value, where, "")


def _bounds(shape: Any, size: float, where: str, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        limits = f"{'' if low is None else low} to {'' if high is None else high}".strip()
        yield f"{where} has {size} {unit}; allowed are {limits}" if unit else f"{where} is {size}; allowed are {limits}"


def _before_parameter_build(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
    if model.input_shape is None:
        return
    if found := list(problems(model.input_shape, params)):
        raise ApiModelError(f"{model.service_model.service_name} {model.name}: {'; '.join(found)}.")
