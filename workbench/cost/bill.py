"""The monthly bill of one architecture at a given traffic, and where two bills are equal. Pure functions.

What is on the bill and which figures are assumptions is described in docs/choosing.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from infra.settings import Engine
from workbench.cost.prices import CostError, Cpu, Prices
from workbench.cost.traffic import SECONDS_PER_MONTH, Traffic, shares, traces

GIB = 2**30

# The S3 store reads files in parts of this size; `handlers.serving.stores.s3` says why.
PART = 8 * 1024 * 1024

# Assumed, since only a deployment can tell. An image without weights, as the registry stores it, compressed:
RUNTIME_IMAGE = {"onnx": 300_000_000, "torch": 600_000_000}
# The platform's start and report lines and the function's own, in JSON, and a line of the API's access log:
LOG_BYTES_PER_REQUEST = 1500

# infra.image keeps the five newest images that newer pushes have replaced.
KEPT_IMAGES = 6

# Lambda gives every function this much /tmp at no charge, in MB.
FREE_STORAGE_MB = 512


@dataclass(frozen=True)
class Deployment:
    """One architecture as it is deployed. Memory and storage in MB, sizes in bytes.

    `bundles` are the sizes of the models' bundles, each as the sizes of its files. `provisioned` is the number of
    environments that are kept ready.
    """

    architecture: str
    memory_mb: int
    bundles: tuple[tuple[int, ...], ...]
    engine: Engine = "onnx"
    cpu: Cpu = "x86_64"
    storage_mb: int = FREE_STORAGE_MB
    provisioned: int = 0
    snap_start: bool = False
    log_retention_days: int = 14
    updates_per_month: float = 0.0

    def __post_init__(self) -> None:
        if self.snap_start and self.architecture == "efs":
            raise CostError(
                "SnapStart cannot be had with EFS: Lambda refuses it for functions that mount a file system."
            )
        if self.snap_start and self.provisioned:
            raise CostError("SnapStart cannot be had with provisioned concurrency: Lambda refuses the two together.")

    @property
    def size(self) -> int:
        """Bytes of all bundles."""
        return sum(map(sum, self.bundles))

    @property
    def memory_gb(self) -> float:
        """Memory in the unit that Lambda bills."""
        return self.memory_mb / 1024


@dataclass(frozen=True)
class Durations:
    """How long a warm and a cold request are billed, in ms; a cold one from the start of its environment.

    Lambda bills the init phase as it bills the rest, of container images always, of all functions since August 2025
    (https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/).
    """

    warm_ms: float
    cold_ms: float


@dataclass(frozen=True)
class Item:
    """A line of a bill: so many units of something, and what they cost a month in US dollars."""

    name: str
    quantity: float
    unit: str
    usd: float


@dataclass(frozen=True)
class Bill:
    """A month of one architecture. `cold_share` is the share of requests, 0 to 1, that start an environment."""

    architecture: str
    requests: float
    cold_share: float
    items: tuple[Item, ...]

    @property
    def usd(self) -> float:
        """The month's total."""
        return sum(item.usd for item in self.items)

    @property
    def usd_per_million(self) -> float:
        """The total, for each million of requests; infinite without any."""
        return self.usd / self.requests * 1e6 if self.requests else math.inf

    def item(self, name: str) -> Item:
        """The line of that name."""
        return next(item for item in self.items if item.name == name)


