"""The bundles a stack serves, as they lie on the deployer's machine. Preparing them is the workbench's work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from handlers.serving.bundle import Bundle, BundleError

from .section import ConfigError
from .settings import FunctionSettings, ModelSource

PREPARED = Path("models")
_DEMO = PREPARED / "demo"


@dataclass(frozen=True)
class LocalBundle:
    """A bundle and the folder it lies in, relative to the project's, where Pulumi runs the program."""

    name: str
    folder: Path
    manifest: Bundle = field(hash=False)

    @property
    def digest(self) -> str:
        """What identifies the bundle's bytes."""
        return self.manifest.digest

    @property
    def path(self) -> str:
        """Where the bundle lies below a store's root: `<name>/<digest>`."""
        return f"{self.name}/{self.digest}"


def digests(bundles: Sequence[LocalBundle]) -> dict[str, str]:
    """Model name to bundle digest, in the stack's order: what a function is told to serve."""
    return {bundle.name: bundle.digest for bundle in bundles}


def read_bundles(settings: FunctionSettings, stack: str) -> list[LocalBundle]:
    """The bundles of a function's models, in order.

    Raises:
        ConfigError: a bundle is missing, damaged, or not of the engine and precision that the stack asks for.
    """
    return [_read(model, settings, stack) for model in settings.models]


def _read(model: ModelSource, settings: FunctionSettings, stack: str) -> LocalBundle:
    folder = Path(model.bundle) if model.bundle else PREPARED / model.name / f"{settings.engine}-{settings.precision}"
    remedy = (
        f"{'run `make demo-models`' if folder.parent == _DEMO else 'prepare it again'}, or name another folder as the bundle of {model.name}"
        if model.bundle
        else f"run `python -m workbench models prepare {model.name} --stack {stack}`"
    )
    try:
        manifest = Bundle.read(folder)
    except BundleError as error:
        raise ConfigError(f"The bundle of model {model.name} is not usable: {error} To mend it, {remedy}.") from error
    if (manifest.engine, manifest.precision) != (settings.engine, settings.precision):
        raise ConfigError(
            f"The bundle of model {model.name} in {folder} is for engine {manifest.engine} with precision "
            f"{manifest.precision}, but the stack asks for {settings.engine} with {settings.precision}. "
            f"Change ml-inference:engine or ml-inference:precision, or {remedy}."
        )
    return LocalBundle(model.name, folder, manifest)
