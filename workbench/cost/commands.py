"""`python -m workbench cost`: options and tables. What is computed lives in the modules beside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from workbench.cost.bill import (
    TOLERANCE,
    TOLERANCE_USD,
    Bill,
    Comparison,
    Deployment,
    Durations,
    bill,
    compare,
    cost_curves,
)
from workbench.cost.prices import TABLE, Cpu, PriceTable
from workbench.cost.traffic import IDLE_MINUTES, Traffic

# Of no particular model: a DistilBERT of 300 tokens on one or two vCPUs lies in this range.
ASSUMED = Durations(warm_ms=100, cold_ms=1000)

Requests = Annotated[
    list[float] | None,
    typer.Option(
        "--requests-per-month", "-n", min=1, metavar="N", help="Expected requests a month; may be given more than once."
    ),
]
PricesFile = Annotated[
    Path, typer.Option("--prices", help="A price table in place of the one in workbench/cost/prices.json.")
]
Region = Annotated[str | None, typer.Option("--region", help="The region whose prices apply; the stack's without it.")]
Burst = Annotated[int, typer.Option("--burst", min=1, help="Requests that come at once.")]
Idle = Annotated[
    float, typer.Option("--idle-minutes", min=0.1, help="How long Lambda keeps an environment that nobody asks.")
]
Updates = Annotated[float, typer.Option("--updates-per-month", min=0, help="How often the models change in a month.")]

console = Console()


def cost_command(
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack, that is Pulumi.<stack>.yaml.")] = "dev",
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", metavar="KEY=VALUE", help="A value of the stack's configuration."),
    ] = None,
    requests_per_month: Requests = None,
    bench: Annotated[
        Path | None, typer.Option("--bench", help="Results of `bench --json`, for the durations; assumed without.")
    ] = None,
    warm_ms: Annotated[
        float, typer.Option(min=1, help="What a warm request takes, without --bench.")
    ] = ASSUMED.warm_ms,
    cold_ms: Annotated[float, typer.Option(min=1, help="What a cold start takes, without --bench.")] = ASSUMED.cold_ms,
    region: Region = None,
    prices: PricesFile = TABLE,
    burst: Burst = 1,
    idle_minutes: Idle = IDLE_MINUTES,
    updates_per_month: Updates = 0,
    provisioned: Annotated[
        int | None, typer.Option(min=0, help="Environments that are kept ready, of each function.")
    ] = None,
    snap_start: Annotated[
        bool, typer.Option("--snap-start", help="With SnapStart; S3 and OCI alone can have it.")
    ] = False,
    cpu: Annotated[Cpu | None, typer.Option(help="The processors, in place of the stack's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a stack costs a month at an expected traffic, line by line, and where its architectures cost the same."""
    from workbench.bench.results import Results
    from workbench.cost.stack import deployments, measured_durations
    from workbench.program.config import load

    configuration = load(stack, config or [])
    table = PriceTable.read(prices)
    applied = table.of(region or configuration.region)
    planned = [
        _varied(deployment, cpu, updates_per_month, provisioned, snap_start)
        for deployment in deployments(configuration)
    ]
    names = [deployment.architecture for deployment in planned]
    durations = (
        measured_durations(Results.read(bench), names)
        if bench
        else dict.fromkeys(names, Durations(warm_ms=warm_ms, cold_ms=cold_ms))
    )
    traffic = [Traffic(requests, burst, idle_minutes) for requests in requests_per_month or [1e6]]
    months = {
        expected: [bill(deployment, durations[deployment.architecture], expected, applied) for deployment in planned]
        for expected in traffic
    }
    comparisons = compare(cost_curves(planned, durations, traffic[0], applied))
    if as_json:
        print(json.dumps(_as_json(months, comparisons, table, region or configuration.region), indent=2))
        return
    for expected, bills in months.items():
        console.print(_bill_table(expected, bills))
        console.print()
    for line in [
        *comparison_sentences(comparisons),
        _durations_sentence(durations, bench),
        *price_sentences(table, region or configuration.region),
    ]:
        console.print(line, highlight=False, soft_wrap=True)


