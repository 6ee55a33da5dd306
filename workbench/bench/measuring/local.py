"""Brings up what is measured on this machine: one or more stacks, and the functions they are compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infra.bundles import LocalBundle
from infra.settings import ModelSource
from workbench.bench.measuring import baselines
from workbench.bench.measuring.bucket_proxy import bucket_proxy, free_port
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.machine import this_machine
from workbench.bench.measuring.measured import Measured, bundles_of, settings_of
from workbench.bench.measuring.networks import Profile
from workbench.bench.measuring.slow_files import slow_files
from workbench.bench.measuring.subjects import LocalSubject, Subject
from workbench.local.asking import Asker
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
    with contextlib.ExitStack() as exits:
        asker = exits.enter_context(Asker())
        subjects: list[Subject] = []
        bundles: dict[str, LocalBundle] = {}
        sources: dict[str, ModelSource] = {}
        up: list[LocalStack] = []
        memory = 0
        variables_of: list[dict[str, str]] = []
        for index, config in enumerate(configs):
            settings = settings_of(config)
            folder = _FOLDER / str(index)
            claimed = exits.enter_context(claim(folder, config.stack))
            port, variables = None, {}
            if network and "s3" in settings.architectures:
                port, through = free_port(), free_port()
                url = exits.enter_context(bucket_proxy(network.s3, through, port, folder / "network"))
                variables = {S3_ENDPOINT: url}
            stack = exits.enter_context(
                LocalStack(config, folder, port, concurrency=max(concurrency, 10), variables=variables)
            )
            claimed.record(stack.emulator.endpoint)
            say(f"Deploying {', '.join(model.name for model in settings.models)}")
            outputs = stack.deploy().outputs
            if network and "efs" in settings.architectures:
                # Not before: deploying fills the file system, and what stands between is for reading.
                through_efs = slow_files(network.efs, stack.file_systems.root, folder / "efs")
                stack.file_systems.seen = exits.enter_context(through_efs)
            up.append(stack)
            variables_of.append(variables)
            for architecture in settings.architectures:
                function = settings.for_architecture(architecture)
                memory = memory or function.memory
                for source, bundle in zip(
                    function.models, bundles_of(settings, architecture, config.stack), strict=True
                ):
                    if models and bundle.name not in models:
                        continue
                    bundles.setdefault(bundle.name, bundle)
                    sources.setdefault(bundle.name, source)
                    subjects.append(
                        LocalSubject(
                            architecture,
                            bundle.name,
                            "served",
                            outputs["endpoints"][architecture],
                            outputs["functions"][architecture],
                            stack.functions,
                            asker,
                            0 if architecture == "oci" else bundle.manifest.size,
                        )
                    )
        if unknown := [name for name in models if name not in bundles]:
            raise MeasuringError(f"The stack has no model {unknown[0]!r}; its models are {', '.join(sources)}.")
        if compare:
            say("Deploying the functions to compare with")
            architectures = list(dict.fromkeys(subject.architecture for subject in subjects))
            compared = _baselines(architectures, bundles, sources, network, exits)
            deployed = baselines.deployed(
                compared, up[0].clients, _FOLDER / "baselines", asker, memory, variables_of[0]
            )
            subjects += exits.enter_context(deployed)
        yield Measured(subjects, bundles, memory, this_machine())


def _baselines(
    architectures: Sequence[str],
    bundles: dict[str, LocalBundle],
    sources: dict[str, ModelSource],
    network: Profile | None,
    exits: contextlib.ExitStack,
) -> list[baselines.Baseline]:
    """A plain handler for each checkpoint and architecture, and a floor for each bundle."""
    found: list[baselines.Baseline] = []
    seen: set[Path] = set()
    for name, bundle in bundles.items():
        checkpoint = _checkpoint(name, sources[name], bundle)
        if checkpoint not in seen:  # the same one in another precision
            seen.add(checkpoint)
            for where in architectures:
                seen_at = checkpoint
                if network and where == "efs":
                    through_efs = slow_files(network.efs, checkpoint, _FOLDER / "baselines" / name)
                    seen_at = exits.enter_context(through_efs)
                found.append(baselines.plain(where, name, bundle.manifest.task, seen_at))
        if bundle.manifest.engine == "onnx":
            found.append(baselines.floor(name, bundle.folder))
    return found


def _checkpoint(name: str, source: ModelSource, bundle: LocalBundle) -> Path:
    """The folder with the checkpoint that a bundle was made from."""
    origin = source.source or bundle.manifest.source.get("model", "")
    if is_local(origin):
        folder = Path(origin).expanduser()
    elif source.source:
        folder = fetch(source.source, source.revision, source.task, Hub(CACHE), Lock.read(LOCK))[0].folder
    else:
        folder = Path()
    if not (folder / CONFIG).is_file():
        raise MeasuringError(
            f"Model {name} cannot be compared with a plain handler: its bundle comes from {origin or 'nowhere known'}, "
            "and that checkpoint is not on this machine. Give the model with its source, or leave out --compare."
        )
    return folder
