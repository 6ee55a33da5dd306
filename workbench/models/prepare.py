"""Prepares bundles: fetches a checkpoint, exports it, proves the result, and puts it in place in one step."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handlers.serving.bundle import Bundle, BundleError
from handlers.serving.stores.folder import open_folder
from workbench.models.bundles import seal
from workbench.models.checkpoint import CONFIG, TOKENIZER
from workbench.models.errors import ModelError
from workbench.models.fetch import Checkpoint, fetch, origin
from workbench.models.hub import Hub
from workbench.models.lock import LOCK, Lock
from workbench.models.proof import Progress, check, no_progress, prove
from workbench.models.targets import Target
from workbench.models.workspace import CACHE, exclusive, replacing

# The distributions that `make models` installs, by the names they are imported as.
_FRAMEWORKS = ("torch", "transformers", "onnx", "onnxscript", "safetensors")

# Times the bytes of the weights: the graph as exported and as optimised, the bundle, and quantized ones in between.
_SCRATCH = 4

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A bundle that is in place. `fresh` says that it was made just now, and was not there before."""

    target: Target
    bundle: Bundle
    fresh: bool


def prepare(
    targets: Sequence[Target],
    *,
    min_agreement: float,
    update: bool = False,
    hub: Hub | None = None,
    lock_file: Path = LOCK,
    say: Say = print,
    progress: Progress = no_progress,
) -> Iterator[Prepared]:
    """Prepares the bundles of `targets` that are not there yet, one after the other.

    `min_agreement` is the share of a quantized bundle's answers that have to be the original's. With `update`, models
    are fetched as the hub has them now, whatever the lock says. `say` is told each step, and `progress` each probe.

    Raises:
        ModelError: a bundle cannot be prepared; those before it are in place, and nothing of it is.
    """
    hub = hub or Hub(CACHE)
    with exclusive():
        lock = Lock.read(lock_file)
        updated: set[tuple[str, str | None]] = set()
        for target in targets:
            model = (target.source, target.revision)
            known = lock.without(*model) if update and model not in updated else lock
            bundle = _current(target, known)
            fresh = bundle is None
            if bundle is None:
                # What would fail after a long download is seen before it.
                require_frameworks()
                say(f"{target}: fetching {target.source}")
                checkpoint, known = fetch(target.source, target.revision, target.task, hub, known)
                if known != lock:
                    known.write(lock_file)
                lock = known
                updated.add(model)
                # An update may have found nothing new.
                bundle = _current(target, lock) if update else None
                fresh = bundle is None
                bundle = bundle or _build(target, checkpoint, min_agreement, say, progress)
            check(str(target), target.precision, bundle.proof, min_agreement)
            yield Prepared(target, bundle, fresh)


def _current(target: Target, lock: Lock) -> Bundle | None:
    """The bundle that is in place, if it is what would be prepared now."""
    source = origin(target.source, target.revision, lock)
    try:
        bundle = Bundle.read(target.folder)
    except BundleError:
        return None
    same = (bundle.name, bundle.engine, bundle.precision) == (target.name, target.engine, target.precision)
    return bundle if same and bundle.source == source and target.task in (None, bundle.task) and bundle.proof else None


def _build(target: Target, checkpoint: Checkpoint, min_agreement: float, say: Say, progress: Progress) -> Bundle:
    from workbench.models.export import export_onnx
    from workbench.models.original import load_original, write_tokenizer

    description = checkpoint.description
    with _explained_disk(target), replacing(target.folder) as folder:
        write_tokenizer(checkpoint, folder / TOKENIZER)
        original = load_original(checkpoint)
        size = sum(parameter.nbytes for parameter in original.model.parameters())
        if size * _SCRATCH > (free := shutil.disk_usage(folder).free):
            raise ModelError(
                f"{target} needs {size * _SCRATCH / 1e6:.0f} MB of disk space beside {target.folder} to be exported, "
                f"and there are {free / 1e6:.0f} MB; make room and run this again."
            )
        say(f"{target}: exporting {description.family} for {description.task}")
        if target.engine == "torch":
            _write_torch(original.model, folder)
        else:
            export_onnx(original.model, folder / "model.onnx", description.task, target.precision)
        fields = {
            "name": target.name,
            "task": description.task,
            "engine": target.engine,
            "precision": target.precision,
            "source": checkpoint.source,
            "max_length": description.max_length,
            "labels": description.labels,
            "options": description.options,
        }
        seal(folder, **fields)
        say(f"{target}: comparing with the original")
        proof = prove(open_folder(folder), original, progress).to_json()
        check(str(target), target.precision, proof, min_agreement)
        return seal(folder, **fields, proof=proof)


def _write_torch(model: object, folder: Path) -> None:
    """The files of a bundle for engine torch: configuration, and weights in one file."""
    saved = folder / ".saved"
    model.save_pretrained(saved, max_shard_size="1TB")  # pyright: ignore[reportAttributeAccessIssue]
    for name in (CONFIG, "model.safetensors"):
        (saved / name).rename(folder / name)
    shutil.rmtree(saved)


def require_frameworks() -> None:
    """Raises `ModelError` where what prepares models is not installed."""
    missing = [name for name in _FRAMEWORKS if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"To prepare a model takes {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed here; `make models` installs what is needed and prepares the models of the stack."
        )


@contextmanager
def _explained_disk(target: Target) -> Iterator[None]:
    """A full disk as a sentence; the libraries that write models in C++ report it in errors of their own."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        full = os.strerror(errno.ENOSPC)
        if getattr(error, "errno", None) == errno.ENOSPC or full in str(error):
            raise ModelError(
                f"The disk became full while {target} was being prepared; nothing of it was kept. Make room and run "
                "this again."
            ) from error
        raise
