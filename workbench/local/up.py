"""`python -m workbench local up`: keeps the stack running and says how to test it."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console

from infra.bundles import read_bundles
from infra.sample import QUESTIONS, sample_body
from infra.settings import Settings
from workbench.program.config import StackConfig
from workbench.program.graph import Graph
from workbench.program.tree import compact

from .clients import ACCESS_KEY, SECRET_KEY
from .emulator import Emulator
from .processes import claim
from .stack import FOLDER, LocalStack


def up(config: StackConfig, port: int, console: Console, containers: bool = False) -> None:
    """Brings the stack up, prints its outputs and the three ways to test it, and ends it at Ctrl-C or SIGTERM.

    Raises:
        AlreadyRunningError: a stack is up in this folder.
        DockerError, EmulatorError, ProgramError: the stack could not be brought up.
    """
    with (
        contextlib.suppress(_Ended),
        _signals_raise(),
        claim(FOLDER, config.stack) as claimed,
        console.status("Starting the AWS emulator") as status,
        LocalStack(config, FOLDER, port, containers=containers) as stack,
    ):
        claimed.record(stack.emulator.endpoint)
        graph = stack.deploy(lambda resource: status.update(f"Created {resource.name}"))
        status.stop()
        _print_outputs(graph, console)
        _print_ways_to_test(graph, stack.emulator, config, console)
        console.print(f"The stack runs until you press Ctrl-C. Logs are in {FOLDER / 'logs'}", soft_wrap=True)
        threading.Event().wait()
    console.print("The stack is down.")


class _Ended(Exception):
    """Ctrl-C or SIGTERM has come; whatever is open closes on the way out."""


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    def end(_signum: int, _frame: FrameType | None) -> None:
        # Once: a second Ctrl-C must not interrupt the taking down.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise _Ended

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_outputs(graph: Graph, console: Console) -> None:
    """The outputs in the shape of `pulumi stack output`."""
    width = max(map(len, graph.outputs))
    print(f"Current stack outputs ({len(graph.outputs)}):")
    print(f"    {'OUTPUT':{width}}  VALUE")
    for name, value in sorted(graph.outputs.items()):
        # Not through the console, which would break lines that are meant to be copied.
        print(f"    {name:{width}}  {compact(value)}")
    console.print()


def _print_ways_to_test(graph: Graph, emulator: Emulator, config: StackConfig, console: Console) -> None:
    event = FOLDER / "event.json"
    settings = Settings.from_config(config.values, config.project)
    bundle = read_bundles(settings.for_architecture(settings.architectures[0]), config.stack)[0]
    body = json.dumps(sample_body(bundle, QUESTIONS[1]))
    event.write_text(json.dumps({"body": body}, indent=2) + "\n", encoding="utf-8")
    console.print("[bold]1. Over HTTP[/], with the ready-made request of the stack:\n")
    for request in sorted(graph.outputs["sampleRequests"].values()):
        print(request + "\n")
    console.print("[bold]2. With the AWS CLI[/]; the reply is the function's own:\n")
    for function in sorted(graph.outputs["functions"].values()):
        print(aws_command(emulator.endpoint, config.region, function, event) + "\n")
    console.print(f"[bold]3. With a test event[/], as in the Lambda console; this one is in {event}:\n", soft_wrap=True)
    print(event.read_text(encoding="utf-8"))


def aws_command(endpoint: str, region: str, function: str, event: Path) -> str:
    """The AWS CLI's command, version 1 or 2, that invokes a function of the emulator with the event in a file."""
    credentials = f"AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_DEFAULT_REGION={region}"
    return (
        f"{credentials} aws --endpoint-url {endpoint} lambda invoke --function-name {function} --qualifier live "
        f"--payload {shlex.quote(f'fileb://{event}')} /dev/stdout"
    )
