"""`python -m workbench bench`: options, progress and tables. What is measured, and how, lives in the modules beside."""

from __future__ import annotations

import json
import shlex
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from workbench.bench.measuring.errors import MeasuringError
from workbench.program.config import StackConfig, load

if TYPE_CHECKING:
    # What measures takes its time to import, and no other command needs it.
    from workbench.bench.measuring.measured import Measured
    from workbench.bench.measuring.networks import Profile
    from workbench.bench.measuring.run import Plan, Question
    from workbench.bench.measuring.subjects import Subject
    from workbench.bench.measuring.targets import Outcome
    from workbench.bench.results import Results, Throughput

console = Console()

HERE = "local"


def bench_command(
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack, that is Pulumi.<stack>.yaml.")] = HERE,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", metavar="KEY=VALUE", help="A value of the stack's configuration, for this run."),
    ] = None,
    architectures: Annotated[
        str | None, typer.Option(help="Those to measure, such as efs,s3; all of the stack's without it.")
    ] = None,
    models: Annotated[str | None, typer.Option(help="Names of models, such as nlp1,nlp2; all without it.")] = None,
    cold: Annotated[int, typer.Option(min=0, max=100, help="Cold starts of each model on each architecture.")] = 5,
    warm: Annotated[int, typer.Option(min=0, max=1000, help="Warm requests, one at a time, to each of them.")] = 30,
    tokens: Annotated[str, typer.Option(help="How long requests are, in tokens; the first is that of cold starts.")] = (
        "175,300"
    ),
    concurrency: Annotated[str, typer.Option(help="Numbers of clients at once; empty to leave it out.")] = "1,2,4",
    duration: Annotated[float, typer.Option(min=1, max=300, help="Seconds for each number of clients.")] = 5.0,
    here: Annotated[
        bool, typer.Option("--here", help="Bring the stack up on this machine, although it is not the stack local.")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARCHITECTURE=URL",
            help="Measure this endpoint, which serves the stack's models; may be given more than once. No cold starts.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before a run on AWS, which costs money.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Measure a plain handler (transformers and PyTorch) and a floor, too.")
    ] = False,
    network: Annotated[
        str | None,
        typer.Option(
            help="Reach S3 and EFS as through this network of workbench/bench/networks.json; without, local disk."
        ),
    ] = None,
    full_size: Annotated[
        bool,
        typer.Option(
            "--full-size",
            help="Measure a full-size DistilBERT of random weights in fp32 and int8, made on this machine.",
        ),
    ] = False,
    targets: Annotated[
        Path | None, typer.Option(help="A file with targets; says which of them hold. workbench/bench/targets.json.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the samples to this file.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a report to this file.")] = None,
) -> None:
    """Measure cold starts, warm requests, throughput and memory of a stack: on this machine, or on AWS."""
    from workbench.bench.measuring.networks import profile
    from workbench.bench.measuring.run import Plan
    from workbench.bench.measuring.targets import outcomes, read

    limits = read(targets) if targets else []
    plan = Plan(cold, warm, tuple(_numbers(concurrency, "--concurrency")), duration)
    lengths = _numbers(tokens, "--tokens")
    away = bool(url) or not (here or stack == HERE or full_size)
    if away and (compare or network):
        raise MeasuringError("--compare and --network are for stacks on this machine; leave them out, or add --here.")
    through = profile(network) if network else None
    with ExitStack() as exits:
        chosen = _names(architectures), _names(models)
        if away:
            up = _away(load(stack, config or []), *chosen, url or [], plan, len(lengths), yes)
            progress = exits.enter_context(_progress())
        else:
            progress = exits.enter_context(_progress())
            configs = _configs(stack, config or [], chosen[0], full_size, progress.console.print)
            up = exits.enter_context(_here(configs, chosen[1], plan, compare, through, progress.console.print))
        results = _measure(up, plan, lengths, stack=stack, compare=compare, network=through, progress=progress)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        results.write(json_file)
    if html_file:
        from workbench.bench.report import html

        html_file.write_text(html(results), encoding="utf-8")
    _print(results)
    if limits:
        _print_outcomes(outcomes(results, limits))


def _away(
    config: StackConfig,
    architectures: Sequence[str],
    models: Sequence[str],
    urls: Sequence[str],
    plan: Plan,
    questions: int,
    yes: bool,
) -> Measured:
    """What runs elsewhere, once the user agrees to what measuring a stack on AWS costs."""
    from workbench.bench.measuring.aws import cost
    from workbench.bench.measuring.elsewhere import elsewhere

    up = elsewhere(config, architectures, models, urls)
    if not urls and not yes:
        price = cost(plan, len(up.subjects), questions, up.memory)
        typer.confirm(
            f"This measures stack {config.stack} on AWS and is estimated to cost up to ${price:.2f}. Go on?", abort=True
        )
    return up


def _here(
    configs: Sequence[StackConfig],
    models: Sequence[str],
    plan: Plan,
    compare: bool,
    network: Profile | None,
    say: Callable[[str], None],
) -> AbstractContextManager[Measured]:
    from workbench.bench.measuring.local import stacks_up

    clients = max([1, *plan.concurrency])
    return stacks_up(configs, models=models, compare=compare, concurrency=clients, network=network, say=say)


def _configs(
    stack: str, config: Sequence[str], architectures: Sequence[str], full_size: bool, say: Callable[[str], None]
) -> list[StackConfig]:
    """The stacks to bring up on this machine: the one that is named or, of full size, one for each precision."""
    from workbench.bench.measuring.local import UNTHROTTLED

    overrides = [*UNTHROTTLED, *config]
    if architectures:
        overrides.append(f"architectures={json.dumps(list(architectures))}")
    if not full_size:
        return [load(stack, overrides)]
    from workbench.bench.measuring.full_size import SOURCE, model_name, prepare_full_size

    prepare_full_size(say)
    return [
        load(
            stack,
            [
                *overrides,
                f"models={json.dumps([{'name': model_name(precision), 'source': SOURCE}])}",
                f"precision={precision}",
            ],
        )
        for precision in ("fp32", "int8")
    ]


