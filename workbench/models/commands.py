"""`python -m workbench models ...`: options, messages and tables. What a command does lives in the modules beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench.models.errors import ModelError

models = typer.Typer(no_args_is_help=True, help="Prepare the stack's models as bundles; list, verify and clean up.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Names of models; all without one.")]

console = Console()


@models.command("prepare")
def prepare_command(
    names: Names = None,
    stack: Annotated[str, typer.Option("--stack", "-s", help="The stack, that is Pulumi.<stack>.yaml.")] = "dev",
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="KEY=VALUE",
            help="A value of the stack's configuration, JSON where it parses as JSON; may be given more than once.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Move models.lock.json to what the hub has now, and prepare that.")
    ] = False,
    min_agreement: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of a quantized model's answers that have to be the original's; fewer, no bundle."
        ),
    ] = 0.95,
) -> None:
    """Fetch the stack's models at the locked commit, export, quantize and prove them, and put the bundles in place."""
    # Each of these takes its time to import, and no other command needs it.
    from workbench.models.prepare import prepare
    from workbench.models.targets import settings_of, targets
    from workbench.program.config import load

    wanted = targets(settings_of(load(stack, config or [])), names or [])
    if not wanted:
        console.print(f"Nothing to prepare: every model of stack {stack} is a bundle already (none has a source).")
    spinner = console.status("")

    def say(text: str) -> None:
        # The download shows a bar of its own, which a spinner would write over.
        spinner.stop()
        _line(text)

    def progress(done: int, of: int) -> None:
        if console.is_terminal:
            spinner.start()
            spinner.update(f"probe {done + 1} of {of}")

    try:
        for prepared in prepare(wanted, min_agreement=min_agreement, update=update, say=say, progress=progress):
            bundle, target = prepared.bundle, prepared.target
            say(
                f"{target}: {_megabytes(bundle.size)} in {target.folder}, {proof_in_words(bundle.proof)}"
                if prepared.fresh
                else f"{target}: nothing to do, {target.folder} is up to date"
            )
    finally:
        spinner.stop()


@models.command("list")
def list_command(names: Names = None, as_json: Json = False) -> None:
    """Show the bundles on this machine and those that the stacks ask for, with the figures of their proof."""
    from workbench.models.inventory import entries

    found = entries(names or [])
    if as_json:
        print(json.dumps([_entry_json(entry) for entry in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "bundle", "task", "source", "size", "digest", "stacks", "proof"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for entry in found:
        bundle, used = entry.bundle, ", ".join(entry.stacks) or "none"
        if bundle is None:
            table.add_row(entry.name, str(entry.folder), "", "", "", "", used, escape(entry.problem or ""))
            continue
        revision = bundle.source.get("revision", "").removeprefix("sha256:")[:7]
        table.add_row(
            entry.name,
            str(entry.folder),
            bundle.task,
            escape(f"{bundle.source.get('model', '')} {revision}"),
            _megabytes(bundle.size),
            bundle.digest[:12],
            used,
            proof_in_words(bundle.proof),
        )
    console.print(table if found else "There are no bundles, and no stack asks for any.")


@models.command("verify")
def verify_command(names: Names = None, as_json: Json = False) -> None:
    """Read every byte of the bundles, load them and have them answer; the exit code is 1 if one of them fails."""
    from workbench.models.inventory import entries, verify

    results: list[dict[str, Any]] = []
    # One that no run has made yet is not damaged; asked for by name, it is.
    for entry in (entry for entry in entries(names or []) if names or entry.bundle or entry.folder.exists()):
        try:
            right, text = True, verify(entry)
        except ModelError as error:
            right, text = False, str(error)
        results.append({"model": entry.name, "folder": str(entry.folder), "ok": right, "message": text})
        if not as_json:
            mark = "[green]ok[/]" if right else "[red]bad[/]"
            console.print(f"{mark} {entry.folder}: {escape(text)}", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(results, indent=2))
    elif not results:
        console.print("There are no bundles here; `python -m workbench models prepare` makes those of a stack.")
    if not all(result["ok"] for result in results):
        raise typer.Exit(1)


@models.command("gc")
def gc_command(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False, as_json: Json = False
) -> None:
    """Remove downloads, what interrupted runs have left, and bundles that no stack's configuration names."""
    from workbench.models.inventory import garbage, remove
    from workbench.models.workspace import exclusive

    with exclusive():
        found = garbage()
        total = sum(leftover.size for leftover in found)
        if not as_json:
            for leftover in found:
                _line(f"{_megabytes(leftover.size):>10}  {leftover.path}: {leftover.reason}")
            if not found:
                console.print("There is nothing to remove.")
        removed = bool(found) and (yes or (not as_json and typer.confirm(f"Remove these {_megabytes(total)}?")))
        if removed:
            for leftover in found:
                remove(leftover)
            if not as_json:
                console.print(f"Removed {_megabytes(total)}.", highlight=False)
        if as_json:
            listed = [{"path": str(item.path), "reason": item.reason, "size": item.size} for item in found]
            print(json.dumps({"removed": removed, "leftovers": listed}, indent=2))


def proof_in_words(proof: Mapping[str, str | int | float]) -> str:
    """The figures of a proof as people read them."""
    if not proof:
        return "not compared with an original"
    return (
        f"{float(proof['agreement']):.1%} of the answers to {int(proof['probes'])} probes the same, logits within "
        f"{float(proof['largest_logit_difference']):.2g}, scores within {float(proof['largest_score_drift']):.2g}"
    )


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _entry_json(entry: Any) -> dict[str, Any]:
    bundle = entry.bundle
    fields: dict[str, Any] = {
        "model": entry.name,
        "folder": str(entry.folder),
        "stacks": list(entry.stacks),
        "problem": entry.problem,
    }
    if bundle is not None:
        fields |= {
            "task": bundle.task,
            "engine": bundle.engine,
            "precision": bundle.precision,
            "source": dict(bundle.source),
            "max_length": bundle.max_length,
            "size": bundle.size,
            "digest": bundle.digest,
            "proof": dict(bundle.proof),
        }
    return fields


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
