"""`python -m workbench advise` and `report`: options and what is printed. What is concluded lives in the modules beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from workbench.bench.advice import Advice, Needs, advise
from workbench.bench.results import Results
from workbench.cost.commands import Burst, Idle, PricesFile, Requests, Updates, price_sentences
from workbench.cost.prices import TABLE, PriceTable
from workbench.cost.traffic import IDLE_MINUTES

Bench = Annotated[Path, typer.Option("--bench", help="Results, as `bench --json` writes them.")]
Region = Annotated[str, typer.Option("--region", help="The region whose prices apply.")]
Vpc = Annotated[bool, typer.Option("--vpc", help="The functions have to be in a VPC.")]

console = Console()


def advise_command(
    bench: Bench,
    requests_per_month: Requests = None,
    burst: Burst = 1,
    updates_per_month: Updates = 0,
    vpc: Vpc = False,
    region: Region = "us-east-1",
    prices: PricesFile = TABLE,
    idle_minutes: Idle = IDLE_MINUTES,
) -> None:
    """Where the weights should live, from measured results: in sentences, each with its figure and what would change it."""
    table = PriceTable.read(prices)
    needs = _needs(requests_per_month, burst, updates_per_month, vpc, idle_minutes)
    _print(advise(Results.read(bench), needs, table.of(region)))
    for line in price_sentences(table, region):
        console.print(line, highlight=False, soft_wrap=True)


def report_command(
    bench: Bench,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML file.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write the report as Markdown.")] = None,
    requests_per_month: Requests = None,
    burst: Burst = 1,
    updates_per_month: Updates = 0,
    vpc: Vpc = False,
    region: Region = "us-east-1",
    prices: PricesFile = TABLE,
    idle_minutes: Idle = IDLE_MINUTES,
) -> None:
    """A report of measured results with charts, cost and advice: an HTML file that needs nothing else, and Markdown."""
    # The charts take a second to import, and no other command draws any.
    from workbench.bench import report

    if html is None and markdown is None:
        raise typer.BadParameter("there is nothing to write; give --html FILE, --markdown FILE or both.")
    results, table = Results.read(bench), PriceTable.read(prices)
    needs = _needs(requests_per_month, burst, updates_per_month, vpc, idle_minutes)
    for file, render in ((html, report.html), (markdown, report.markdown)):
        if file is not None:
            file.write_text(render(results, needs, table, region), encoding="utf-8")
            console.print(f"Wrote {file}.", highlight=False)


def _needs(requests: list[float] | None, burst: int, updates: float, vpc: bool, idle_minutes: float) -> Needs:
    needs = Needs(burst=burst, updates_per_month=updates, vpc=vpc, idle_minutes=idle_minutes)
    return replace(needs, requests_per_month=tuple(sorted(requests))) if requests else needs


def _print(advice: Advice) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    for choice in advice.choices:
        line(f"{choice.requests:,.0f} requests a month: {choice.architecture.upper()}", "bold")
        for reason in choice.reasons:
            line(f"  {reason}")
        line("  What would change it:", "dim")
        for change in choice.changes:
            line(f"  - {change}", "dim")
        line("")
    for finding in advice.findings:
        line(finding.topic, "bold")
        line(f"  {finding.sentence}")
        line(f"  {finding.change}", "dim")
    line("")
    for caveat in advice.caveats:
        line(f"Note: {caveat}")
