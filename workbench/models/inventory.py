"""The bundles on this machine: what they are, whether they are whole and run, and which of them nothing needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from handlers.serving.bundle import Bundle, BundleError
from handlers.serving.errors import RequestError
from handlers.serving.models import TASKS, load_model
from handlers.serving.stores import StoredBundle
from handlers.serving.stores.folder import open_folder
from infra.bundles import PREPARED
from infra.settings import Architecture, Engine, Precision, Settings
from workbench.models.bundles import sha256_of
from workbench.models.errors import ModelError
from workbench.models.proof import mask_token
from workbench.models.targets import settings_of
from workbench.models.workspace import CACHE, leftovers
from workbench.program.config import StackError, load

# Characters of a reply that are shown.
_SHOWN = 80


@dataclass(frozen=True)
class Entry:
    """A bundle that lies on this machine or that a stack asks for: `bundle` is None where it is missing or damaged.

    `stacks` are those that would deploy it, and `problem` is what is wrong with it.
    """

    folder: Path
    name: str
    bundle: Bundle | None
    stacks: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True)
class Leftover:
    """Something below the folder of prepared bundles that nothing needs: why, and how many bytes it takes."""

    path: Path
    reason: str
    size: int


def stacks(folder: Path = Path()) -> list[str]:
    """The stacks of the project in `folder`, by name."""
    return sorted(path.name.split(".")[1] for path in folder.glob("Pulumi.*.yaml"))


def entries(names: Sequence[str] = ()) -> list[Entry]:
    """The bundles on this machine and those that the stacks' configurations ask for, of the models `names` if any.

    Raises:
        ModelError: a stack's configuration is not usable, or a name is none of a model.
    """
    wanted = _wanted()
    folders = {manifest.parent for manifest in PREPARED.glob("*/*/bundle.json")} | set(wanted)
    found = [_entry(folder, wanted.get(folder)) for folder in sorted(folders)]
    known = sorted({entry.name for entry in found})
    if unknown := [name for name in names if name not in known]:
        raise ModelError(f"There is no model {unknown[0]!r} here; there are {', '.join(known) or 'none'}.")
    return [entry for entry in found if not names or entry.name in names]


def verify(entry: Entry) -> str:
    """Reads every byte of a bundle, loads it and has it answer as a function does; says what came of it.

    Raises:
        ModelError: it is missing or damaged, does not load, or gives no usable answer.
    """
    try:
        stored = open_folder(entry.folder)
        for file in stored.manifest.files:
            if (actual := sha256_of(entry.folder / file.path)) != file.sha256:
                raise ModelError(
                    f"{entry.folder / file.path} has SHA-256 {actual[:12]}..., and its manifest says "
                    f"{file.sha256[:12]}...; delete {entry.folder} and prepare the model again."
                )
        model = load_model(stored)
        request = model.parse({"model_type": entry.name, **_example(stored)})
        reply = json.dumps(model.reply(request, model.prepare(request)), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ModelError(f"{entry.folder} gives values that are not numbers; prepare the model again.") from error
    except (BundleError, RequestError) as error:
        raise ModelError(str(error)) from error
    return f"checksums right, loads, answers {reply if len(reply) <= _SHOWN else reply[:_SHOWN] + '...'}"


def _example(stored: StoredBundle) -> Mapping[str, Any]:
    """A right request for the bundle's task, with the mask as its tokenizer spells it."""
    example = TASKS[stored.manifest.task].EXAMPLE if stored.manifest.task in TASKS else {}
    if stored.manifest.task != "fill-mask":
        return example
    return {**example, "inputs": example["inputs"].replace("[MASK]", mask_token(stored))}


def garbage() -> list[Leftover]:
    """What can be removed: downloads, what interrupted runs left, and bundles that no stack's configuration names.

    Raises:
        ModelError: a stack's configuration is not usable, so that nobody knows what it needs.
    """
    wanted = _wanted()
    ours = {f"{engine}-{precision}" for engine in get_args(Engine) for precision in get_args(Precision)}
    found = [Leftover(CACHE, "downloads, which can be fetched again", _size(CACHE))] if CACHE.exists() else []
    found += [Leftover(path, "left by an interrupted run", _size(path)) for path in leftovers()]
    found += [
        Leftover(folder, "a bundle that no stack names", _size(folder))
        for folder in sorted(PREPARED.glob("*/*"))
        # What is not named as prepare names it was put there by somebody else.
        if folder.is_dir() and folder.name in ours and folder not in wanted
    ]
    return found


def remove(leftover: Leftover) -> None:
    """Removes what `garbage` has found, and the folder of its model if that is empty now."""
    shutil.rmtree(leftover.path)
    parent = leftover.path.parent
    if parent != PREPARED and not any(parent.iterdir()):
        parent.rmdir()


def _wanted() -> dict[Path, dict[str, str]]:
    """Folders of bundles that stacks deploy, each with the stacks and what they call the model."""
    wanted: dict[Path, dict[str, str]] = {}
    for stack in stacks():
        try:
            settings = settings_of(load(stack))
        except StackError as error:
            raise ModelError(str(error)) from error
        for folder, name in _folders(settings):
            wanted.setdefault(folder, {})[stack] = name
    return wanted


def _folders(settings: Settings) -> Iterator[tuple[Path, str]]:
    for architecture in get_args(Architecture):
        function = settings.for_architecture(architecture)
        for model in function.models:
            prepared = PREPARED / model.name / f"{function.engine}-{function.precision}"
            yield Path(model.bundle) if model.bundle else prepared, model.name


def _entry(folder: Path, stacks: dict[str, str] | None) -> Entry:
    stacks = stacks or {}
    name = next(iter(stacks.values()), folder.parent.name)
    try:
        bundle = Bundle.read(folder)
    except BundleError as error:
        problem = str(error) if folder.exists() else "not prepared yet"
        return Entry(folder, name, None, tuple(stacks), problem)
    return Entry(folder, bundle.name, bundle, tuple(stacks), None)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
