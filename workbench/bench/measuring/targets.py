"""The ratios that a run on a full-size model has to reach: which there are, and whether a run reaches them.

The limits are in a file, `workbench/bench/targets.json`; here is what is measured for each. All are ratios of medians
within one run, since times depend on the machine.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.results import ColdStarts, Results, Variant, WarmRequests

Measured = TypeVar("Measured", ColdStarts, WarmRequests)

FILE = Path(__file__).parents[1] / "targets.json"


class Target(BaseModel):
    """A limit: of what is measured (a key of `MEASURES`), for models of a precision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: str
    precision: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Outcome:
    """A target and what was measured, by where: an architecture, a number of tokens. Empty if nothing was."""

    target: Target
    values: Mapping[str, float]

    @property
    def holds(self) -> bool:
        """Whether it was measured and holds everywhere."""
        return bool(self.values) and all(map(self.target.holds, self.values.values()))

    @property
    def missed(self) -> list[str]:
        """Where it does not hold."""
        return [where for where, value in self.values.items() if not self.target.holds(value)]


def read(file: Path = FILE) -> list[Target]:
    """The targets in a file; raises `MeasuringError` when it has none that can be measured."""
    try:
        targets = TypeAdapter(list[Target]).validate_json(file.read_bytes())
    except OSError as error:
        raise MeasuringError(f"The targets in {file} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise MeasuringError(f"{file} is no list of targets: {error.errors()[0]['msg']}.") from error
    for target in targets:
        if target.measure not in MEASURES:
            raise MeasuringError(
                f"{file} has a target for {target.measure!r}, which is not measured; there are {', '.join(MEASURES)}."
            )
    return targets


def outcomes(results: Results, targets: Sequence[Target]) -> list[Outcome]:
    """What the results say of each target."""
    return [Outcome(target, dict(MEASURES[target.measure](results, target.precision))) for target in targets]


Values = Iterator[tuple[str, float]]


def _cold_against_plain(results: Results, precision: str) -> Values:
    """How many times faster a cold start is than the plain handler's on the same architecture."""
    for cold in _of(results.cold, results, precision):
        for plain in _plain(results.cold, cold):
            yield cold.architecture, statistics.median(plain.samples_ms) / statistics.median(cold.samples_ms)


def _cold_against_floor(results: Results, precision: str) -> Values:
    """A cold start, in multiples of that of the function which makes a session and runs it, and nothing else.

    Only where the weights come from a folder: the floor has none to fetch.
    """
    for cold in _of(results.cold, results, precision):
        if cold.architecture != "s3":
            for floor in _of(results.cold, results, precision, "floor"):
                yield cold.architecture, statistics.median(cold.samples_ms) / statistics.median(floor.samples_ms)


def _warm_against_plain(results: Results, precision: str) -> Values:
    """How many times faster a warm request is than the plain handler's with as many tokens, by the functions' time."""
    for warm in _of(results.warm, results, precision):
        for plain in _plain(results.warm, warm):
            # Both tokenizers give the same count, as both are the model's own.
            if plain.tokens == warm.tokens:
                where = f"{warm.architecture}, {warm.tokens} tokens"
                yield where, statistics.median(plain.duration_ms) / statistics.median(warm.duration_ms)


def _memory_against_plain(results: Results, precision: str) -> Values:
    """Resident memory after warm requests, as a share of the plain handler's on the same architecture."""
    for warm in _of(results.warm, results, precision):
        for plain in _plain(results.warm, warm):
            if plain.tokens == warm.tokens and warm.memory_mb and plain.memory_mb:
                yield f"{warm.architecture}, {warm.tokens} tokens", warm.memory_mb / plain.memory_mb


def _handler_against_raw(results: Results, precision: str) -> Values:
    """The whole handler, in multiples of a run of its session alone on the same tokens."""
    for overhead in results.overhead:
        if overhead.model in _models(results, precision):
            raw = statistics.median(overhead.raw_ms)
            yield f"{overhead.tokens} tokens", statistics.median(overhead.handler_ms) / raw


def _own_code(results: Results, precision: str) -> Values:
    """The share of the handler's time in which the engine does not run: parse, tokenize, choose, serialise."""
    for overhead in results.overhead:
        if overhead.model in _models(results, precision):
            around = [whole - part for whole, part in zip(overhead.handler_ms, overhead.engine_ms, strict=True)]
            yield f"{overhead.tokens} tokens", statistics.median(around) / statistics.median(overhead.handler_ms)


MEASURES: Mapping[str, Callable[[Results, str], Values]] = {
    "cold against plain": _cold_against_plain,
    "cold against floor": _cold_against_floor,
    "warm against plain": _warm_against_plain,
    "memory against plain": _memory_against_plain,
    "handler against raw runs": _handler_against_raw,
    "own code": _own_code,
}


def _models(results: Results, precision: str) -> set[str]:
    return {model.name for model in results.models if model.precision == precision}


def _of(items: Sequence[Measured], results: Results, precision: str, variant: Variant = "served") -> list[Measured]:
    models = _models(results, precision)
    return [item for item in items if item.model in models and item.variant == variant]


def _plain(items: Sequence[Measured], like: Measured) -> list[Measured]:
    """The plain handler's on the same architecture; it has one model, whatever the precision it is served in."""
    return [item for item in items if item.variant == "plain" and item.architecture == like.architecture]
