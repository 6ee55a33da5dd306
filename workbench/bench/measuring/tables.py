"""The tables of docs/benchmarks.md, from a run: `python -m workbench.bench.measuring.tables RUN.json docs/benchmarks.md`.

A table takes the place of what lies between `<!-- bench: NAME -->` and `<!-- end of bench: NAME -->`; text around it is
left alone.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.targets import outcomes, read
from workbench.bench.results import PHASES, ColdStarts, Results, ResultsError, WarmRequests


def cold(results: Results) -> str:
    """Cold starts by phase: medians, and of the whole from least to most."""
    columns = ("", "architecture", "cold start, ms", *PHASES, "fetched, MB")
    rows = [
        (
            _name(results, item),
            item.architecture,
            _spread(item.samples_ms),
            *(f"{statistics.median(item.phases[phase]):.0f}" if phase in item.phases else "" for phase in PHASES),
            f"{item.fetched / 1e6:.0f}" if item.fetched else "",
        )
        for item in results.cold
    ]
    return _table(columns, rows)


def warm(results: Results) -> str:
    """Warm requests: the functions' time, what of it is the model's, and the memory afterwards."""
    columns = (
        "",
        "architecture",
        "tokens",
        "warm, ms",
        "of it the model",
        "end to end",
        "resident, MB",
        "proportional",
    )
    rows = [
        (
            _name(results, item),
            item.architecture,
            str(item.tokens),
            _spread(item.duration_ms),
            f"{statistics.median(item.infer_ms):.0f}" if item.infer_ms else "",
            f"{statistics.median(item.samples_ms):.0f}",
            f"{item.memory_mb:.0f}" if item.memory_mb else "",
            f"{item.pss_mb:.0f}" if item.pss_mb else "",
        )
        for item in results.warm
    ]
    return _table(columns, rows)


def overhead(results: Results) -> str:
    """The handler without a runtime around it, and its engine alone."""
    columns = ("model", "tokens", "handler, ms", "engine in it", "raw runs", "own code", "own share")
    rows = []
    for item in results.overhead:
        own = statistics.median(a - b for a, b in zip(item.handler_ms, item.engine_ms, strict=True))
        handler = statistics.median(item.handler_ms)
        figures = (_spread(item.handler_ms), _spread(item.engine_ms), _spread(item.raw_ms))
        rows.append((item.model, str(item.tokens), *figures, f"{own:.1f}", f"{own / handler:.1%}"))
    return _table(columns, rows)


def throughput(results: Results) -> str:
    """Requests a second by the number of clients."""
    columns = ("model", "architecture", "clients", "requests a second", "p50, ms", "p99, ms", "errors")
    rows = []
    for item in results.throughput:
        quantiles = statistics.quantiles(item.samples_ms, n=100) if len(item.samples_ms) > 1 else [0.0] * 99
        rate = f"{len(item.samples_ms) / item.seconds:.1f}"
        figures = (rate, f"{quantiles[49]:.0f}", f"{quantiles[98]:.0f}", str(sum(item.errors.values())))
        rows.append((item.model, item.architecture, str(item.concurrency), *figures))
    return _table(columns, rows)


def targets(results: Results) -> str:
    """The targets, and which hold."""
    rows = []
    for outcome in outcomes(results, read()):
        target = outcome.target
        limit = f"at least {target.at_least:g}" if target.at_least is not None else f"at most {target.at_most:g}"
        found = (f"{min(outcome.values.values()):.3g} to {max(outcome.values.values()):.3g}") if outcome.values else ""
        holds = "yes" if outcome.holds else f"not on {', '.join(outcome.missed)}" if outcome.values else "not measured"
        rows.append((target.measure, target.precision, limit, found, holds))
    return _table(("target", "precision", "limit", "measured", "holds"), rows)


def machine(results: Results) -> str:
    """When and on what it was measured."""
    facts = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return (
        f"`{results.command}`, {results.created[:10]}; {facts.cpu}, {facts.cores} cores, {facts.memory_gb:.0f} GB, "
        f"{facts.system}; functions of {results.memory_mb} MB; network: {results.network}. {versions}.\n"
    )


TABLES: Mapping[str, Callable[[Results], str]] = {
    "machine": machine,
    "targets": targets,
    "cold": cold,
    "warm": warm,
    "overhead": overhead,
    "throughput": throughput,
}


def fill(text: str, results: Results, run: str) -> str:
    """`text` with the tables of `results` in the places that are marked `bench: RUN/TABLE`.

    Raises:
        MeasuringError: a mark names a table that there is not, or is not closed.
    """

    def replace(found: re.Match[str]) -> str:
        if found["table"] not in TABLES:
            raise MeasuringError(f"There is no table {found['table']!r}; there are {', '.join(TABLES)}.")
        return f"{found['begin']}\n{TABLES[found['table']](results)}{found['end']}"

    mark = re.compile(
        rf"(?P<begin><!-- bench: {re.escape(run)}/(?P<table>[\w-]+) -->\n).*?(?P<end>\n<!-- end of bench -->)",
        re.DOTALL,
    )
    if text.count(f"<!-- bench: {run}/") != len(mark.findall(text)):
        raise MeasuringError("A place for a table is not closed; write `<!-- end of bench -->` on a line after it.")
    return mark.sub(replace, text)


def _name(results: Results, item: ColdStarts | WarmRequests) -> str:
    """What the row is about: a plain handler has no precision, it runs the checkpoint."""
    [model] = [model for model in results.models if model.name == item.model]
    return {"served": model.precision, "plain": "plain handler", "floor": f"floor, {model.precision}"}[item.variant]


def _spread(samples: Sequence[float]) -> str:
    digits = 0 if statistics.median(samples) >= 100 else 1
    low, middle, high = (f"{value:.{digits}f}" for value in (min(samples), statistics.median(samples), max(samples)))
    return f"{middle} ({low} to {high})"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def main() -> None:
    run, document = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        text = fill(document.read_text(encoding="utf-8"), Results.read(run), run.stem)
    except (MeasuringError, ResultsError) as error:
        sys.exit(str(error))
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
