"""What advice is drawn from: what is expected of the endpoint, and what the results say of each architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra.sizes import RUNTIME_MB, peak_memory
from workbench.bench import summaries
from workbench.bench.results import LOCAL_DISK, OF_ENDPOINTS, ON_AWS, Results
from workbench.bench.summaries import Summary
from workbench.bench.wording import duration, megabytes, plural
from workbench.cost.bill import FREE_STORAGE_MB, Bill, Deployment, Durations, bill
from workbench.cost.prices import Prices
from workbench.cost.stack import measured_deployments, measured_durations
from workbench.cost.traffic import IDLE_MINUTES, Traffic

MB = 1_000_000

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; in bytes, in MB, in ms.
IMAGE_LIMIT = 10 * 2**30
MEMORY_LIMIT_MB = 10_240
TMP_LIMIT_MB = 10_240
VCPU_MB = 1769
# An HTTP API waits no longer for its integration.
ANSWER_LIMIT_MS = 30_000

# Uncompressed: the base image, the runtime and the packages.
RUNTIME_UNPACKED = {engine: size * 2**20 for engine, size in RUNTIME_MB.items()}


@dataclass(frozen=True)
class Needs:
    """What is expected of the endpoint: requests a month and at once, changes of the models a month, and a VPC."""

    requests_per_month: tuple[float, ...] = (10_000, 1_000_000)
    burst: int = 1
    updates_per_month: float = 0.0
    vpc: bool = False
    idle_minutes: float = IDLE_MINUTES

    def traffic(self, requests: float) -> Traffic:
        """The traffic of so many requests a month."""
        return Traffic(requests, self.burst, self.idle_minutes)


@dataclass(frozen=True)
class Measured:
    """What the advice knows of one architecture. `cold` and `memory` (MB) are those of the worst of its models."""

    deployment: Deployment
    durations: Durations
    cold: Summary
    quartiles: tuple[float, float]
    memory: float | None
    fetched: int
    fetch_ms: float | None
    misfit: str | None

    @property
    def name(self) -> str:
        """The architecture."""
        return self.deployment.architecture


@dataclass(frozen=True)
class Evidence:
    """The results and prices that the advice is drawn from."""

    results: Results
    prices: Prices
    measured: Mapping[str, Measured]

    @property
    def tells_networks_apart(self) -> bool:
        """Whether EFS and S3 were behind a network: a model of one, or AWS, which is where times are billed."""
        return self.results.network != LOCAL_DISK or any(record.billed_ms for record in self.results.cold)

    @property
    def image_was_local(self) -> bool:
        """Whether OCI alone was without its way through a network: a profile models those of EFS and S3, and no image's."""
        return self.results.network not in (LOCAL_DISK, ON_AWS, OF_ENDPOINTS)

    def bills(self, needs: Needs, requests: float) -> dict[str, Bill]:
        """The month's bill of each architecture."""
        return {
            name: bill(
                replace(one.deployment, updates_per_month=needs.updates_per_month),
                one.durations,
                needs.traffic(requests),
                self.prices,
            )
            for name, one in self.measured.items()
        }


def collected(results: Results, prices: Prices) -> Evidence:
    """The evidence in `results`; raises `CostError` when an architecture was measured in part only."""
    return Evidence(results, prices, _measured(results))


def _measured(results: Results) -> dict[str, Measured]:
    planned = measured_deployments(results)
    took = measured_durations(results, [deployment.architecture for deployment in planned])
    found = {}
    for deployment in planned:
        name = deployment.architecture
        records = [
            record for model in results.models if (record := summaries.cold_of(results, name, model.name)) is not None
        ]
        slowest = max(records, key=lambda record: Summary.of(record.samples_ms).median)
        memory = [Summary.of(record.memory_mb).median for record in records if record.memory_mb]
        fetch = slowest.phases.get("fetch")
        found[name] = Measured(
            deployment=deployment,
            durations=took[name],
            cold=Summary.of(slowest.samples_ms),
            quartiles=(summaries.percentile(slowest.samples_ms, 25), summaries.percentile(slowest.samples_ms, 75)),
            memory=max(memory, default=None),
            fetched=slowest.fetched,
            fetch_ms=Summary.of(fetch).median if fetch else None,
            misfit=_misfit(deployment, max(memory, default=None), Summary.of(slowest.samples_ms).median),
        )
    return found


def _misfit(deployment: Deployment, memory: float | None, cold_ms: float) -> str | None:
    """Why the architecture cannot serve these models, as half a sentence; None when it can."""
    largest = max(map(sum, deployment.bundles))
    unpacked = RUNTIME_UNPACKED[deployment.engine] + deployment.size
    if deployment.architecture == "oci" and unpacked > IMAGE_LIMIT:
        return f"an image with {megabytes(deployment.size)} of weights would be over Lambda's {megabytes(IMAGE_LIMIT)}"
    if largest > MEMORY_LIMIT_MB * MB:
        return f"a model of {megabytes(largest)} is more than the {MEMORY_LIMIT_MB:,} MB of memory a function can have"
    needed = peak_memory(
        deployment.engine,
        [sum(bundle) for bundle in deployment.bundles],
        in_memory=deployment.architecture == "s3" and deployment.storage_mb <= FREE_STORAGE_MB,
    )
    if needed > MEMORY_LIMIT_MB:
        return (
            f"loading {megabytes(deployment.size)} of models takes about {needed:,} MB of memory there, and a function can have "
            f"{MEMORY_LIMIT_MB:,} MB"
        )
    if memory is not None and memory > MEMORY_LIMIT_MB:
        return f"it took {memory:,.0f} MB of memory, and a function can have {MEMORY_LIMIT_MB:,} MB"
    if cold_ms > ANSWER_LIMIT_MS:
        return f"a cold start takes {duration(cold_ms)}, and the HTTP API gives up after {duration(ANSWER_LIMIT_MS)}"
    return None


def called(architecture: str) -> str:
    return architecture.upper()


def updates_in_words(needs: Needs) -> str:
    return plural(needs.updates_per_month, "update") if needs.updates_per_month else "no updates"