def _measure(
    up: Measured,
    plan: Plan,
    lengths: Sequence[int],
    *,
    stack: str,
    compare: bool,
    network: Profile | None,
    progress: Progress,
) -> Results:
    from workbench.bench.measuring.overhead import measure
    from workbench.bench.measuring.questions import question
    from workbench.bench.measuring.run import Question, cold_starts, steps, throughputs, warm_requests
    from workbench.bench.results import LOCAL_DISK, Results

    created = datetime.now(UTC).isoformat(timespec="seconds")
    asked = {
        name: [Question(*question(bundle.folder, count)) for count in lengths] for name, bundle in up.bundles.items()
    }

    def questions(subject: Subject) -> list[Question]:
        if subject.variant == "floor":
            return [Question({"tokens": item.tokens}, item.tokens) for item in asked[subject.model]]
        return asked[subject.model]

    parts = {name: progress.add_task(name, total=total) for name, total in steps(up.subjects, questions, plan).items()}

    def step(part: str, _subject: str) -> None:
        progress.advance(parts[part])

    colds = cold_starts(up.subjects, questions, plan, step)
    warms = warm_requests(up.subjects, questions, plan, step)
    through = throughputs(up.subjects, questions, plan, step)
    overhead = []
    if compare and plan.warm:
        around = progress.add_task("Around the engine", total=len(up.bundles) * len(lengths))
        for name, bundle in up.bundles.items():
            for item in asked[name]:
                overhead.append(measure(bundle.folder, item.body, item.tokens, plan.warm, up.memory))
                progress.advance(around)
    return Results(
        created=created,
        command=" ".join(["python -m workbench", *map(shlex.quote, sys.argv[1:])]),
        stack=stack,
        network=up.network or (str(network) if network else LOCAL_DISK),
        memory_mb=up.memory,
        machine=up.machine,
        models=up.models,
        cold=colds,
        warm=warms,
        throughput=through,
        overhead=overhead,
    )


def _print(results: Results) -> None:
    console.print()
    console.print(_table(("model", "architecture", "", "cold ms", "tokens", "warm ms", "memory MB"), 3, _rows(results)))
    console.print(
        "Medians, and from least to most. Warm: the function's own time. Memory: resident after the requests."
    )
    if results.throughput:
        columns = ("model", "architecture", "clients", "requests/s", "p50 ms", "p99 ms", "errors")
        console.print()
        console.print(_table(columns, 2, [_rates(item) for item in results.throughput]))


def _rows(results: Results) -> Iterator[Sequence[str]]:
    """A row for each subject and number of tokens; the cold starts are in the first one of a subject."""
    cold = {(item.model, item.architecture, item.variant): item for item in results.cold}
    for warm in results.warm:
        key = (warm.model, warm.architecture, warm.variant)
        started = cold.pop(key, None)
        figures = (
            _spread(started.samples_ms) if started else "",
            str(warm.tokens),
            _spread(warm.duration_ms or warm.samples_ms),
            f"{warm.memory_mb:.0f}" if warm.memory_mb else "",
        )
        yield (*key[:2], _kind(warm.variant), *figures)
    for key, started in cold.items():
        memory = f"{statistics.median(started.memory_mb):.0f}" if started.memory_mb else ""
        yield (*key[:2], _kind(started.variant), _spread(started.samples_ms), "", "", memory)


def _rates(item: Throughput) -> Sequence[str]:
    quantiles = statistics.quantiles(item.samples_ms, n=100) if len(item.samples_ms) > 1 else [0.0] * 99
    return (
        item.model,
        item.architecture,
        str(item.concurrency),
        f"{len(item.samples_ms) / item.seconds:.1f}",
        f"{quantiles[49]:.0f}",
        f"{quantiles[98]:.0f}",
        ", ".join(f"{count} x {error}" for error, count in item.errors.items()) or "0",
    )


def _kind(variant: str) -> str:
    return "" if variant == "served" else variant


def _spread(samples: Sequence[float]) -> str:
    return f"{statistics.median(samples):.0f} ({min(samples):.0f}-{max(samples):.0f})"


def _print_outcomes(found: Sequence[Outcome]) -> None:
    rows = []
    for outcome in found:
        target = outcome.target
        limit = f"at least {target.at_least:g}" if target.at_least is not None else f"at most {target.at_most:g}"
        measured, where, mark = "not measured", "", ""
        if outcome.values:
            measured = f"{min(outcome.values.values()):.3g} to {max(outcome.values.values()):.3g}"
            where = "" if outcome.holds else f"not on {', '.join(outcome.missed)}"
            mark = "[green]yes[/]" if outcome.holds else "[red]no[/]"
        rows.append((f"{target.measure}, {target.precision}", limit, measured, mark, where))
    console.print()
    console.print(_table(("target", "limit", "measured", "holds", ""), 5, rows))


def _table(columns: Sequence[str], texts: int, rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first columns, `texts` of them, are text; the others are figures."""
    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < texts else "right", no_wrap=index != len(columns) - 1)
    for row in rows:
        table.add_row(*row)
    return table


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _numbers(text: str, option: str) -> list[int]:
    try:
        numbers = [int(number) for number in _names(text)]
    except ValueError:
        numbers = [0]
    if any(number < 1 for number in numbers):
        raise MeasuringError(f"{option} is {text!r}; it must be whole numbers from 1 on, such as 1,2,4.")
    return numbers
