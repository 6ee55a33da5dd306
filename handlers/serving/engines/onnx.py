"""The engine `onnx`: ONNX Runtime on the CPU, which loads a graph that was optimised when the bundle was prepared."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# It keeps a device id and a database of usage in the home folder, unless it is told so before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

from handlers.serving.bundle import BundleError
from handlers.serving.engines import threads
from handlers.serving.stores import StoredBundle


class OnnxEngine:
    """ONNX Runtime on the CPU.

    The graph is in `FILE`. Its weights may be in `WEIGHTS`, and then a session maps them as they lie on a file system,
    or copies them once from memory; from `FILE` itself it parses them, which takes ten times as long.
    """

    FILE = "model.onnx"
    WEIGHTS = "model.onnx.data"

    def __init__(self, stored: StoredBundle) -> None:
        options = ort.SessionOptions()
        # The graph was optimised when the bundle was prepared; to do it again would lengthen every cold start.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        # To copy the weights into the layout that the CPU likes best takes 0.2 s of a cold start (DistilBERT, fp32) and
        # saves 5 ms of a request with 30 tokens, nothing of one with 200. Quantized weights are few bytes: copying
        # takes no time that can be seen, and a request without it a fifth more.
        if stored.manifest.precision == "fp32":
            options.add_session_config_entry("session.disable_prepacking", "1")
        options.intra_op_num_threads = threads()
        # Threads that spin while they wait use up CPU time, which Lambda rations where there is a fraction of a vCPU.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors only: warnings about a graph are of no use at serving time
        model = stored.file(self.FILE)
        weights = stored.files.get(self.WEIGHTS)
        try:
            if isinstance(weights, bytes | bytearray):
                options.add_external_initializers_from_files_in_memory([self.WEIGHTS], [weights], [len(weights)])
            self._session = ort.InferenceSession(
                model if isinstance(model, Path) else bytes(model),
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,
            )
            # The session keeps the bytes it was made from, a second copy of all weights, and never reads them again.
            self._session._model_bytes = None  # pyright: ignore[reportPrivateUsage]
        except Exception as error:
            raise BundleError(self.FILE, f"{self.FILE} cannot be loaded by ONNX Runtime ({error}).") from error
        self._inputs = [node.name for node in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """See `Engine.run`."""
        results: Any = self._session.run(list(outputs), {name: inputs[name] for name in self._inputs})
        return results