def bill(deployment: Deployment, durations: Durations, traffic: Traffic, prices: Prices) -> Bill:
    """What `deployment` costs in a month of `traffic`. Lines that do not apply to the architecture are 0.

    Requests to provisioned environments are never cold; what these are too few for goes to environments on demand.
    """
    requests, memory, cpu = traffic.requests_per_month, deployment.memory_gb, deployment.cpu
    split = shares(traffic, durations.warm_ms / 1e3, durations.cold_ms / 1e3, deployment.provisioned)
    cold, provisioned = requests * split.cold, requests * split.provisioned
    # Lambda rounds each request up to a whole millisecond.
    warm_s, cold_s = math.ceil(durations.warm_ms) / 1e3, math.ceil(durations.cold_ms) / 1e3
    warm_gb_s, cold_gb_s = (requests - cold - provisioned) * warm_s * memory, cold * cold_s * memory
    provisioned_gb_s = provisioned * warm_s * memory
    kept_gb_s = deployment.provisioned * memory * SECONDS_PER_MONTH
    extra_gb = max(deployment.storage_mb - FREE_STORAGE_MB, 0) / 1024
    storage_gb_s = (warm_gb_s + cold_gb_s + provisioned_gb_s) / memory * extra_gb
    logs_gb = requests * LOG_BYTES_PER_REQUEST / GIB
    items = [
        _item("Lambda, warm requests", warm_gb_s, "GB-s", prices.lambda_gb_second[cpu]),
        _item("Lambda, cold starts", cold_gb_s, "GB-s", prices.lambda_gb_second[cpu]),
        _item("Lambda, requests", requests, "requests", prices.lambda_request),
        _item("Lambda, /tmp", storage_gb_s, "GB-s", prices.lambda_storage_gb_second),
        _item("Provisioned concurrency", kept_gb_s, "GB-s", prices.provisioned_gb_second[cpu]),
        _item("Provisioned, requests", provisioned_gb_s, "GB-s", prices.provisioned_duration_gb_second[cpu]),
        *_snap_start(deployment, cold, prices),
        _item("HTTP API", requests, "requests", prices.http_api_request),
        *_weights(deployment, cold, prices),
        _item("ECR, images", _images(deployment) / GIB, "GB-months", prices.ecr_storage_gb_month),
        _item("Logs, written", logs_gb, "GB", prices.logs_ingest_gb),
        _item("Logs, kept", logs_gb * deployment.log_retention_days / 30, "GB-months", prices.logs_storage_gb_month),
        _item("X-Ray, traces", traces(traffic), "traces", prices.trace_recorded),
    ]
    return Bill(deployment.architecture, requests, split.cold, tuple(items))


def _item(name: str, quantity: float, unit: str, price: float) -> Item:
    return Item(name, quantity, unit, quantity * price)


def _snap_start(deployment: Deployment, cold: float, prices: Prices) -> list[Item]:
    """A snapshot of the function's memory is kept for its version, and restored for each environment."""
    memory = deployment.memory_gb if deployment.snap_start else 0.0
    return [
        _item("SnapStart, cache", memory * SECONDS_PER_MONTH, "GB-s", prices.snap_start_cache_gb_second),
        _item("SnapStart, restores", memory * cold, "GB", prices.snap_start_restore_gb),
    ]


def _weights(deployment: Deployment, cold: float, prices: Prices) -> list[Item]:
    """What keeping, changing and reading the bundles costs on EFS and in S3.

    Where there are several models, an environment is taken to load one of average size: the one it is asked for.
    """
    size, updates = deployment.size / GIB, deployment.updates_per_month
    on_efs, in_s3 = deployment.architecture == "efs", deployment.architecture in ("efs", "s3")
    one = size / len(deployment.bundles)
    # Old bundles stay on the file system, so that going back needs no copy: a month's updates lie beside each other.
    stored = size * (1 + updates) if on_efs else 0.0
    objects = sum(len(files) + 1 for files in deployment.bundles)
    gets = sum(map(gets_of, deployment.bundles))
    # EFS is filled from the bucket once for each update, S3 is read at each cold start.
    read = gets * updates if on_efs else cold * gets / len(deployment.bundles)
    return [
        _item("EFS, storage", stored, "GB-months", prices.efs_storage_gb_month),
        _item("EFS, read at cold starts", cold * one if on_efs else 0.0, "GB", prices.efs_read_gb),
        _item("EFS, written by updates", size * updates if on_efs else 0.0, "GB", prices.efs_write_gb),
        _item("S3, storage", size if in_s3 else 0.0, "GB-months", prices.s3_storage_gb_month),
        _item("S3, writes", objects * updates if in_s3 else 0.0, "requests", prices.s3_put_request),
        _item("S3, reads", read if in_s3 else 0.0, "requests", prices.s3_get_request),
    ]


