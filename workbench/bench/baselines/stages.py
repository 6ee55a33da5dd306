"""How long the stages of a baseline take; reported as the functions of a stack report them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from . import BEGUN

_milliseconds: dict[str, float] = {}


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Adds the time of its block to the stage `name` of the next reply."""
    begin = perf_counter()
    try:
        yield
    finally:
        _milliseconds[name] = _milliseconds.get(name, 0.0) + (perf_counter() - begin) * 1000


def started() -> None:
    """Ends the start of a function: to be called at the end of its module, which has no other code after it."""
    init = (perf_counter() - BEGUN) * 1000
    _milliseconds["imports"] = init - sum(_milliseconds.values())
    _milliseconds["init"] = init


def reply(body: Any) -> dict[str, Any]:
    """A reply of an HTTP API with `body` as JSON and the stages since the last one."""
    timing = ", ".join(f"{name};dur={duration:.2f}" for name, duration in _milliseconds.items())
    cold = "init" in _milliseconds
    _milliseconds.clear()
    headers = {"content-type": "application/json", "server-timing": timing, "x-cold-start": str(cold).lower()}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body)}
