"""What a run measures, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.bundles import LocalBundle, read_bundles
from infra.section import ConfigError
from infra.settings import Architecture, Settings
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.subjects import Subject
from workbench.bench.results import Machine, ModelFacts
from workbench.program.config import StackConfig


@dataclass(frozen=True)
class Measured:
    """Subjects that can be asked, the bundle of each model by its name, and the memory of the functions in MB.

    `network` is what lies between functions and stores, where that is not up to this program.
    """

    subjects: Sequence[Subject]
    bundles: Mapping[str, LocalBundle]
    memory: int
    machine: Machine
    network: str | None = None

    @property
    def models(self) -> list[ModelFacts]:
        """What the results say of the models."""
        return [
            ModelFacts(
                name=bundle.name,
                source=bundle.manifest.source.get("model", ""),
                task=bundle.manifest.task,
                engine=bundle.manifest.engine,
                precision=bundle.manifest.precision,
                size=bundle.manifest.size,
                digest=bundle.manifest.digest,
            )
            for bundle in self.bundles.values()
        ]


def settings_of(config: StackConfig) -> Settings:
    """The settings of a stack; raises `MeasuringError` when they cannot be used."""
    try:
        return Settings.from_config(config.values, config.project)
    except ConfigError as error:
        raise MeasuringError(f"The configuration of stack {config.stack} is not usable: {error}") from error


def bundles_of(settings: Settings, architecture: Architecture, stack: str) -> list[LocalBundle]:
    """The bundles of the models of an architecture; raises `MeasuringError` when one is not there."""
    try:
        return read_bundles(settings.for_architecture(architecture), stack)
    except ConfigError as error:
        raise MeasuringError(str(error)) from error
