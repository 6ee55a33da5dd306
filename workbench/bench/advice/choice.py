"""The rule that chooses an architecture, with its reasons and what would change its outcome; docs/choosing.md states it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workbench.bench.advice.evidence import Evidence, Measured, Needs, called, updates_in_words
from workbench.bench.wording import duration, listed, share, usd
from workbench.cost.bill import HIGHEST, LOWEST, Bill

# What is chosen where nothing fits.
NONE = "none"

# The rule's thresholds. Cold starts below this share of the requests are seen by nobody who looks at a p99.9.
FELT = 0.001
# Medians that are closer than this, or whose middle halves overlap, are the same on a machine that does other things too.
SAME = 0.10
# Nobody builds another architecture for less a month.
WORTH_USD, WORTH = 1.0, 0.05
# From one a week on, building and pushing an image for each new model is work.
OFTEN = 4.0


@dataclass(frozen=True)
class Choice:
    """The architecture to take at one traffic, why, and what would change that; costs and shares by architecture."""

    requests: float
    architecture: str
    reasons: tuple[str, ...]
    changes: tuple[str, ...]
    usd: Mapping[str, float]
    cold_share: Mapping[str, float]


def explained(evidence: Evidence, needs: Needs, requests: float) -> Choice:
    """The choice at so many requests a month."""
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


def _choose(evidence: Evidence, needs: Needs, requests: float) -> tuple[str, list[str]]:
    """The architecture that the rule comes to, `NONE` if none fits, and the reasons, one for each step that was taken."""
    measured, bills = evidence.measured, evidence.bills(needs, requests)
    left = [name for name, one in measured.items() if not one.misfit]
    reasons = [f"{called(name)} is out: {one.misfit}." for name, one in measured.items() if one.misfit]
    if not left:
        return NONE, [*reasons, "Take a smaller model, int8 weights, or something else than Lambda."]
    if len(measured) == 1:
        return left[0], [f"{called(left[0])} is all that was measured, so there is nothing to choose from."]
    if needs.vpc and "efs" not in left:
        reasons.append("The functions have to be in a VPC, and 0 of those that were measured and fit are in one.")
    elif needs.vpc:
        return "efs", [*reasons, _in_a_vpc(measured, bills)]

    for step in (_by_cold_start, _by_cost):
        if len(left) > 1:
            left, reason = step(left, evidence, bills)
            reasons.append(reason)
    if len(left) > 1:
        chosen, reason = _by_upkeep(left, needs)
        return chosen, [*reasons, reason]
    return left[0], reasons


def _in_a_vpc(measured: Mapping[str, Measured], bills: Mapping[str, Bill]) -> str:
    others = listed(
        f"{duration(one.cold.median)} and {usd(bills[name].usd)} on {called(name)}"
        for name, one in measured.items()
        if name != "efs"
    )
    return (
        "The functions have to be in a VPC, and that of EFS is the only one that is. Its cold start takes "
        f"{duration(measured['efs'].cold.median)} and a month costs {usd(bills['efs'].usd)}, against {others}."
    )


def _by_cold_start(left: Sequence[str], evidence: Evidence, bills: Mapping[str, Bill]) -> tuple[list[str], str]:
    measured, cold = evidence.measured, max(month.cold_share for month in bills.values())
    compared = [name for name in left if name != "oci"] if evidence.image_was_local else list(left)
    aside = "; OCI is left aside, as its image came from local disk" if len(compared) < len(left) else ""
    fastest = min(compared or left, key=lambda name: measured[name].cold.median)
    slower = [name for name in compared if not _same(measured[fastest], measured[name])]
    if not evidence.tells_networks_apart:
        why = "they were measured on local disk, without the networks of EFS and S3"
    elif not slower:
        why = "their medians cannot be told apart"
    elif cold < FELT:
        why = f"{share(cold)} of the requests meet one, less than the {share(FELT)} that a p99.9 would show"
    else:
        times = listed(f"{duration(measured[name].cold.median)} on {called(name)}" for name in slower)
        return [name for name in left if name not in slower], (
            f"Cold starts decide: {share(cold)} of the requests meet one, and it takes "
            f"{duration(measured[fastest].cold.median)} on {called(fastest)} against {times}{aside}."
        )
    return list(left), f"Cold starts do not decide: {why}{aside}."


def _by_cost(left: Sequence[str], _: Evidence, bills: Mapping[str, Bill]) -> tuple[list[str], str]:
    cheapest = min(bills[name].usd for name in left)
    near = [name for name in left if not _worth_saving(cheapest, bills[name].usd)]
    costs = listed(f"{usd(bills[name].usd)} for {called(name)}" for name in left)
    if len(near) < len(left):
        return near, f"Cost decides: a month is {costs}."
    return near, f"Cost does not decide: a month is {costs}, less than {usd(WORTH_USD)} or {share(WORTH)} apart."


def _by_upkeep(left: Sequence[str], needs: Needs) -> tuple[str, str]:
    if needs.updates_per_month >= OFTEN:
        order, why = (
            ("s3", "efs", "oci"),
            f"has the least to do for an update, and there are {needs.updates_per_month:,.0f} a month: an upload, "
            "without building an image or filling a file system",
        )
    else:
        order, why = (
            ("oci", "s3", "efs"),
            f"has the fewest parts that can fail or be forgotten, and {updates_in_words(needs)} a month do not "
            "outweigh that",
        )
    chosen = min(left, key=lambda name: order.index(name) if name in order else len(order))
    return chosen, f"Upkeep decides: of {listed(map(called, left))}, {called(chosen)} {why}."


def _changes(evidence: Evidence, needs: Needs, requests: float, chosen: str) -> list[str]:
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
                found.append(f"{words} than about {rounded(at):,.0f} requests a month: {called(other)}")
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
            found.append(f"{words}: {called(other)}")
    if not evidence.tells_networks_apart:
        found.append("cold starts measured behind the networks of EFS and S3, which these results leave out")
    return found or [
        f"nothing that was tried: {LOWEST:,.0f} to {HIGHEST:,.0f} requests a month, single or in bursts, many updates or "
        "few, with a VPC or without"
    ]


def _same(fastest: Measured, other: Measured) -> bool:
    apart = other.cold.median / fastest.cold.median - 1
    return apart < SAME or other.quartiles[0] <= fastest.quartiles[1]


def _worth_saving(cheapest: float, other: float) -> bool:
    return other - cheapest >= WORTH_USD and other - cheapest >= WORTH * other


def rounded(requests: float) -> float:
    """To two digits: more would be false precision."""
    return float(f"{requests:.2g}")
