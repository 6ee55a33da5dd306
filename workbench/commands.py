"""The command line: options, messages and exit codes. What a command does lives in the package it belongs to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.docker_engine import DockerError
from infra.section import ConfigError
from workbench.bench.commands import advise_command, report_command
from workbench.bench.measuring.commands import bench_command
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.results import ResultsError
from workbench.cost.commands import cost_command
from workbench.cost.prices import CostError
from workbench.images.commands import images
from workbench.local.demo import DemoError, demo
from workbench.local.emulator import EmulatorError
from workbench.local.processes import AlreadyRunningError, end
from workbench.local.pulumi_cli import MissingToolError, PulumiError, local_pulumi
from workbench.local.stack import FOLDER
from workbench.local.up import up
from workbench.models.commands import models
from workbench.models.errors import ModelError
from workbench.program.config import StackError, load
from workbench.program.preview import preview
from workbench.program.runner import ProgramError
from workbench.program.tree import tree
from workbench.security.page import security_page
from workbench.security.placeholders import graph_with_placeholders

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Prepare models, preview the program, run its stack on this machine, and ask it.",
)
local = typer.Typer(no_args_is_help=True, help="The stack on this machine, without AWS, Docker or the Pulumi CLI.")
application.add_typer(local, name="local")
application.add_typer(models, name="models")
application.add_typer(images, name="images")
application.command("bench")(bench_command)
application.command("cost")(cost_command)
application.command("advise")(advise_command)
application.command("report")(report_command)

Stack = Annotated[str, typer.Option("--stack", "-s", help="The stack, that is Pulumi.<stack>.yaml.")]
Config = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="KEY=VALUE",
        help="A value of the stack's configuration, JSON where it parses as JSON; may be given more than once.",
    ),
]
Port = Annotated[
    int, typer.Option("--port", "-p", min=0, max=65535, help="The port of the AWS emulator; 0 for a free one.")
]

SECURITY_PAGE = Path("docs/security.md")

console = Console()


def main() -> None:
    """Runs the command that was typed; what went wrong is one sentence on standard error and exit code 1.

    The exit code is 3 where nothing went wrong, but what the command needs is not on this machine.
    """
    if not Path("Pulumi.yaml").is_file():
        sys.exit("There is no Pulumi.yaml in this folder; run this command in the folder that holds it.")
    try:
        application()
    except MissingToolError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    except (
        AlreadyRunningError,
        ConfigError,
        CostError,
        DemoError,
        DockerError,
        EmulatorError,
        MeasuringError,
        ModelError,
        ProgramError,
        PulumiError,
        ResultsError,
        StackError,
    ) as error:
        sys.exit(str(error))


@application.command("preview")
def preview_command(
    stack: Stack = "dev",
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the graph as JSON.")] = False,
) -> None:
    """Run the program with made-up values, without AWS and without credentials, and print what it would register."""
    graph = preview(load(stack, config or []))
    for warning in graph.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(graph.to_json(), indent=2, sort_keys=True))
    else:
        console.print(tree(graph), soft_wrap=True)


@application.command("security")
def security_command(
    stack: Stack = "local",
    config: Config = None,
    write: Annotated[bool, typer.Option("--write", help=f"Write the page to {SECURITY_PAGE} instead.")] = False,
) -> None:
    """Print what each role of a stack may do, and everything else that lets somebody in, as a page in Markdown."""
    page = security_page(graph_with_placeholders(load(stack, config or [])))
    if write:
        SECURITY_PAGE.write_text(page, encoding="utf-8")
    else:
        print(page, end="")


@application.command("demo")
def demo_command() -> None:
    """Deploy the local stack, ask every endpoint and every model the sample questions, and take everything down."""
    demo(console)


@local.command("up")
def up_command(
    stack: Stack = "local",
    config: Config = None,
    port: Port = 4566,
    containers: Annotated[
        bool,
        typer.Option("--containers", help="Build the images and run the functions from them; needs Docker Engine."),
    ] = False,
) -> None:
    """Keep the stack running until Ctrl-C, and print its outputs and the three ways to test it."""
    up(load(stack, config or []), port, console, containers)


@local.command("down")
def down_command() -> None:
    """End the stack that is up in this folder, or what one that was killed has left behind."""
    owner = end(FOLDER)
    console.print(
        f"Stack {owner.stack} (process {owner.pid}) is down." if owner else "No stack was up; nothing is left."
    )


@local.command("pulumi")
def pulumi_command() -> None:
    """Deploy the stack into the emulator with the real Pulumi CLI and Docker, ask it, deploy again, destroy it."""
    local_pulumi(console)
