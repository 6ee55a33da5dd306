"""Checks a registered resource against the Pulumi SDK's own types, which the engine's providers would do in a deployment.

An input whose value turned out to be None vanishes on its way to the engine; when it was a required one, the SDK has
already let it pass.
"""

from __future__ import annotations

import importlib
import inspect
import json
import keyword
import typing
from collections.abc import Iterator
from typing import Any

from pulumi import _types as pulumi_types

from .graph import Resource, is_unknown


def problems(resource: Resource) -> list[str]:
    """What is wrong with the inputs of a resource, as sentences; empty when nothing is.

    Raises:
        LookupError: the SDKs of this program have no such type.
    """
    found = list(_check(_arguments(resource.type), resource.inputs, ""))
    found += [f"{path} holds a null in its JSON" for path in _nulls(resource.inputs)]
    return [f"{resource.type} {resource.name}: {problem}." for problem in found]


def _arguments(token: str) -> type:
    package, module, name = token.split(":")
    if package == "pulumi" and module == "providers":
        package, module, name = name, "index", "Provider"
    path = [f"pulumi_{package}"]
    if (folder := module.split("/")[0]) != "index":
        path.append(f"{folder}_" if keyword.iskeyword(folder) else folder)
    try:
        sdk = importlib.import_module(".".join(path))
        # The SDK's generator says InitArgs where an input type of another resource has taken the plain name.
        return getattr(sdk, f"{name}InitArgs", None) or getattr(sdk, f"{name}Args")
    except (ImportError, AttributeError) as error:
        raise LookupError(f"{token} is no resource type of the SDKs that are installed") from error


def _check(arguments: type, values: dict[str, Any], path: str) -> Iterator[str]:
    types = pulumi_types.input_type_types(arguments)
    names = pulumi_types.input_type_py_to_pulumi_names(arguments)
    for name in values:
        if name not in types and name not in ("version", "pluginDownloadURL"):
            yield f"{path}{name} is no input of it"
    for parameter in list(inspect.signature(arguments).parameters.values()):
        name = names.get(parameter.name, parameter.name)
        if parameter.default is parameter.empty and values.get(name) is None:
            yield f"required input {path}{name} is missing"
    for name, value in values.items():
        if (nested := _nested(types.get(name))) is None:
            continue
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, dict):
                position = f"[{index}]" if isinstance(value, list) else ""
                yield from _check(nested, item, f"{path}{name}{position}.")


def _nested(kind: Any) -> type | None:
    """The arguments class inside an annotation such as `Input[Sequence[Input[XArgs | XArgsDict]]]`."""
    pending = [kind]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and pulumi_types.is_input_type(kind):
            return kind
        pending.extend(typing.get_args(kind))
    return None


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _nulls(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nulls(item, f"{path}[{index}]")
    elif isinstance(value, str) and not is_unknown(value) and value[:1] in ("{", "["):
        try:
            if _holds_null(json.loads(value)):
                yield path
        except ValueError:
            return


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list) else value is None
