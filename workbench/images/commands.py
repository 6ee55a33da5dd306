"""The commands `python -m workbench images ...`: options and output. What they do lives in the modules beside."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from infra.settings import Settings
from workbench.program.config import load

from .sizes import as_json, sizes, table

images = typer.Typer(no_args_is_help=True, help="The container images; needs Docker Engine.")

console = Console()


@images.callback()
def _group() -> None:
    """Makes this a group of commands, though there is but one."""


@images.command("sizes")
def sizes_command(
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack, that is Pulumi.<stack>.yaml.")] = "local",
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", metavar="KEY=VALUE", help="A value of the stack's configuration."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the sizes as JSON, in bytes.")] = False,
) -> None:
    """Build the images for both engines, and what the sample that this project goes beyond builds, and say how large they are."""
    loaded = load(stack, config or [])
    measured = sizes(Settings.from_config(loaded.values, loaded.project))
    print(as_json(measured)) if json_output else console.print(table(measured))
