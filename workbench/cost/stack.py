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
                    log_retention_days=settings.log_retention_days,
                )
            )
    except ConfigError as error:
        raise CostError(
            f"Stack {stack.stack} cannot be deployed as it is configured, so it costs nothing: {error}"
        ) from error
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

    Raises:
        CostError: an architecture was not measured.
    """
    return {architecture: _durations(results, architecture) for architecture in architectures}


def _durations(results: Results, architecture: str) -> Durations:
    names = [model.name for model in results.models]
    cold = [record for name in names if (record := summaries.cold_of(results, architecture, name))]
    warm = [record for name in names if (record := summaries.warm_of(results, architecture, name))]
    if not cold or not warm:
        raise CostError(
            f"The results have no {'cold starts' if not cold else 'warm requests'} of {architecture}; they have "
            f"{', '.join(summaries.architectures(results)) or 'no architecture'}. Measure it with "
            f"`python -m workbench bench --architectures {architecture} --json FILE`."
        )
    return Durations(
        warm_ms=statistics.mean(map(summaries.billed_warm, warm)),
        cold_ms=statistics.mean(map(summaries.billed_cold, cold)),
    )
