"""What is measured where it runs: a stack that was deployed to AWS, or endpoints by their addresses.

Which models there are, and what they are asked, follows from the stack's configuration and the bundles on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from infra.bundles import LocalBundle
from infra.settings import Architecture, Settings
from workbench.bench.measuring.aws import HttpSubject, lambda_machine, stack_outputs, stack_subjects
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.machine import this_machine
from workbench.bench.measuring.measured import Measured, bundles_of, settings_of
from workbench.bench.measuring.subjects import Subject
from workbench.bench.results import OF_ENDPOINTS, ON_AWS
from workbench.program.config import StackConfig


def elsewhere(
    config: StackConfig, architectures: Sequence[str], models: Sequence[str], urls: Sequence[str]
) -> Measured:
    """The functions of a deployed stack or, if there are `urls` ("efs=https://..."), what answers there.

    `architectures` and `models` are those to measure; all of them without one.

    Raises:
        MeasuringError: the stack is not deployed or not usable, or one of the names is not one of its own.
    """
    settings = settings_of(config)
    if unknown := [name for name in architectures if name not in settings.architectures]:
        raise MeasuringError(
            f"Stack {config.stack} has no architecture {unknown[0]!r}; it has {', '.join(settings.architectures)}."
        )
    measured: list[Architecture] = [
        name for name in settings.architectures if not architectures or name in architectures
    ]
    closed: list[Architecture] = [name for name in measured if settings.for_architecture(name).auth != "none"]
    if closed and not urls:
        raise MeasuringError(
            f"Stack {config.stack} has auth {settings.for_architecture(closed[0]).auth} for {' and '.join(closed)}, and requests are "
            "sent without credentials. Measure a stack of the same models with auth none, and take it down afterwards."
        )
    bundles = {name: bundles_of(settings, name, config.stack) for name in measured}
    by_name = {bundle.name: bundle for served in bundles.values() for bundle in served}
    if unknown := [name for name in models if name not in by_name]:
        raise MeasuringError(f"Stack {config.stack} has no model {unknown[0]!r}; its models are {', '.join(by_name)}.")
    by_name = {name: bundle for name, bundle in by_name.items() if not models or name in models}
    memory = settings.for_architecture(measured[0]).memory
    if urls:
        subjects = _at(urls, by_name, settings)
        # Where they run is not known; who asks is.
        return Measured(subjects, by_name, memory, this_machine(), OF_ENDPOINTS)
    subjects = stack_subjects(stack_outputs(config.stack), bundles, config.region, models)
    return Measured(subjects, by_name, memory, lambda_machine(config.region), ON_AWS)


def _at(urls: Sequence[str], bundles: dict[str, LocalBundle], settings: Settings) -> list[Subject]:
    subjects: list[Subject] = []
    for given in urls:
        name, separator, url = given.partition("=")
        if not separator or name not in settings.architectures or not url.startswith(("http://", "https://")):
            raise MeasuringError(
                f"--url {given} is not of the form ARCHITECTURE=URL; write for example --url s3=https://example.org/, "
                f"with one of {', '.join(settings.architectures)}."
            )
        architecture: Architecture = name  # pyright: ignore[reportAssignmentType]
        subjects += [HttpSubject(architecture, model, url) for model in bundles]
    return subjects