def comparison_sentences(comparisons: Sequence[Comparison]) -> list[str]:
    """Where the architectures cost the same, in words: a sentence for each break-even and each pair without one."""
    lines = []
    for comparison in comparisons:
        one, other = (architecture.upper() for architecture in comparison.architectures)
        for even in comparison.break_evens:
            lines.append(
                f"{one} and {other} cost the same at {even.requests:,.0f} requests a month (${even.usd:,.2f}): "
                f"below that {even.below.upper()} costs less, above it {even.above.upper()}."
            )
        if comparison.break_evens:
            continue
        if comparison.cheaper is None:
            lines.append(
                f"{one} and {other} cost the same at any traffic, within {TOLERANCE * 100:.0f} % or ${TOLERANCE_USD:.2f}; no break-even."
            )
        else:
            cheaper = comparison.cheaper.upper()
            dearer = other if cheaper == one else one
            lines.append(
                f"{cheaper} nowhere costs more than {dearer}, and up to {comparison.most * 100:.0f} % less; "
                "no break-even."
            )
    return lines


def price_sentences(table: PriceTable, region: str) -> list[str]:
    """Which prices were applied, of which day, and which of them are not verified."""
    unverified = table.of(region).unverified
    lines = [f"{table.name}; region {region}, as of {table.date}."]
    if unverified:
        lines.append(f"Not verified for {region}: {', '.join(unverified)}.")
    return lines


def _varied(
    deployment: Deployment, cpu: Cpu | None, updates_per_month: float, provisioned: int | None, snap_start: bool
) -> Deployment:
    """The deployment with what was asked for in place of what the stack says; SnapStart where it can be had."""
    if provisioned is not None:
        deployment = replace(deployment, provisioned=provisioned)
    if snap_start and deployment.architecture != "efs":
        deployment = replace(deployment, snap_start=True)
    return replace(deployment, cpu=cpu or deployment.cpu, updates_per_month=updates_per_month)


def _bill_table(traffic: Traffic, bills: Sequence[Bill]) -> Table:
    bursts = f", {traffic.burst} at once" if traffic.burst > 1 else ""
    title = f"{traffic.requests_per_month:,.0f} requests a month{bursts}, in US dollars"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_footer=False)
    table.add_column("")
    for month in bills:
        table.add_column(month.architecture, justify="right")
    for name in [item.name for item in bills[0].items if any(month.item(item.name).usd for month in bills)]:
        table.add_row(name, *(_usd(month.item(name).usd) for month in bills))
    table.add_section()
    table.add_row("[bold]a month[/]", *(f"[bold]{_usd(month.usd)}[/]" for month in bills))
    table.add_row("a million requests", *(_usd(month.usd_per_million) for month in bills))
    table.add_row("cold starts", *(f"{month.cold_share * 100:.2f} %" for month in bills))
    return table


def _usd(amount: float) -> str:
    """Dollars and cents; where a cent would hide the figure, its first digits."""
    if amount == 0:
        return "-"
    return f"{amount:,.2f}" if amount >= 0.1 else f"{amount:.2g}" if amount >= 1e-4 else "<0.0001"


def _durations_sentence(durations: Mapping[str, Durations], bench: Path | None) -> str:
    source = (
        f"measured, from {bench}"
        if bench
        else "assumed: measure your model with `python -m workbench bench --json FILE` and give --bench FILE"
    )
    took = ", ".join(
        f"{architecture} {duration.warm_ms:,.0f} ms warm and {duration.cold_ms:,.0f} ms cold"
        for architecture, duration in durations.items()
    )
    return f"Durations ({source}): {took}."


def _as_json(
    months: Mapping[Traffic, Sequence[Bill]], comparisons: Sequence[Comparison], table: PriceTable, region: str
) -> dict[str, Any]:
    return {
        "region": region,
        "prices": table.date,
        "unverified": list(table.of(region).unverified),
        "months": [
            {
                "requests": traffic.requests_per_month,
                "bills": [
                    asdict(month) | {"usd": month.usd, "usdPerMillion": month.usd_per_million} for month in bills
                ],
            }
            for traffic, bills in months.items()
        ],
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }
