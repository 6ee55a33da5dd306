"""What a report says, as titles, sentences and tables of text; how it looks is up to the templates and the charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workbench.bench import summaries
from workbench.bench.advice import Advice, Choice, Finding, Needs, advise
from workbench.bench.results import PHASES, Machine, Results
from workbench.bench.summaries import ARCHITECTURES, VARIANTS, Summary
from workbench.bench.wording import duration, listed, megabytes, plural, share, usd
from workbench.cost.bill import Bill, Comparison, Deployment, Durations, bill, compare, cost_curves
from workbench.cost.commands import comparison_sentences, price_sentences
from workbench.cost.prices import PriceTable
from workbench.cost.stack import NotMeasuredError, measured_deployments, measured_durations

VARIANT_NAMES = {"served": "this program", "plain": "plain handler", "floor": "floor"}


@dataclass(frozen=True)
class Table:
    """A table of text. The first `words` columns are words, the others figures."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Content:
    """Everything in a report but the charts.

    Without cold starts or warm requests there is neither advice nor cost: `incomplete` says so, and is empty otherwise.
    """

    title: str
    summary: str
    incomplete: str
    choices: tuple[Choice, ...]
    findings: tuple[Finding, ...]
    caveats: tuple[str, ...]
    models: Table
    cold: Table | None
    cold_sentence: str
    warm: Table | None
    throughput: Table | None
    bills: tuple[tuple[str, Table], ...]
    cost_sentences: tuple[str, ...]
    price_sentences: tuple[str, ...]
    sources: tuple[str, ...]
    method: tuple[str, ...]
    machine: Table
    curves: Mapping[str, Callable[[float], float]]
    comparisons: tuple[Comparison, ...]


def content(results: Results, needs: Needs, table: PriceTable, region: str) -> Content:
    """The content of the report; raises `CostError` as `workbench.bench.report.html` says."""
    prices = table.of(region)
    planned = measured_deployments(results, needs.updates_per_month)
    took: dict[str, Durations] = {}
    advice, incomplete = Advice((), (), ()), ""
    try:
        took = measured_durations(results, [deployment.architecture for deployment in planned])
        advice = advise(results, needs, prices)
    except NotMeasuredError as error:
        incomplete = f"There is no advice and no cost, for want of figures. {error}"
    costed = [deployment for deployment in planned if deployment.architecture in took]
    curves = cost_curves(costed, took, needs.traffic(1), prices)
    compared = tuple(compare(curves))
    return Content(
        title="EFS, S3 or the image?",
        summary=_summary(results, planned),
        incomplete=incomplete,
        choices=advice.choices,
        findings=advice.findings,
        caveats=advice.caveats,
        models=_models(results),
        cold=_cold(results) if any(record.samples_ms for record in results.cold) else None,
        cold_sentence=_against_plain(results),
        warm=_warm(results) if any(record.samples_ms for record in results.warm) else None,
        throughput=_throughput(results) if results.throughput else None,
        bills=tuple(
            (
                f"{requests:,.0f} requests a month",
                _bills([bill(one, took[one.architecture], needs.traffic(requests), prices) for one in costed]),
            )
            for requests in needs.requests_per_month
            if costed
        ),
        cost_sentences=tuple(comparison_sentences(compared)),
        price_sentences=tuple(price_sentences(table, region)),
        sources=table.sources,
        method=_method(results, advice, needs),
        machine=_machine(results.machine, results),
        curves=curves,
        comparisons=compared,
    )


def _summary(results: Results, planned: list[Deployment]) -> str:
    names = listed(f"{model.name} ({megabytes(model.size)}, {model.precision})" for model in results.models)
    return (
        f"{names} on {listed(one.architecture.upper() for one in planned)}, {results.memory_mb:,} MB of memory each, "
        f"measured on {results.machine.name}{_kind(results.machine)} on {results.created[:10]}."
    )


def _kind(machine: Machine) -> str:
    known = [machine.cpu, plural(machine.cores, "core") if machine.cores else None]
    return f" ({', '.join(filter(None, known))})" if any(known) else ""


def _models(results: Results) -> Table:
    return Table(
        ("model", "source", "task", "engine", "precision", "digest", "size"),
        tuple(
            (one.name, one.source, one.task, one.engine, one.precision, one.digest[:12], megabytes(one.size))
            for one in results.models
        ),
        words=6,
    )


def _order(record: object) -> tuple[int, int]:
    architecture, variant = getattr(record, "architecture", ""), getattr(record, "variant", "served")
    place = ARCHITECTURES.index(architecture) if architecture in ARCHITECTURES else len(ARCHITECTURES)
    return place, VARIANTS.index(variant)


def _cold(results: Results) -> Table:
    seen = [phase for phase in PHASES if any(record.phases.get(phase) for record in results.cold)]
    rows = []
    for record in sorted((one for one in results.cold if one.samples_ms), key=lambda one: (one.model, *_order(one))):
        total, phases = Summary.of(record.samples_ms), summaries.phase_medians(record)
        memory = Summary.of(record.memory_mb).median if record.memory_mb else None
        rows.append(
            (
                record.model,
                record.architecture.upper(),
                VARIANT_NAMES[record.variant],
                duration(total.median),
                f"{duration(total.lowest)} to {duration(total.highest)}",
                str(total.count),
                *(duration(phases[phase]) if phase in phases else "" for phase in seen),
                f"{memory:,.0f} MB" if memory is not None else "",
                megabytes(record.fetched) if record.fetched else "",
            )
        )
    return Table(
        ("model", "architecture", "handler", "median", "range", "samples", *seen, "resident", "fetched"), tuple(rows), 3
    )


def _against_plain(results: Results) -> str:
    """How much faster than a plain handler, where one was measured in the same run."""
    ratios = []
    for model in results.models:
        for architecture in summaries.architectures(results):
            served = summaries.cold_of(results, architecture, model.name)
            plain = summaries.cold_of(results, architecture, model.name, "plain")
            if served and plain:
                ratios.append(Summary.of(plain.samples_ms).median / Summary.of(served.samples_ms).median)
    if not ratios:
        return ""
    span = f"{min(ratios):.1f}" if max(ratios) / min(ratios) < 1.05 else f"{min(ratios):.1f} to {max(ratios):.1f}"
    return (
        f"A cold start is {span} times faster than that of a handler as one would write it with transformers and torch."
    )


def _warm(results: Results) -> Table:
    rows = []
    records = sorted((one for one in results.warm if one.samples_ms), key=lambda one: (one.model, *_order(one)))
    for record in records:
        total = Summary.of(record.samples_ms)
        rows.append(
            (
                record.model,
                record.architecture.upper(),
                VARIANT_NAMES[record.variant],
                str(record.tokens or ""),
                duration(total.median),
                duration(total.p90),
                duration(total.p99),
                f"{duration(total.lowest)} to {duration(total.highest)}",
                str(total.count),
                duration(Summary.of(record.infer_ms).median) if record.infer_ms else "",
            )
        )
    headers = ("model", "architecture", "handler", "tokens", "p50", "p90", "p99", "range", "samples", "of it, engine")
    return Table(headers, tuple(rows), 3)


def _throughput(results: Results) -> Table:
    rows = []
    for record in sorted(results.throughput, key=lambda one: (one.model, *_order(one), one.concurrency)):
        latency = Summary.of(record.samples_ms) if record.samples_ms else None
        rows.append(
            (
                record.model,
                record.architecture.upper(),
                str(record.concurrency),
                f"{(record.requests - sum(record.errors.values())) / record.seconds:,.1f}",
                ", ".join(f"{count} x {kind}" for kind, count in record.errors.items()) or "none",
                duration(latency.median) if latency else "",
                duration(latency.p99) if latency else "",
            )
        )
    headers = ("model", "architecture", "clients", "answers a second", "errors", "p50", "p99")
    return Table(headers, tuple(rows), 2)


def _bills(bills: list[Bill]) -> Table:
    shown = [item.name for item in bills[0].items if any(month.item(item.name).usd >= 0.005 for month in bills)]
    rows = [(name, *(_amount(month.item(name).usd) for month in bills)) for name in shown]
    rest = [sum(item.usd for item in month.items if item.name not in shown) for month in bills]
    if any(rest):
        rows.append(("everything else", *map(_amount, rest)))
    rows.append(("a month", *(usd(month.usd) for month in bills)))
    rows.append(("a million requests", *(usd(month.usd_per_million) for month in bills)))
    rows.append(("requests that meet a cold start", *(share(month.cold_share) for month in bills)))
    return Table(("US dollars", *(month.architecture.upper() for month in bills)), tuple(rows))


def _amount(dollars: float) -> str:
    return "" if dollars == 0 else f"${dollars:,.2f}" if dollars >= 0.005 else "< $0.01"


def _method(results: Results, advice: Advice, needs: Needs) -> tuple[str, ...]:
    fewest = min((len(record.samples_ms) for record in results.cold), default=0)
    return (
        f"Made with `{results.command}` on stack {results.stack}; network: {results.network}.",
        f"A cold start is the time from the start of a process to its first answer, {plural(fewest, 'sample')} or more "
        "for each row; its phases come from the runtime and from the reply's server-timing header. Medians of phases need "
        "not add up to the median of the whole.",
        "A warm request goes to an environment that has answered before, one at a time, and is timed as the client sees "
        "it. The fewest tokens that were measured are what the bills are computed with.",
        "Costs take what was measured as what Lambda bills, the start of an environment included. Which requests meet a "
        f"cold start follows from a model: requests come at random, {needs.burst} at once, go to the first environment that "
        f"is free, and an environment that is idle for {needs.idle_minutes:g} minutes is gone. docs/choosing.md has the "
        "model, its sources and its limits.",
        *advice.caveats,
    )


def _machine(machine: Machine, results: Results) -> Table:
    rows = [
        ("machine", machine.name),
        ("CPU", machine.cpu or "not known"),
        ("cores", str(machine.cores) if machine.cores else "not known"),
        ("memory", f"{machine.memory_gb:g} GB" if machine.memory_gb else "not known"),
        ("system", machine.system),
        ("memory of a function", f"{results.memory_mb:,} MB"),
        ("network of the stores", results.network),
        *((name, version) for name, version in machine.versions.items()),
    ]
    return Table(("", ""), tuple(rows), 2)
