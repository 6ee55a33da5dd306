"""What the bill needs to know of a stack, from its configuration and its bundles, and of a benchmark's results."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from infra.bundles import read_bundles
from infra.settings import ConfigError, Settings
from workbench.bench import summaries
from workbench.bench.results import Results
from workbench.cost.bill import Deployment, Durations
from workbench.cost.prices import CostError
from workbench.program.config import StackConfig


class NotMeasuredError(CostError):
    """Results without the cold starts or the warm requests that costs follow from."""


def deployments(stack: StackConfig) -> list[Deployment]:
    """What `stack` deploys, in its order.

    Raises:
        CostError: the configuration cannot be deployed, or a bundle has not been prepared.
    """
    try:
        settings = Settings.from_config(stack.values, stack.project)
        found = []
        for architecture in settings.architectures:
            function = settings.for_architecture(architecture)
            found.append(
                Deployment(
                    architecture=architecture,
                    memory_mb=function.memory,
                    bundles=tuple(
                        tuple(file.size for file in bundle.manifest.files)
                        for bundle in read_bundles(function, stack.stack)
                    ),
                    engine=function.engine,
                    cpu=settings.cpu,
                    storage_mb=function.ephemeral_storage,
                    provisioned=function.provisioned_concurrency,
                    snap_start=function.snap_start,
                    log_retention_days=settings.log_retention_days,
                )
            )
    except ConfigError as error:
        raise CostError(f"The cost of stack {stack.stack} cannot be estimated: {error}") from error
    return found


def measured_deployments(results: Results, updates_per_month: float = 0.0) -> list[Deployment]:
    """What was measured, as deployments; memory and models are those of the results."""
    return [
        Deployment(
            architecture=architecture,
            memory_mb=results.memory_mb,
            bundles=tuple((model.size,) for model in results.models),
            engine="torch" if any(model.engine == "torch" for model in results.models) else "onnx",
            updates_per_month=updates_per_month,
        )
        for architecture in summaries.architectures(results)
    ]


def measured_durations(results: Results, architectures: Sequence[str]) -> dict[str, Durations]:
    """What warm and cold requests to each architecture are billed, as medians, averaged over the models.

    A warm request does the same on each architecture. So where samples cannot be told apart, all of them have the median
    of all: otherwise chance would decide, at much traffic, which architecture costs less.

    Raises:
        NotMeasuredError: an architecture was not measured, or only in part.
    """
    for architecture in architectures:
        _check(results, architecture)
    warm: dict[str, list[float]] = {architecture: [] for architecture in architectures}
    cold: dict[str, list[float]] = {architecture: [] for architecture in architectures}
    for model in results.models:
        requests = {name: found for name in architectures if (found := summaries.warm_of(results, name, model.name))}
        billed = {name: summaries.billed_warm(record) for name, record in requests.items()}
        together = [sample for samples in billed.values() for sample in samples]
        same = bool(billed) and summaries.alike(list(billed.values()))
        for name, samples in billed.items():
            warm[name].append(statistics.median(together if same else samples))
        for name in architectures:
            if (starts := summaries.cold_of(results, name, model.name)) is not None:
                cold[name].append(summaries.billed_cold(starts))
    return {name: Durations(statistics.mean(warm[name]), statistics.mean(cold[name])) for name in architectures}


def _check(results: Results, architecture: str) -> None:
    """Raises `NotMeasuredError` unless some model was measured on `architecture`, both cold and warm."""
    for what, find in (("cold starts", summaries.cold_of), ("warm requests", summaries.warm_of)):
        if not any(find(results, architecture, model.name) for model in results.models):
            raise NotMeasuredError(
                f"The results have no {what} of {architecture}; they have "
                f"{', '.join(summaries.architectures(results)) or 'no architecture'}. Measure it with "
                f"`python -m workbench bench --architectures {architecture} --json FILE`."
            )