def gets_of(files: Sequence[int]) -> int:
    """GET requests that fetch a bundle of files of these sizes: the manifest, and each file in parts."""
    return 1 + sum(max(math.ceil(size / PART), 1) for size in files)


def _images(deployment: Deployment) -> float:
    """Bytes in the registry. Images share the layers of the runtime; weights hardly compress."""
    weights = deployment.size if deployment.architecture == "oci" else 0
    return RUNTIME_IMAGE[deployment.engine] + weights * min(1 + deployment.updates_per_month, KEPT_IMAGES)


def cost_curves(
    planned: Sequence[Deployment], durations: Mapping[str, Durations], traffic: Traffic, prices: Prices
) -> dict[str, Callable[[float], float]]:
    """For each architecture, what a month costs in US dollars as a function of its requests."""

    def curve(deployment: Deployment) -> Callable[[float], float]:
        took = durations[deployment.architecture]
        return lambda requests: bill(deployment, took, replace(traffic, requests_per_month=requests), prices).usd

    return {deployment.architecture: curve(deployment) for deployment in planned}


@dataclass(frozen=True)
class BreakEven:
    """The requests a month at which two architectures cost the same, and which one costs less below and above."""

    requests: float
    usd: float
    below: str
    above: str


@dataclass(frozen=True)
class Comparison:
    """Two architectures over a range of requests a month.

    Without a break-even, `cheaper` is the one that costs less, None where the two cost the same throughout; `most` is
    by how much of the dearer one's cost they differ at most, 0 to 1.
    """

    architectures: tuple[str, str]
    break_evens: tuple[BreakEven, ...]
    cheaper: str | None
    most: float


# What differs by less, of the dearer or in US dollars a month, is the same: the durations are not known that well.
TOLERANCE, TOLERANCE_USD = 0.01, 0.1

# Of requests a month: what break-evens are looked for in.
LOWEST, HIGHEST = 1e2, 1e8


def compare(costs: Mapping[str, Callable[[float], float]]) -> list[Comparison]:
    """Each pair of `costs` (requests a month to US dollars) from `LOWEST` to `HIGHEST` requests.

    Costs that differ by less than `TOLERANCE` or `TOLERANCE_USD` count as the same, so that there is no break-even between two that run
    side by side.
    """
    return [_compare(one, other, costs[one], costs[other]) for one, other in combinations(costs, 2)]


def _compare(
    one: str, other: str, of_one: Callable[[float], float], of_other: Callable[[float], float], steps: int = 240
) -> Comparison:
    found: list[BreakEven] = []
    most, last, cheaper = 0.0, LOWEST, None
    for step in range(steps + 1):
        requests = LOWEST * (HIGHEST / LOWEST) ** (step / steps)
        first, second = of_one(requests), of_other(requests)
        apart = abs(first - second) / max(first, second, 1e-12)
        if apart < TOLERANCE or abs(first - second) < TOLERANCE_USD:
            continue
        most = max(most, apart)
        now = one if first < second else other
        if cheaper not in (None, now):
            at = _crossing(lambda requests: of_one(requests) - of_other(requests), last, requests)
            found.append(BreakEven(at, of_one(at), below=other if now == one else one, above=now))
        cheaper, last = now, requests
    return Comparison((one, other), tuple(found), None if found else cheaper, most)


def _crossing(difference: Callable[[float], float], low: float, high: float) -> float:
    negative = difference(low) < 0
    while high / low > 1.0001:
        middle = math.sqrt(low * high)
        if (difference(middle) < 0) == negative:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)
