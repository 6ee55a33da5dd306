"""The least that answering takes: a session of ONNX Runtime on the file of a bundle, and runs of it on made-up tokens.

`MODEL` is the file. The body `{"tokens": N}` says how many. Its options are those of `handlers.serving.engines.onnx`.
"""

import json
import os
from typing import Any

from .stages import reply, stage, started

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort

_session: Any = None


def handler(event: Any, _context: object) -> dict[str, Any]:
    global _session
    if _session is None:
        with stage("session"):
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
            if os.environ["PRECISION"] == "fp32":
                options.add_session_config_entry("session.disable_prepacking", "1")
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            _session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
    tokens = np.ones((1, json.loads(event["body"])["tokens"]), dtype=np.int64)
    inputs = {node.name: tokens for node in _session.get_inputs()}
    with stage("infer"):
        _session.run(None, inputs)
    return reply({})


started()
