"""Where the weights should live, concluded from a benchmark's results: plain sentences, each with the figure behind it.

Pure functions; docs/choosing.md describes the rule. What a month costs is computed in `workbench.cost`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from workbench.bench import summaries
from workbench.bench.results import Results
from workbench.bench.summaries import Summary
from workbench.bench.wording import duration, listed, megabytes, plural, share, usd
from workbench.cost.bill import (
    HIGHEST,
    LOWEST,
    Bill,
    Comparison,
    Deployment,
    Durations,
    bill,
    compare,
    cost_curves,
    gets_of,
)
from workbench.cost.prices import Prices
from workbench.cost.stack import measured_deployments, measured_durations
from workbench.cost.traffic import IDLE_MINUTES, SECONDS_PER_MONTH, Traffic, shares

MB = 1_000_000

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; in bytes, in MB, in ms.
IMAGE_LIMIT = 10 * 2**30
MEMORY_LIMIT_MB = 10_240
TMP_LIMIT_MB = 10_240
VCPU_MB = 1769
# An HTTP API waits no longer for its integration.
ANSWER_LIMIT_MS = 30_000

# Uncompressed: the base image, the runtime and the packages.
RUNTIME_UNPACKED = {"onnx": 700 * MB, "torch": 1_700 * MB}

# The rule's thresholds. Cold starts below this share of the requests are seen by nobody who looks at a p99.9.
FELT = 0.001
# Medians that are closer than this, or whose middle halves overlap, are the same on a machine that does other things too.
SAME = 0.10
# Nobody builds another architecture for less a month.
WORTH_USD, WORTH = 1.0, 0.05
# From one a week on, building and pushing an image for each new model is work.
OFTEN = 4.0

# Of a fetch of fewer bytes, most of the time is latency, so that it gives no speed.
SPEED_FROM = 20 * MB

LOCAL_DISK = "local disk"


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
class Choice:
    """The architecture to take at one traffic, why, and what would change that; costs and shares by architecture."""

    requests: float
    architecture: str
    reasons: tuple[str, ...]
    changes: tuple[str, ...]
    usd: Mapping[str, float]
    cold_share: Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """A sentence about `topic` with the figures it stands on, and what would change it."""

    topic: str
    sentence: str
    change: str


@dataclass(frozen=True)
class Advice:
    """What to take, what was found, and what the results cannot tell."""

    choices: tuple[Choice, ...]
    findings: tuple[Finding, ...]
    caveats: tuple[str, ...]


@dataclass(frozen=True)
class _Measured:
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
        return self.deployment.architecture


@dataclass(frozen=True)
class _Evidence:
    """The results and prices that the advice is drawn from."""

    results: Results
    prices: Prices
    measured: Mapping[str, _Measured] = field(hash=False)

    @cached_property
    def tells_networks_apart(self) -> bool:
        """Whether EFS and S3 were behind a network: a model of one, or AWS, which is where times are billed."""
        return self.results.network != LOCAL_DISK or any(record.billed_ms for record in self.results.cold)

    def bills(self, needs: Needs, requests: float) -> dict[str, Bill]:
        return {
            name: bill(
                replace(one.deployment, updates_per_month=needs.updates_per_month),
                one.durations,
                needs.traffic(requests),
                self.prices,
            )
            for name, one in self.measured.items()
        }


def advise(results: Results, needs: Needs, prices: Prices) -> Advice:
    """The advice that follows from `results` for what is expected.

    Raises:
        CostError: an architecture was measured in part only.
    """
    evidence = _Evidence(results, prices, _measured(results))
    findings = [
        _size(evidence),
        _cold_start(evidence),
        *(_cold_share(evidence, needs, requests) for requests in needs.requests_per_month),
        _cost(evidence, needs),
        _updates(evidence, needs),
        _models(evidence),
        _vpc(evidence, needs),
        _memory(evidence),
        _ready(evidence, needs),
    ]
    return Advice(
        choices=tuple(_explained(evidence, needs, requests) for requests in needs.requests_per_month),
        findings=tuple(finding for finding in findings if finding),
        caveats=tuple(_caveats(evidence)),
    )


def _measured(results: Results) -> dict[str, _Measured]:
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
        found[name] = _Measured(
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
    if deployment.architecture == "s3" and 2 * largest > MEMORY_LIMIT_MB * 2**20:
        return (
            f"a model of {megabytes(largest)} is in memory twice while it loads, as fetched and as run, and a function "
            f"can have {MEMORY_LIMIT_MB:,} MB"
        )
    if memory is not None and memory > MEMORY_LIMIT_MB:
        return f"it took {memory:,.0f} MB of memory, and a function can have {MEMORY_LIMIT_MB:,} MB"
    if cold_ms > ANSWER_LIMIT_MS:
        return f"a cold start takes {duration(cold_ms)}, and the HTTP API gives up after {duration(ANSWER_LIMIT_MS)}"
    return None


# --- the choice ------------------------------------------------------------------------------------------------------


def _choose(evidence: _Evidence, needs: Needs, requests: float) -> tuple[str, list[str]]:
    """The architecture that the rule comes to, and the reasons, in its order: fits, cold start, cost, upkeep."""
    measured, bills = evidence.measured, evidence.bills(needs, requests)
    left = [name for name, one in measured.items() if not one.misfit] or list(measured)
    reasons = [
        f"{_called(name)} is out: {one.misfit}." for name, one in measured.items() if one.misfit and name not in left
    ]
    if len(measured) == 1:
        return left[0], [f"{_called(left[0])} is all that was measured, so there is nothing to choose from."]

    if needs.vpc and "efs" in left:
        others = listed(
            f"{duration(one.cold.median)} and {usd(bills[name].usd)} on {_called(name)}"
            for name, one in measured.items()
            if name != "efs"
        )
        reasons.append(
            f"The functions have to be in a VPC, and that of EFS is the only one that is. Its cold start takes "
            f"{duration(measured['efs'].cold.median)} and a month costs {usd(bills['efs'].usd)}, against {others}."
        )
        return "efs", reasons
    cold = max(month.cold_share for month in bills.values())
    if len(left) > 1:
        fastest = min(left, key=lambda name: measured[name].cold.median)
        slower = [name for name in left if not _same(measured[fastest], measured[name])]
        if not evidence.tells_networks_apart:
            reasons.append(
                "Cold starts do not decide: they were measured on local disk, without the networks of EFS and S3."
            )
        elif slower and cold >= FELT:
            reasons.append(
                f"Cold starts decide: {share(cold)} of the requests meet one, and it takes "
                f"{duration(measured[fastest].cold.median)} on {_called(fastest)} against "
                f"{listed(f'{duration(measured[name].cold.median)} on {_called(name)}' for name in slower)}."
            )
            left = [name for name in left if name not in slower]
        elif slower:
            reasons.append(
                f"Cold starts do not decide: {share(cold)} of the requests meet one, less than the {share(FELT)} that "
                "a p99.9 would show."
            )
        else:
            reasons.append("Cold starts do not decide: their medians cannot be told apart.")
    if len(left) > 1:
        cheapest = min(left, key=lambda name: bills[name].usd)
        dearer = [name for name in left if _worth_saving(bills[cheapest].usd, bills[name].usd)]
        costs = listed(f"{usd(bills[name].usd)} for {_called(name)}" for name in left)
        if dearer:
            reasons.append(f"Cost decides: a month is {costs}.")
            left = [name for name in left if name not in dearer]
        else:
            reasons.append(
                f"Cost does not decide: a month is {costs}, less than {usd(WORTH_USD)} or {share(WORTH)} apart."
            )
    if len(left) > 1:
        chosen, reason = _simplest(left, needs)
        return chosen, [*reasons, reason]
    return left[0], reasons


def _simplest(left: Sequence[str], needs: Needs) -> tuple[str, str]:
    if needs.updates_per_month >= OFTEN:
        order, why = (
            ("s3", "efs", "oci"),
            f"has the least to do for an update, and there are {needs.updates_per_month:,.0f} a month: an upload, "
            "without building an image or filling a file system",
        )
    else:
        order, why = (
            ("oci", "s3", "efs"),
            f"has the fewest parts that can fail or be forgotten, and {_updates_in_words(needs)} a month do not "
            "outweigh that",
        )
    chosen = min(left, key=lambda name: order.index(name) if name in order else len(order))
    return chosen, f"Upkeep decides: of {listed(map(_called, left))}, {_called(chosen)} {why}."


def _explained(evidence: _Evidence, needs: Needs, requests: float) -> Choice:
    chosen, reasons = _choose(evidence, needs, requests)
    bills = evidence.bills(needs, requests)
    return Choice(
        requests=requests,
        architecture=chosen,
        reasons=tuple(reasons),
        changes=tuple(_changes(evidence, needs, requests, chosen)),
        usd={name: month.usd for name, month in bills.items()},
        cold_share={name: month.cold_share for name, month in bills.items()},
    )


def _changes(evidence: _Evidence, needs: Needs, requests: float, chosen: str) -> list[str]:
    """What would have to be otherwise for the rule to come to another architecture; found by trying."""
    if len(evidence.measured) == 1:
        return ["the other architectures, once they are measured"]
    found = []
    for factor, words in ((10**0.05, "more"), (10**-0.05, "fewer")):
        at = requests
        while LOWEST <= at * factor <= HIGHEST:
            at *= factor
            other = _choose(evidence, needs, at)[0]
            if other != chosen:
                found.append(f"{words} than about {_round(at):,.0f} requests a month: {_called(other)}")
                break
    often = needs.updates_per_month >= OFTEN
    variants: list[tuple[str, Needs]] = [
        (
            f"fewer than {OFTEN:.0f} updates a month" if often else f"{OFTEN:.0f} or more updates a month",
            replace(needs, updates_per_month=0.0 if often else OFTEN),
        ),
        (
            "no need for a VPC" if needs.vpc else "a VPC that the functions have to be in",
            replace(needs, vpc=not needs.vpc),
        ),
        (
            "requests one at a time" if needs.burst > 1 else "bursts of 20 requests at once",
            replace(needs, burst=1 if needs.burst > 1 else 20),
        ),
    ]
    for words, changed in variants:
        other = _choose(evidence, changed, requests)[0]
        if other != chosen:
            found.append(f"{words}: {_called(other)}")
    if not evidence.tells_networks_apart:
        found.append("cold starts measured behind the networks of EFS and S3, which these results leave out")
    return found or [
        f"nothing that was tried: {LOWEST:,.0f} to {HIGHEST:,.0f} requests a month, single or in bursts, many updates or "
        "few, with a VPC or without"
    ]


def _same(fastest: _Measured, other: _Measured) -> bool:
    apart = other.cold.median / fastest.cold.median - 1
    return apart < SAME or other.quartiles[0] <= fastest.quartiles[1]


def _worth_saving(cheapest: float, other: float) -> bool:
    return other - cheapest >= WORTH_USD and other - cheapest >= WORTH * other


# --- the findings ----------------------------------------------------------------------------------------------------


def _size(evidence: _Evidence) -> Finding:
    models = evidence.results.models
    total, largest = sum(model.size for model in models), max(models, key=lambda model: model.size)
    runtime = RUNTIME_UNPACKED["torch" if any(model.engine == "torch" for model in models) else "onnx"]
    room = IMAGE_LIMIT - runtime
    misfits = [f"{_called(name)} is out: {one.misfit}" for name, one in evidence.measured.items() if one.misfit]
    subject = (
        f"{plural(len(models), 'model')} of {megabytes(total)} together, the largest {megabytes(largest.size)} "
        f"({largest.name}),"
        if len(models) > 1
        else f"The model has {megabytes(total)}, which"
    )
    sentence = (
        f"{subject} {'fit' if len(models) > 1 else 'fits'} everywhere: that is {share(total / room)} of the "
        f"{megabytes(room)} that an image has left beside the runtime. /tmp, at most {TMP_LIMIT_MB:,} MB, is no limit, "
        "because nothing is copied there."
        if not misfits
        else f"{subject} do{'' if len(models) > 1 else 'es'} not fit everywhere. {'; '.join(misfits)}."
    )
    change = (
        f"Beyond {megabytes(room)} of weights OCI is out; beyond {megabytes(MEMORY_LIMIT_MB * 2**20 / 2)} in one model "
        f"S3 is, and beyond {MEMORY_LIMIT_MB:,} MB in one model all three are."
    )
    return Finding("Model size", sentence, change)


def _cold_start(evidence: _Evidence) -> Finding:
    measured = sorted(evidence.measured.values(), key=lambda one: one.cold.median)
    medians = listed(
        f"{duration(one.cold.median)} on {_called(one.name)} ({duration(one.cold.lowest)} to {duration(one.cold.highest)}, "
        f"{plural(one.cold.count, 'sample')})"
        for one in measured
    )
    sentence = f"A cold start takes {medians}, from the start of a process to its first answer."
    if not evidence.tells_networks_apart:
        sentence += (
            " That was on local disk, so it says nothing of the networks of EFS and S3, and decides nothing here."
        )
    fetch = evidence.measured.get("s3")
    if evidence.tells_networks_apart and fetch and fetch.fetch_ms and fetch.fetched >= SPEED_FROM:
        speed = fetch.fetched / MB / (fetch.fetch_ms / 1e3)
        return Finding(
            "Cold start",
            sentence,
            f"S3 fetched {megabytes(fetch.fetched)} at {speed:,.0f} MB/s; each further 100 MB of weights adds about "
            f"{duration(100 / speed * 1e3)} there.",
        )
    change = (
        "A larger model: EFS and S3 then move more bytes."
        if evidence.tells_networks_apart
        else "A run with a network profile (`bench --network`), or on AWS."
    )
    return Finding("Cold start", sentence, change)


def _cold_share(evidence: _Evidence, needs: Needs, requests: float) -> Finding:
    took = max((one.durations for one in evidence.measured.values()), key=lambda one: one.cold_ms)

    def at(minutes: float) -> float:
        traffic = replace(needs.traffic(requests), idle_minutes=minutes)
        return shares(traffic, took.warm_ms / 1e3, took.cold_ms / 1e3).cold

    cold = at(needs.idle_minutes)
    bursts = f", {needs.burst} at once," if needs.burst > 1 else ""
    a_day = requests * cold / (SECONDS_PER_MONTH / 86_400)
    return Finding(
        f"Cold starts at {requests:,.0f} requests a month",
        f"At {requests:,.0f} requests a month{bursts} about {share(cold)} of them meet a cold start, "
        f"{a_day:,.1f} a day, if an idle environment lives {needs.idle_minutes:g} minutes.",
        f"AWS says nothing about that time: with 45 minutes it would be {share(at(45))}. Traffic that comes in bursts "
        "has more cold starts than traffic that is spread evenly.",
    )


def _cost(evidence: _Evidence, needs: Needs) -> Finding | None:
    if len(evidence.measured) < 2:
        return None
    requests = needs.requests_per_month[-1]
    bills = sorted(evidence.bills(needs, requests).values(), key=lambda month: month.usd)
    total = listed(f"{usd(month.usd)} on {_called(month.architecture)}" for month in bills)
    largest = max(bills[0].items, key=lambda item: item.usd)
    evens = [even for pair in comparisons(evidence, needs) for even in pair.break_evens]
    crossing = (
        listed(
            f"{_called(even.below)} and {_called(even.above)} cost the same at {_round(even.requests):,.0f} requests a month"
            for even in evens
        )
        if evens
        else "no two architectures have a break-even between 100 and 100 million requests a month"
    )
    return Finding(
        "Cost",
        f"{requests:,.0f} requests a month cost {total}; {usd(bills[0].usd_per_million)} for a million on the cheapest. "
        f"The largest part of that is the same everywhere or nearly: {largest.name}, {usd(largest.usd)}.",
        f"{crossing[0].upper()}{crossing[1:]}.",
    )


def comparisons(evidence: _Evidence, needs: Needs) -> list[Comparison]:
    """How the costs of the architectures compare over the range of traffic."""
    return compare(curves(evidence, needs))


def curves(evidence: _Evidence, needs: Needs) -> dict[str, Callable[[float], float]]:
    """What a month costs on each architecture, as a function of its requests."""
    planned = [replace(one.deployment, updates_per_month=needs.updates_per_month) for one in evidence.measured.values()]
    took = {name: one.durations for name, one in evidence.measured.items()}
    return cost_curves(planned, took, needs.traffic(1), evidence.prices)


def _updates(evidence: _Evidence, needs: Needs) -> Finding:
    total = sum(model.size for model in evidence.results.models)
    parts = {
        "oci": f"OCI builds and pushes an image with a layer of {megabytes(total)}",
        "s3": f"S3 uploads {megabytes(total)}",
        "efs": f"EFS uploads {megabytes(total)} and copies them to the file system, where the old ones stay and cost "
        f"{usd(total / 2**30 * evidence.prices.efs_storage_gb_month)} a month",
    }
    moved = listed(text for name, text in parts.items() if name in evidence.measured)
    return Finding(
        "Updates",
        f"For each update {moved}; {_updates_in_words(needs)} a month are expected. All three publish a version of the "
        "function, so the first requests after an update are cold.",
        f"From {OFTEN:.0f} updates a month on, the rule prefers S3 where nothing else decides.",
    )


def _models(evidence: _Evidence) -> Finding:
    models = evidence.results.models
    total = sum(model.size for model in models)
    average = total / len(models)
    left = int((IMAGE_LIMIT - RUNTIME_UNPACKED["onnx"] - total) / average)
    read = (
        f"One model of {megabytes(total)} is served, which S3 fetches with {plural(gets_of([total]), 'request')}."
        if len(models) == 1
        else f"{len(models)} models of {megabytes(average)} on average are served. An environment loads those that it is "
        f"asked for: {megabytes(average)} and {plural(gets_of([int(average)]), 'request')} to S3 for a cold start, not "
        f"{megabytes(total)}."
    )
    return Finding(
        "Number of models",
        read,
        f"After {plural(max(left, 0), 'more model')} of that size the image of OCI would be full. Each model of a function "
        "has cold starts of its own: traffic that is spread over many models has more of them.",
    )


def _vpc(evidence: _Evidence, needs: Needs) -> Finding | None:
    if "efs" not in evidence.measured and not needs.vpc:
        return None
    if needs.vpc:
        return Finding(
            "VPC",
            "The functions have to be in a VPC. That of EFS is in one, with 2 subnets in 2 zones and no other way out than "
            "to the file system; the others are in none.",
            "S3 or OCI would have to be given a VPC first; S3 needs a gateway endpoint in it, which costs $0.",
        )
    return Finding(
        "VPC",
        "EFS needs a VPC, with 2 subnets in 2 zones; its function reaches the file system and nothing else, so 0 NAT gateways "
        "are paid for. S3 and OCI need none.",
        "A function that calls other services cannot be on EFS without a NAT gateway or endpoints, which are billed by "
        "the hour.",
    )


def _memory(evidence: _Evidence) -> Finding | None:
    used = {name: one.memory for name, one in evidence.measured.items() if one.memory is not None}
    if not used:
        return None
    configured, most = evidence.results.memory_mb, max(used.values())
    resident = listed(f"{memory:,.0f} MB on {_called(name)}" for name, memory in used.items())
    sentence = f"Of {configured:,} MB configured, {resident} were resident after the first answer."
    if most > 0.9 * configured:
        return Finding(
            "Memory", sentence, f"That is {share(most / configured)}: configure more, or large requests will fail."
        )
    return Finding(
        "Memory",
        sentence,
        f"Memory buys CPU, {VCPU_MB} MB for each vCPU: {configured:,} MB are {configured / VCPU_MB:.1f}. Less memory costs "
        "less for each second and takes more seconds; measure both.",
    )


def _ready(evidence: _Evidence, needs: Needs) -> Finding:
    name, one = min(evidence.measured.items(), key=lambda item: item[1].cold.median)
    requests = needs.requests_per_month[0]
    traffic = needs.traffic(requests)
    plain = bill(one.deployment, one.durations, traffic, evidence.prices)
    ready = bill(replace(one.deployment, provisioned=1), one.durations, traffic, evidence.prices)
    snapshot = evidence.prices.snap_start_cache_gb_second * one.deployment.memory_gb * SECONDS_PER_MONTH
    return Finding(
        "No cold starts at all",
        f"One provisioned environment of {_called(name)} costs {usd(ready.usd - plain.usd)} a month more at "
        f"{requests:,.0f} requests and takes the cold starts from {share(plain.cold_share)} of the requests to "
        f"{share(ready.cold_share)}. SnapStart costs {usd(snapshot)} a month for each version, and EFS cannot have it.",
        "It pays when waiting costs more than that. Either helps as far as a model is loaded before the first request: one "
        "that is loaded by the request that asks for it is still waited for.",
    )


def _caveats(evidence: _Evidence) -> list[str]:
    results = evidence.results
    found = []
    if not evidence.tells_networks_apart:
        found.append("The weights were on local disk: EFS and S3 were measured without their networks.")
    if not any(record.billed_ms for record in results.cold):
        found.append(
            f"Times are those of {results.machine.name}, not of Lambda, where {results.memory_mb:,} MB are "
            f"{results.memory_mb / VCPU_MB:.1f} vCPUs. Costs take them as they are; on AWS, starting an environment and "
            "fetching an image come on top for the one who waits, and are not billed."
        )
    few = min((len(record.samples_ms) for record in results.cold if record.variant == "served"), default=0)
    if few < 10:
        found.append(f"There are only {plural(few, 'cold start')} of some model: medians may move by a lot.")
    if evidence.prices.unverified:
        found.append(f"Prices that are not verified: {', '.join(evidence.prices.unverified)}.")
    return found


def _called(architecture: str) -> str:
    return architecture.upper()


def _updates_in_words(needs: Needs) -> str:
    return plural(needs.updates_per_month, "update") if needs.updates_per_month else "no updates"


def _round(requests: float) -> float:
    """To two digits: more would be false precision."""
    return float(f"{requests:.2g}")
