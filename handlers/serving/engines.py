"""Engines run a model: token ids in, arrays out. What the arrays mean is known to the tasks, not here.

An engine is a class with the interface of `Engine`, entered in `ENGINES` under the name that bundles use for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
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


class OnnxEngine:
    """ONNX Runtime on the CPU."""

    FILE = "model.onnx"

    def __init__(self, stored: StoredBundle) -> None:
        options = ort.SessionOptions()
        # The graph was optimised when the bundle was prepared; to do it again would lengthen every cold start.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        # To copy the weights into the layout that the CPU likes best takes 0.2 s of a cold start (DistilBERT, fp32) and
        # saves 5 ms of a request with 30 tokens, nothing of one with 200.
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.intra_op_num_threads = threads()
        # Threads that spin while they wait use up CPU time, which Lambda rations where there is a fraction of a vCPU.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors only: warnings about a graph are of no use at serving time
        model = stored.file(self.FILE)
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
            # The session keeps the bytes it was made from, a second copy of all weights, and never reads them again.
            self._session._model_bytes = None  # pyright: ignore[reportPrivateUsage]
        except Exception as error:
            raise BundleError(self.FILE, f"{self.FILE} cannot be loaded by ONNX Runtime ({error}).") from error
        self._inputs = [node.name for node in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """See `Engine.run`."""
        results: Any = self._session.run(list(outputs), {name: inputs[name] for name in self._inputs})
        return results


ENGINES: Mapping[str, type[OnnxEngine]] = {"onnx": OnnxEngine}


def load_engine(stored: StoredBundle) -> Engine:
    """The engine that the bundle names, with its weights loaded.

    Raises:
        BundleError: this image has no such engine, or the weights are missing or cannot be read.
    """
    name = stored.manifest.engine
    if name not in ENGINES:
        raise BundleError(
            MANIFEST,
            f"{MANIFEST} of model {stored.manifest.name!r} asks for engine {name!r}; this image has "
            f"{', '.join(ENGINES)}. Prepare the model for one of these.",
        )
    return ENGINES[name](stored)


def threads() -> int:
    """Threads that a model run may use: the vCPUs that Lambda gives this function, or those of this machine."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    return min(available, math.ceil(int(memory) / _MB_PER_VCPU)) if memory else available
