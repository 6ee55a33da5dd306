"""Brings up what is measured on this machine: one or more stacks, and the functions they are compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.bundles import LocalBundle
from infra.settings import Architecture, ModelSource
from workbench.bench.measuring import baselines
from workbench.bench.measuring.bucket_proxy import bucket_proxy, free_port
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.machine import this_machine
from workbench.bench.measuring.measured import Measured, bundles_of, settings_of
from workbench.bench.measuring.networks import Profile
from workbench.bench.measuring.slow_files import slow_files
from workbench.bench.measuring.subjects import LocalSubject, Subject
from workbench.local.asking import Asker
from workbench.local.clients import Clients
from workbench.local.processes import claim
from workbench.local.stack import FOLDER, LocalStack
from workbench.models.checkpoint import CONFIG
from workbench.models.fetch import fetch, is_local
from workbench.models.hub import Hub
from workbench.models.lock import LOCK, Lock
from workbench.models.workspace import CACHE
from workbench.program.config import StackConfig

_FOLDER = FOLDER / "bench"

# Where the SDKs and obstore look for S3 before AWS_ENDPOINT_URL.
S3_ENDPOINT = "AWS_ENDPOINT_URL_S3"

# The stack's own limits protect an account; here they would hide how fast the functions are.
UNTHROTTLED = ("throttleRate=5000", "throttleBurst=5000")


@contextlib.contextmanager
def stacks_up(
    configs: Sequence[StackConfig],
    *,
    models: Sequence[str] = (),
    compare: bool = False,
    concurrency: int = 10,
    network: Profile | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Measured]:
    """The stacks of `configs`, side by side, each in an emulator of its own, and with `compare` the baselines.

    Models of the same name have to be the same ones. `models` are the names of those that are measured; all of them
    without one. `concurrency` is how many requests may be executed at once. With a `network`, functions reach S3 and
    EFS through it.

    Raises:
        MeasuringError: a configuration cannot be used, a model is unknown, or there is nothing to compare it with.
        AlreadyRunningError, EmulatorError, ProgramError: a stack cannot be brought up.
    """
    # What would fail after everything is up is seen before.
    served = [_served(config, models) for config in configs]
    bundles = {one.bundle.name: one.bundle for stack in served for one in stack}
    known = [model.name for config in configs for model in settings_of(config).models]
    if unknown := [name for name in models if name not in bundles]:
        raise MeasuringError(f"The stack has no model {unknown[0]!r}; its models are {', '.join(known)}.")
    checkpoints = {one.bundle.name: _checkpoint(one) for stack in served for one in stack} if compare else {}
    memory = settings_of(configs[0]).for_architecture(served[0][0].architecture).memory
    with contextlib.ExitStack() as exits:
        asker = exits.enter_context(Asker())
        subjects: list[Subject] = []
        # The functions to compare with go beside the first stack, and see the same network.
        clients: Clients | None = None
        variables: dict[str, str] = {}
        for index, (config, stack_served) in enumerate(zip(configs, served, strict=True)):
            say(f"Deploying {', '.join(dict.fromkeys(one.bundle.name for one in stack_served))}")
            folder = _FOLDER / str(index)
            claimed = exits.enter_context(claim(folder, config.stack))
            port, own = None, {}
            if network and any(one.architecture == "s3" for one in stack_served):
                port, through = free_port(), free_port()
                url = exits.enter_context(bucket_proxy(network.s3, through, port, folder / "network"))
                own = {S3_ENDPOINT: url}
            stack = exits.enter_context(
                LocalStack(config, folder, port, concurrency=max(concurrency, 10), variables=own)
            )
            claimed.record(stack.emulator.endpoint)
            outputs = stack.deploy().outputs
            if network and any(one.architecture == "efs" for one in stack_served):
                # Not before: deploying fills the file system, and what stands between is for reading.
                through_efs = slow_files(network.efs, stack.file_systems.root, folder / "efs")
                stack.file_systems.seen = exits.enter_context(through_efs)
            if clients is None:
                clients, variables = stack.clients, own
            subjects += [
                LocalSubject(
                    one.architecture,
                    one.bundle.name,
                    "served",
                    outputs["endpoints"][one.architecture],
                    outputs["functions"][one.architecture],
                    stack.functions,
                    asker,
                    0 if one.architecture == "oci" else one.bundle.manifest.size,
                )
                for one in stack_served
            ]
        if clients is not None and compare:
            say("Deploying the functions to compare with")
            architectures = list(dict.fromkeys(subject.architecture for subject in subjects))
            compared = _baselines(architectures, bundles, checkpoints, network, exits)
            subjects += exits.enter_context(
                baselines.deployed(compared, clients, _FOLDER / "baselines", asker, memory, variables)
            )
        yield Measured(subjects, bundles, memory, this_machine())


@dataclass(frozen=True)
class _Served:
    """A model on an architecture of a stack, and where it comes from."""

    architecture: Architecture
    source: ModelSource
    bundle: LocalBundle


def _served(config: StackConfig, models: Sequence[str]) -> list[_Served]:
    """What a stack serves, of `models` if there are any."""
    settings = settings_of(config)
    return [
        _Served(architecture, source, bundle)
        for architecture in settings.architectures
        for source, bundle in zip(
            settings.for_architecture(architecture).models,
            bundles_of(settings, architecture, config.stack),
            strict=True,
        )
        if not models or bundle.name in models
    ]


def _baselines(
    architectures: Sequence[str],
    bundles: Mapping[str, LocalBundle],
    checkpoints: Mapping[str, Path],
    network: Profile | None,
    exits: contextlib.ExitStack,
) -> list[baselines.Baseline]:
    """A plain handler for each checkpoint and architecture, and a floor for each bundle."""
    found: list[baselines.Baseline] = []
    seen: set[Path] = set()
    for name, bundle in bundles.items():
        checkpoint = checkpoints[name]
        if checkpoint not in seen:  # the same one in another precision
            seen.add(checkpoint)
            for where in architectures:
                folder = checkpoint
                if network and where == "efs":
                    folder = exits.enter_context(slow_files(network.efs, checkpoint, _FOLDER / "baselines" / name))
                found.append(baselines.plain(where, name, bundle.manifest.task, folder))
        if bundle.manifest.engine == "onnx":
            found.append(baselines.floor(name, bundle.folder))
    return found


def _checkpoint(served: _Served) -> Path:
    """The folder with the checkpoint that a bundle was made from; raises `MeasuringError` when it is not here."""
    source = served.source
    origin = source.source or served.bundle.manifest.source.get("model", "")
    if is_local(origin):
        folder = Path(origin).expanduser()
    elif source.source:
        folder = fetch(source.source, source.revision, source.task, Hub(CACHE), Lock.read(LOCK))[0].folder
    else:
        folder = Path()
    if not (folder / CONFIG).is_file():
        raise MeasuringError(
            f"Model {served.bundle.name} cannot be compared with a plain handler: its bundle comes from "
            f"{origin or 'nowhere known'}, and that checkpoint is not on this machine. Give the model with its source, or "
            "leave out --compare."
        )
    return folder
