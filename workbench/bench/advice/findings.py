"""What the results show, a sentence for each topic, and what they cannot tell. What follows from it is in `choice`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from infra.sizes import largest_model
from workbench.bench.advice.choice import OFTEN, rounded
from workbench.bench.advice.evidence import (
    IMAGE_LIMIT,
    MB,
    MEMORY_LIMIT_MB,
    RUNTIME_UNPACKED,
    TMP_LIMIT_MB,
    VCPU_MB,
    Evidence,
    Needs,
    called,
    updates_in_words,
)
from workbench.bench.wording import duration, listed, megabytes, plural, share, usd
from workbench.cost.bill import Comparison, bill, compare, cost_curves, gets_of
from workbench.cost.traffic import SECONDS_PER_MONTH, shares

# Of a fetch of fewer bytes, most of the time is latency, so that it gives no speed.
SPEED_FROM = 20 * MB


@dataclass(frozen=True)
class Finding:
    """A sentence about `topic` with the figures it stands on, and what would change it."""

    topic: str
    sentence: str
    change: str


def findings(evidence: Evidence, needs: Needs) -> list[Finding]:
    """All that the results show of what is expected, by topic."""
    found = [
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
    return [finding for finding in found if finding]


def _size(evidence: Evidence) -> Finding:
    models = evidence.results.models
    total, largest = sum(model.size for model in models), max(models, key=lambda model: model.size)
    engine = "torch" if any(model.engine == "torch" for model in models) else "onnx"
    runtime = RUNTIME_UNPACKED[engine]
    from_memory, from_file = (largest_model(engine, MEMORY_LIMIT_MB, in_memory=one) for one in (True, False))
    room = IMAGE_LIMIT - runtime
    misfits = [f"{called(name)} is out: {one.misfit}" for name, one in evidence.measured.items() if one.misfit]
    subject = (
        f"{plural(len(models), 'model')} of {megabytes(total)} together, the largest {megabytes(largest.size)} "
        f"({largest.name}),"
        if len(models) > 1
        else f"The model has {megabytes(total)}, which"
    )
    sentence = (
        f"{subject} {'fit' if len(models) > 1 else 'fits'} everywhere: that is {share(total / room)} of the "
        f"{megabytes(room)} that an image has left beside the runtime. /tmp, at most {TMP_LIMIT_MB:,} MB, is no limit: "
        "nothing is copied there unless ephemeralStorage asks S3 to."
        if not misfits
        else f"{subject} do{'' if len(models) > 1 else 'es'} not fit everywhere. {'; '.join(misfits)}."
    )
    change = (
        f"Beyond {megabytes(room)} of weights OCI is out; beyond {megabytes(from_memory)} in one model S3 is, unless "
        f"ephemeralStorage lets it load by way of /tmp, and beyond {megabytes(from_file)} in one model all three are."
    )
    return Finding("Model size", sentence, change)


def _cold_start(evidence: Evidence) -> Finding:
    measured = sorted(evidence.measured.values(), key=lambda one: one.cold.median)
    medians = listed(
        f"{duration(one.cold.median)} on {called(one.name)} ({duration(one.cold.lowest)} to {duration(one.cold.highest)}, "
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


def _cold_share(evidence: Evidence, needs: Needs, requests: float) -> Finding:
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


def _cost(evidence: Evidence, needs: Needs) -> Finding | None:
    if len(evidence.measured) < 2:
        return None
    requests = needs.requests_per_month[-1]
    bills = sorted(evidence.bills(needs, requests).values(), key=lambda month: month.usd)
    total = listed(f"{usd(month.usd)} on {called(month.architecture)}" for month in bills)
    largest = max(bills[0].items, key=lambda item: item.usd)
    evens = [even for pair in _comparisons(evidence, needs) for even in pair.break_evens]
    crossing = (
        listed(
            f"{called(even.below)} and {called(even.above)} cost the same at {rounded(even.requests):,.0f} requests a month"
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


def _comparisons(evidence: Evidence, needs: Needs) -> list[Comparison]:
    """How the costs of the architectures compare over the range of traffic."""
    return compare(_curves(evidence, needs))


def _curves(evidence: Evidence, needs: Needs) -> dict[str, Callable[[float], float]]:
    """What a month costs on each architecture, as a function of its requests."""
    planned = [replace(one.deployment, updates_per_month=needs.updates_per_month) for one in evidence.measured.values()]
    took = {name: one.durations for name, one in evidence.measured.items()}
    return cost_curves(planned, took, needs.traffic(1), evidence.prices)


def _updates(evidence: Evidence, needs: Needs) -> Finding:
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
        f"For each update {moved}; {updates_in_words(needs)} a month are expected. All three publish a version of the "
        "function, so the first requests after an update are cold.",
        f"From {OFTEN:.0f} updates a month on, the rule prefers S3 where nothing else decides.",
    )


def _models(evidence: Evidence) -> Finding:
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


def _vpc(evidence: Evidence, needs: Needs) -> Finding | None:
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


def _memory(evidence: Evidence) -> Finding | None:
    used = {name: one.memory for name, one in evidence.measured.items() if one.memory is not None}
    if not used:
        return None
    configured, most = evidence.results.memory_mb, max(used.values())
    resident = listed(f"{memory:,.0f} MB on {called(name)}" for name, memory in used.items())
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


def _ready(evidence: Evidence, needs: Needs) -> Finding:
    name, one = min(evidence.measured.items(), key=lambda item: item[1].cold.median)
    requests = needs.requests_per_month[0]
    traffic = needs.traffic(requests)
    plain = bill(one.deployment, one.durations, traffic, evidence.prices)
    ready = bill(replace(one.deployment, provisioned=1), one.durations, traffic, evidence.prices)
    snapshot = evidence.prices.snap_start_cache_gb_second * one.deployment.memory_gb * SECONDS_PER_MONTH
    return Finding(
        "No cold starts at all",
        f"One provisioned environment of {called(name)} costs {usd(ready.usd - plain.usd)} a month more at "
        f"{requests:,.0f} requests and takes the cold starts from {share(plain.cold_share)} of the requests to "
        f"{share(ready.cold_share)}. SnapStart costs {usd(snapshot)} a month for each version, and EFS cannot have it.",
        "It pays when waiting costs more than that. Either helps as far as a model is loaded before the first request: one "
        "that is loaded by the request that asks for it is still waited for.",
    )


def caveats(evidence: Evidence) -> list[str]:
    """What has to be kept in mind when the advice is read."""
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
