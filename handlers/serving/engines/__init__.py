"""Engines run a model: token ids in, arrays out. What the arrays mean is known to the tasks, not here.

An engine is a class with the interface of `Engine`, in a module of its own that is entered in `ENGINES` under the name
that bundles use for it. Importing this package imports one of them at most.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, Protocol

# numpy starts a thread of OpenBLAS for each processor when it is imported, and they spin while they wait: 50 to 70 ms of CPU
# time at every cold start, for products that nobody here computes with numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from handlers.serving.bundle import MANIFEST, BundleError
from handlers.serving.stores import StoredBundle

# Lambda gives a function CPU in proportion to its memory: 1769 MB are one vCPU.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_MB_PER_VCPU = 1769


class Engine(Protocol):
    """A loaded model."""

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """The arrays named `outputs`, in that order, for a batch of inputs, each of shape [batch, sequence].

        An entry of `inputs` that the model does not take is left out.
        """
        ...


class _Source(NamedTuple):
    """Where an engine is: the class of a module, which needs a package that not every image has."""

    module: str
    engine: str
    package: str

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None

    def load(self) -> Callable[[StoredBundle], Engine]:
        return getattr(import_module(self.module), self.engine)


ENGINES: Mapping[str, _Source] = {
    "onnx": _Source("handlers.serving.engines.onnx", "OnnxEngine", "onnxruntime"),
    "torch": _Source("handlers.serving.engines.pytorch", "TorchEngine", "torch"),
}


def load_engine(stored: StoredBundle) -> Engine:
    """The engine that the bundle names, with its weights loaded.

    Raises:
        BundleError: this image has no such engine, or the weights are missing or cannot be read.
    """
    name = stored.manifest.engine
    if name not in ENGINES or not ENGINES[name].installed:
        raise BundleError(
            MANIFEST,
            f"{MANIFEST} of model {stored.manifest.name!r} asks for engine {name!r}; this image has "
            f"{', '.join(name for name, source in ENGINES.items() if source.installed)}. Prepare the model for one of "
            "these.",
        )
    return ENGINES[name].load()(stored)


def threads(memory: int | None = None) -> int:
    """Threads that a model run may use: the vCPUs that go with `memory` MB, or those of this machine if there are fewer.

    Without it: of this function, and outside of one those of this machine.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS
    memory = memory or int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0))
    return min(available, math.ceil(memory / _MB_PER_VCPU)) if memory else available


# The engine of the image is imported while the function starts, when Lambda gives it more CPU than at its first request.
# Where there are several, the others wait until a bundle asks for them. They import `threads`, so this comes last.
if _first := next((source for source in ENGINES.values() if source.installed), None):
    _first.load()
