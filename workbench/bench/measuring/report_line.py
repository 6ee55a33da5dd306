"""What Lambda says of an invocation: the report in the tail of a function's log, as text or as JSON.

The text is that of `Invoke` with `LogType=Tail`: up to 4 KB, the report at its end. Functions with JSON logs have it as a
`platform.report` (https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from workbench.bench.measuring.errors import MeasuringError

_FIELDS = {
    "init_ms": re.compile(r"\bInit Duration: ([\d.]+) ms"),
    # "Duration" is also the end of the names of others.
    "duration_ms": re.compile(r"(?:^|\t|: [0-9a-f-]{36}\s+)Duration: ([\d.]+) ms", re.MULTILINE),
    "billed_ms": re.compile(r"\bBilled Duration: ([\d.]+) ms"),
    "max_memory_mb": re.compile(r"\bMax Memory Used: ([\d.]+) MB"),
}


@dataclass(frozen=True)
class LambdaReport:
    """Durations in ms, memory in MB. `init_ms` is None for an environment that was there already."""

    init_ms: float | None
    duration_ms: float
    billed_ms: float
    max_memory_mb: float


def parse_report(tail: str) -> LambdaReport:
    """The last report in the tail of a log; raises `MeasuringError` when there is none."""
    for line in reversed(tail.splitlines()):
        if line.startswith("REPORT "):
            found = {name: pattern.search(line) for name, pattern in _FIELDS.items()}
            if all(found[name] for name in ("duration_ms", "billed_ms", "max_memory_mb")):
                return LambdaReport(**{name: float(match[1]) if match else None for name, match in found.items()})  # pyright: ignore[reportArgumentType]
        if metrics := _platform_report(line):
            return LambdaReport(
                metrics.get("initDurationMs"),
                metrics["durationMs"],
                metrics["billedDurationMs"],
                metrics["maxMemoryUsedMB"],
            )
    raise MeasuringError(
        "The tail of the function's log has no REPORT. Lambda leaves it out below the system log level INFO; set that, and "
        "measure again."
    )


def _platform_report(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("type") != "platform.report":
        return None
    return event["record"]["metrics"]
