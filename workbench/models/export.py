"""PyTorch models as ONNX graphs: exported, quantized where asked for, and optimised ahead of time.

A graph is one file and its weights another, beside it: ONNX Runtime maps the weights into memory as they lie there. From
one file it would have to parse and copy them, which takes most of the time until a session is there.
"""

# PyTorch, transformers and ONNX are installed where models are prepared, not where everything is checked.
# pyright: reportMissingImports=false
from __future__ import annotations

import inspect
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from workbench.models.checkpoint import TASKS
from workbench.models.errors import ModelError

# What ONNX Runtime 1.31 runs on Lambda; a newer one would bring operators that encoders do not need.
OPSET = 20
# Tensors of fewer bytes stay in the graph: shapes and scalars, which the optimiser and the session look at.
_SMALLEST_APART = 1024
# A protobuf message, which an ONNX file is, holds less than 2 GiB.
LARGEST_FILE = 2**31 - 1


def export_onnx(model: Any, destination: Path, task: str, precision: str = "fp32") -> None:
    """Writes `model`, of the class of transformers that `task` asks for, to the ONNX file `destination`, and its weights
    to a file beside it whose name ends in `.data` (unless they are a few bytes only).

    Inputs are `input_ids`, `attention_mask` and, where the model makes use of them, `token_type_ids`: int64 of shape
    [batch, sequence], both free. Outputs are those of the task, float32. The model ends up in evaluation mode with
    plain ("eager") attention.

    Raises:
        ModelError: the model cannot be exported, or is too large for one file.
    """
    # The bytes that the file will have, nearly: int8 has a quarter of them for almost all weights.
    size = sum(tensor.numel() for tensor in model.parameters()) * (1 if precision == "int8" else 4)
    if size >= LARGEST_FILE:
        raise ModelError(
            f"The weights have {size / 1e9:.1f} GB in {precision}, and one ONNX file holds 2.1 GB; "
            + ("use a smaller model." if precision == "int8" else "set precision to int8, or engine to torch.")
        )
    # Beside the destination, so that nothing large goes to /tmp, which may be memory.
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".export-") as scratch:
        graph = Path(scratch, "exported.onnx")
        _export(model, graph, TASKS[task].outputs)
        if precision == "int8":
            from workbench.models.quantize import quantize

            exported, graph = graph, Path(scratch, "quantized.onnx")
            with _quiet():
                quantize(exported, graph)
        _optimise(graph, Path(scratch, "optimised.onnx"), destination)


def takes_token_types(model: Any) -> bool:
    """Whether token types make a difference to the model: it has an embedding for more than one."""
    accepted = "token_type_ids" in inspect.signature(model.forward).parameters
    return accepted and getattr(model.config, "type_vocab_size", 0) > 1


class _Outputs(nn.Module):
    """A model that gives the outputs of its task as a tuple, and nothing else."""

    def __init__(self, model: nn.Module, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.outputs = outputs

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        results = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)
        return tuple(results[name] for name in self.outputs)


def _export(model: Any, destination: Path, outputs: tuple[str, ...]) -> None:
    model.eval()
    # PyTorch's fused attention becomes more nodes than the plain one, with a check for rows that are masked whole.
    model.set_attn_implementation("eager")
    # Neither dimension is 0 or 1, which the exporter would take for constants.
    ids = torch.arange(32).reshape(2, 16) % 8
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if takes_token_types(model):
        inputs["token_type_ids"] = torch.zeros_like(ids)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _quiet(), torch.inference_mode():
            program: Any = torch.onnx.export(
                _Outputs(model, outputs),
                kwargs=inputs,
                dynamo=True,
                dynamic_shapes=dict.fromkeys(inputs, free),
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                verbose=False,
            )
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"PyTorch cannot export this {type(model).__name__} to ONNX: {reason}") from error
    # Weights in a file of their own: intermediate results may be larger than one ONNX file can be.
    program.save(destination, external_data=True)


def _optimise(graph: Path, optimised: Path, destination: Path) -> None:
    """Writes the graph as ONNX Runtime would otherwise make it when the session is loaded.

    Only what holds on every CPU: the highest level would bake the layout that suits this machine's into the file.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 3
    ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    # Weights that the optimiser did not touch are still in the other file; reading the graph brings them in.
    onnx.save(
        onnx.load(optimised),
        destination,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f"{destination.name}.data",
        size_threshold=_SMALLEST_APART,
    )
    for written in destination.parent.glob(f"{destination.name}*"):
        written.chmod(0o644)  # the library lets nobody else read the weights


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the notes of exporter and quantizer from the user, who can do nothing about them."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
