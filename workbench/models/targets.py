"""Which bundles a stack's configuration asks for: one for each distinct model, engine and precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.bundles import PREPARED
from infra.settings import ConfigError, Settings
from workbench.models.errors import ModelError
from workbench.program.config import StackConfig


@dataclass(frozen=True)
class Target:
    """A bundle that is to be prepared: from `source`, for `engine`, in `precision`.

    `revision` and `task` are None where the configuration leaves them open.
    """

    name: str
    source: str
    revision: str | None
    task: str | None
    engine: str
    precision: str

    @property
    def folder(self) -> Path:
        """Where the bundle lies, relative to the project's folder."""
        return PREPARED / self.name / f"{self.engine}-{self.precision}"

    def __str__(self) -> str:
        return f"{self.name} ({self.engine}, {self.precision})"


def settings_of(stack: StackConfig) -> Settings:
    """The stack's settings, checked; raises `ModelError` when they cannot be deployed."""
    try:
        return Settings.from_config(stack.values, stack.project)
    except ConfigError as error:
        raise ModelError(f"The configuration of stack {stack.stack} is not usable: {error}") from error


def targets(settings: Settings, names: Sequence[str] = ()) -> list[Target]:
    """The bundles to prepare, in the stack's order; only those of the models `names` if there are any.

    Raises:
        ModelError: a name is none of the stack's, or two different models have the same name and so the same folder.
    """
    found: dict[Path, Target] = {}
    known: dict[str, bool] = {}
    for architecture in settings.architectures:
        function = settings.for_architecture(architecture)
        for model in function.models:
            fields = model.model_dump()
            source = fields.get("source")
            known[model.name] = known.get(model.name, False) or source is not None
            if source is None:
                continue
            target = Target(
                model.name, source, fields.get("revision"), fields.get("task"), function.engine, function.precision
            )
            if (other := found.setdefault(target.folder, target)) != target:
                raise ModelError(
                    f"Model {model.name} is one thing for one architecture ({_shown(other)}) and another for "
                    f"{architecture} ({_shown(target)}), but both would be prepared in {target.folder}; give them "
                    "different names."
                )
    for name in names:
        if name not in known:
            raise ModelError(f"The stack has no model {name!r}; its models are {', '.join(known)}.")
        if not known[name]:
            raise ModelError(f"Model {name!r} of the stack is a bundle already (it has no source); nothing to prepare.")
    return [target for target in found.values() if not names or target.name in names]


def _shown(target: Target) -> str:
    return " ".join(filter(None, [target.source, target.revision, target.task]))
