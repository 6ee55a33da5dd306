"""The configuration of a stack, read as the Pulumi CLI reads it: `Pulumi.yaml`, `Pulumi.<stack>.yaml`, then overrides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class StackError(Exception):
    """A stack or an override that cannot be used; the message is a sentence for the person who gave it."""


@dataclass(frozen=True)
class StackConfig:
    """A project, a stack, and its configuration: keys with their namespace to the strings that a program is given."""

    project: str
    stack: str
    values: dict[str, str]

    @property
    def region(self) -> str:
        """The AWS region of the stack."""
        return self.values["aws:region"]


def load(stack: str, overrides: Sequence[str] = (), folder: Path = Path()) -> StackConfig:
    """The configuration of `stack`, with overrides of the form `key=value` on top.

    A key without a namespace belongs to the project. A value is JSON where it parses as JSON, otherwise a string.

    Raises:
        StackError: there is no such stack, or an override is not `key=value`.
    """
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))
    name = project["name"]
    values = {
        _qualified(key, name): declared["default"]
        for key, declared in project["config"].items()
        if "default" in declared
    }
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = sorted(path.name.split(".")[1] for path in folder.glob("Pulumi.*.yaml"))
        raise StackError(f"There is no stack {stack!r}: {file} does not exist. Known stacks are {', '.join(known)}.")
    values |= {
        _qualified(key, name): value
        for key, value in ((yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("config") or {}).items()
    }
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise StackError(
                f"--config {override} is not of the form key=value; "
                "write for example --config 'architectures=[\"efs\"]' or --config memory=2048."
            )
        values[_qualified(key, name)] = _value(text)
    return StackConfig(name, stack, {key: _as_given_to_programs(value) for key, value in values.items()})


def _qualified(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_given_to_programs(value: Any) -> str:
    """Pulumi hands a program strings: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
