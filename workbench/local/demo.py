"""`make demo`: deploys the local stack, asks every endpoint and model the sample questions, and takes everything down."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

import urllib3
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.sample import PASSAGE, QUESTIONS
from workbench.program.config import load
from workbench.program.graph import Graph

from .asking import Asker
from .processes import claim
from .stack import FOLDER, LocalStack

STACK = "local"
ANSWERS = ("1886", "Karl Benz")
WARM_REQUESTS = 20

# Resources that the program registers for the demo, for the progress bar only.
_EXPECTED_RESOURCES = 100


class DemoError(Exception):
    """The demo did not show what it is there to show; the message is a sentence for whoever ran it."""


@dataclass(frozen=True)
class Row:
    """What one question to one model of one architecture gave; times in ms, as the client saw them."""

    architecture: str
    model: str
    question: str
    answer: str
    score: float
    cold: float
    warm: tuple[float, ...]


def demo(console: Console) -> None:
    """Runs the demo and prints a table of questions, answers and times.

    Raises:
        DemoError: an endpoint did not answer, or not what the passage says.
        EmulatorError, ProgramError, AlreadyRunningError: the stack could not be brought up.
    """
    config = load(STACK)
    folder = FOLDER / "demo"
    with claim(folder, STACK) as claimed, _progress(console) as progress:
        starting = progress.add_task("Starting the AWS emulator", total=1)
        with LocalStack(config, folder) as stack:
            claimed.record(stack.emulator.endpoint)
            progress.update(starting, completed=1)
            deploying = progress.add_task("Deploying the program", total=_EXPECTED_RESOURCES)
            graph = stack.deploy(lambda _: progress.advance(deploying))
            progress.update(deploying, total=len(graph.resources), completed=len(graph.resources))
            rows = _ask_everything(stack, graph, progress)
            starts = _starts(stack, graph)
    console.print(_table(rows))
    warm = [milliseconds for row in rows for milliseconds in row.warm]
    console.print(
        f"Cold: process start to first answer {statistics.median(starts):.0f} ms (median of {len(starts)}, "
        f"{min(starts):.0f} to {max(starts):.0f}). "
        f"Warm: {statistics.median(warm):.1f} ms end to end through the HTTP API (median of {len(warm)}).",
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"Everything has been taken down again. Logs are in {folder / 'logs'}.", soft_wrap=True)


def _ask_everything(stack: LocalStack, graph: Graph, progress: Progress) -> list[Row]:
    endpoints, functions = graph.outputs["endpoints"], graph.outputs["functions"]
    models = list(stack.models)
    asking = progress.add_task("Asking", total=len(endpoints) * len(models) * len(QUESTIONS))
    rows = []
    with Asker() as asker:
        for architecture, endpoint in sorted(endpoints.items()):
            for model in models:
                for question, expected in zip(QUESTIONS, ANSWERS, strict=True):
                    stack.functions.retire(functions[architecture])
                    rows.append(_ask(asker, architecture, endpoint, model, question, expected))
                    progress.advance(asking)
    return rows


def _ask(asker: Asker, architecture: str, endpoint: str, model: str, question: str, expected: str) -> Row:
    def ask() -> tuple[dict[str, Any], float, bool]:
        try:
            reply = asker.ask(endpoint, model_type=model, question=question, context=PASSAGE)
        except urllib3.exceptions.HTTPError as error:
            raise DemoError(f"The endpoint of {architecture} at {endpoint} does not answer ({error}).") from error
        if reply.status != 200:
            raise DemoError(f"{architecture} answered {question!r} for model {model} with {reply.status}: {reply.body}")
        if reply.body["answer"] != expected:
            raise DemoError(
                f"{architecture} answered {question!r} for model {model} with {reply.body['answer']!r}; "
                f"the passage says {expected!r}."
            )
        return reply.body, reply.milliseconds, reply.cold

    answer, cold_ms, cold = ask()
    if not cold:
        raise DemoError(f"{architecture} answered {question!r} from a warm environment although none was left.")
    warm = tuple(ask()[1] for _ in range(WARM_REQUESTS))
    return Row(architecture, model, question, answer["answer"], answer["score"], cold_ms, warm)


def _starts(stack: LocalStack, graph: Graph) -> list[float]:
    """Milliseconds from the start of a process to its first answer, for each cold start."""
    return [
        report.first_answer_ms
        for function in graph.outputs["functions"].values()
        for report in stack.functions.reports(function)
        if report.first_answer_ms is not None
    ]


def _table(rows: list[Row]) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for column in ("architecture", "model", "question", "answer"):
        table.add_column(column, no_wrap=True)
    for column in ("score", "cold ms", "warm ms"):
        table.add_column(column, justify="right")
    for row in rows:
        warm = statistics.median(row.warm)
        figures = (f"{row.score:.3f}", f"{row.cold:.0f}", f"{warm:.1f}")
        table.add_row(row.architecture, row.model, row.question, row.answer, *figures)
    return table


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
