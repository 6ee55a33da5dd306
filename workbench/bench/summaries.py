"""Summaries of a benchmark's samples: medians, ranges and percentiles, and the records that belong to a model."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.bench.results import PHASES, ColdStarts, Results, Variant, WarmRequests

# In the order in which tables and charts show them.
ARCHITECTURES = ("efs", "s3", "oci")
VARIANTS: tuple[Variant, ...] = ("served", "plain", "floor")


@dataclass(frozen=True)
class Summary:
    """Of samples in whatever unit: how many, the middle one, the ends and high percentiles."""

    count: int
    median: float
    lowest: float
    highest: float
    p90: float
    p99: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Summary:
        """The summary of one or more samples; raises `ValueError` without any."""
        if not samples:
            raise ValueError("there are no samples to summarise")
        return cls(
            count=len(samples),
            median=statistics.median(samples),
            lowest=min(samples),
            highest=max(samples),
            p90=percentile(samples, 90),
            p99=percentile(samples, 99),
        )


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value that `percent` % of the samples do not exceed, between two samples as far as it lies between them."""
    ordered = sorted(samples)
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def architectures(results: Results) -> list[str]:
    """The architectures on which this program was measured, in the order in which they are shown."""
    measured = {record.architecture for record in [*results.cold, *results.warm] if record.variant == "served"}
    known = [architecture for architecture in ARCHITECTURES if architecture in measured]
    return known + sorted(measured.difference(known))


def cold_of(results: Results, architecture: str, model: str, variant: Variant = "served") -> ColdStarts | None:
    """The cold starts of a model on an architecture, None when they were not measured."""
    return next(
        (
            record
            for record in results.cold
            if (record.architecture, record.model, record.variant) == (architecture, model, variant)
            and record.samples_ms
        ),
        None,
    )


def warm_of(results: Results, architecture: str, model: str, variant: Variant = "served") -> WarmRequests | None:
    """The warm requests of a model on an architecture with the fewest tokens, None when they were not measured."""
    found = [
        record
        for record in results.warm
        if (record.architecture, record.model, record.variant) == (architecture, model, variant) and record.samples_ms
    ]
    return min(found, key=lambda record: record.tokens or 0, default=None)


def phase_medians(record: ColdStarts) -> dict[str, float]:
    """The median of each phase in ms, in the order in which they happen; phases that were not seen are left out."""
    return {
        phase: statistics.median(samples)
        for phase in PHASES
        if (samples := record.phases.get(phase)) is not None and samples
    }


def billed_cold(record: ColdStarts) -> float:
    """What a cold start is billed, in ms: as reported, or else from the start of its process to the first answer."""
    return statistics.median(record.billed_ms or record.samples_ms)


def billed_warm(record: WarmRequests) -> list[float]:
    """What warm requests are billed, in ms: the function's own time, or else as long as the client waited, which is more."""
    return record.duration_ms or record.samples_ms


def alike(samples: Sequence[Sequence[float]]) -> bool:
    """Whether several series cannot be told apart: the middle halves of all of them overlap."""
    return max(percentile(one, 25) for one in samples) <= min(percentile(one, 75) for one in samples)
