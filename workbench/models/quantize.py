"""int8 for ONNX graphs: weights in eight bits, activations quantized as they come (dynamic quantization).

Takes and gives graphs as exported, before they are optimised: the optimiser then merges quantization with what is
around it, which it does not find in a graph that is optimised already. docs/models.md says why the settings are these.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

# A table with fewer rows (positions, token types) is too small to matter.
_FEWEST_ROWS = 1024


def quantize(source: Path, destination: Path) -> None:
    """Writes the model at `source` in int8 to `destination`, its weights in a file of their own beside it."""
    model = onnx.load(source)
    _fold_transposed_weights(model.graph)
    _quantize_embeddings(model.graph)
    # Shapes that the exporter noted; the quantizer turns some weights round and would take them for a contradiction.
    del model.graph.value_info[:]
    quantize_dynamic(
        # Its declaration asks for a path; a model is taken just as well and saves writing it once more.
        model_input=model,
        model_output=destination,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        # Unsigned activations times signed weights is the product that CPUs with VNNI have an instruction for. Those
        # without it add two such products in 16 bits, which overflow unless the weights keep to 7 bits. So reduced,
        # the sums are exact everywhere, and what is proven on this machine holds on every CPU that Lambda may give.
        weight_type=QuantType.QInt8,
        reduce_range=True,
        use_external_data_format=True,
    )


def _fold_transposed_weights(graph: GraphProto) -> None:
    """Turns weights round that the graph would turn when it runs: those that a masked-word head shares with the
    embeddings. The quantizer takes weights for weights only where they are what a product is given."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Transpose" and node.input[0] in weights:
            axes = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), None)
            turned = np.ascontiguousarray(np.transpose(numpy_helper.to_array(weights[node.input[0]]), axes))
            graph.initializer.append(numpy_helper.from_array(turned, node.output[0]))
            graph.node.remove(node)


def _quantize_embeddings(graph: GraphProto) -> None:
    """Turns each large embedding table into eight bits and one scale a row.

    A row is looked up and multiplied by its scale: no table in fp32 ever exists. Done here because ONNX Runtime's own
    quantization has one scale for the whole table, which a few large rows would make too coarse for all others.
    """
    tables = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            nodes.append(node)
            continue
        if table.dims[0] < _FEWEST_ROWS:
            nodes.append(node)
            continue
        if f"{table.name}.int8" not in tables:
            rows, scales = _rows(numpy_helper.to_array(table))
            for suffix, values in (("int8", rows), ("scale", scales)):
                tensor = numpy_helper.from_array(values, f"{table.name}.{suffix}")
                graph.initializer.append(tensor)
                tables[tensor.name] = tensor
        ids, result = node.input[1], node.output[0]
        nodes += [
            helper.make_node("Gather", [f"{table.name}.int8", ids], [f"{result}.int8"]),
            helper.make_node("Cast", [f"{result}.int8"], [f"{result}.float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{table.name}.scale", ids], [f"{result}.scale"]),
            helper.make_node("Mul", [f"{result}.float", f"{result}.scale"], [result]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _rows(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A table [rows, width] as int8 of the same shape, and its scales [rows, 1]."""
    scales = np.abs(table).max(axis=1, keepdims=True) / 127
    scales[scales == 0] = 1  # a row of zeros, such as the padding token's
    return np.round(table / scales).astype(np.int8), scales.astype(np.float32)
