"""The phases of a cold start: from what a function says of itself and from what is seen of its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from workbench.bench.results import PHASES

_METRIC = re.compile(r"(\w+);dur=([\d.]+)")


def server_timing(headers: Mapping[str, str]) -> dict[str, float]:
    """The durations of the header `server-timing`, in ms, by name; empty when there is none. Names in lower case."""
    return {name: float(duration) for name, duration in _METRIC.findall(headers.get("server-timing", ""))}


def phases(timing: Mapping[str, float], init_ms: float | None, first_answer_ms: float) -> dict[str, float]:
    """A cold start of `first_answer_ms` by phase (`PHASES`), in ms; what is not accounted for is `other`.

    `init_ms` is how long the environment took until it asked for its first event, None if it had to begin again: then
    `process` is not known. `timing` is that of the reply; where
    a function loads its model before the first event, it says as `init` how much of that was its own code.
    """
    known = {phase: timing.get(phase, 0.0) for phase in PHASES}
    known["process"] = max(0.0, (init_ms or 0.0) - timing.get("init", known["imports"]))
    known["other"] = max(0.0, first_answer_ms - sum(known.values()))
    return known
