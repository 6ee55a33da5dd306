"""Export: the graph gives what PyTorch gives, for any batch and length, in files that load without optimisation."""

# pyright: reportMissingImports=false
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tiny

from workbench.models import export
from workbench.models.errors import ModelError
from workbench.models.export import export_onnx
from workbench.models.original import Original


def session(file: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # From bytes: whatever lies beside graph and weights is out of reach.
    weights = file.with_name(f"{file.name}.data").read_bytes()
    options.add_external_initializers_from_files_in_memory([f"{file.name}.data"], [weights], [len(weights)])
    return ort.InferenceSession(file.read_bytes(), options)


def inputs(lengths: list[int], pad: int = 0) -> dict[str, np.ndarray]:
    """Random tokens, padded to the longest of `lengths`."""
    numbers = np.random.default_rng(0)
    shape = len(lengths), max(lengths)
    mask = np.arange(shape[1]) < np.array(lengths)[:, None]
    ids = np.where(mask, numbers.integers(5, tiny.VOCABULARY, shape), pad)
    types = np.where(mask, np.arange(shape[1]) > 2, 0)
    fields = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {name: values.astype(np.int64) for name, values in fields.items()}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_batches_lengths_and_padding_are_free(precision: str, tmp_path: Path) -> None:
    model = tiny.model("bert", "question-answering")
    export_onnx(model, tmp_path / "model.onnx", "question-answering", precision)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]

    loaded = session(tmp_path / "model.onnx")
    assert [node.name for node in loaded.get_inputs()] == ["input_ids", "attention_mask", "token_type_ids"]
    assert [node.name for node in loaded.get_outputs()] == ["start_logits", "end_logits"]
    for lengths in ([1], [7], [256], [5, 5], [40, 3, 21], [1, 1, 1]):
        given = inputs(lengths)
        expected = Original(model).run(given, ["start_logits", "end_logits"])
        real = given["attention_mask"] > 0
        for a, b in zip(expected, map(np.asarray, loaded.run(None, given)), strict=True):
            assert a.shape == b.shape
            difference = np.abs(a - b)[real].max()
            assert difference < 1e-5 if precision == "fp32" else 0 < difference < 2


def test_padding_makes_no_difference(tmp_path: Path) -> None:
    export_onnx(tiny.model("modernbert", "question-answering"), tmp_path / "model.onnx", "question-answering")
    loaded = session(tmp_path / "model.onnx")
    batch = inputs([50, 9])
    del batch["token_type_ids"]
    (padded, _), (alone, _) = (
        loaded.run(None, given) for given in (batch, {name: values[1:, :9] for name, values in batch.items()})
    )
    np.testing.assert_allclose(np.asarray(padded)[1, :9], np.asarray(alone)[0], atol=1e-5)


def test_token_types_are_an_input_only_where_they_matter(tmp_path: Path) -> None:
    export_onnx(tiny.model("roberta", "feature-extraction"), tmp_path / "model.onnx", "feature-extraction")
    loaded = session(tmp_path / "model.onnx")
    assert [node.name for node in loaded.get_inputs()] == ["input_ids", "attention_mask"]
    assert [node.name for node in loaded.get_outputs()] == ["last_hidden_state"]


def test_the_graph_is_optimised_ahead_of_time(tmp_path: Path) -> None:
    export_onnx(tiny.model("bert", "text-classification"), tmp_path / "model.onnx", "text-classification")
    operators = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert {"SkipLayerNormalization", "BiasGelu"} <= operators


def test_int8_has_products_and_large_embeddings_in_eight_bits(tmp_path: Path) -> None:
    model = tiny.model("bert", "fill-mask")
    for precision in ("fp32", "int8"):
        export_onnx(model, tmp_path / precision, "fill-mask", precision)
    graph = onnx.load(tmp_path / "int8").graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer if tensor.data_type == 1}
    # The head's weights are those of the embeddings, turned round.
    assert max(sizes.values()) < tiny.VOCABULARY * 32
    assert not [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in sizes]
    weights = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.data_type == 3]
    products = [weight for weight in weights if len(weight.shape) == 2 and weight.shape[0] in (32, 64)]
    assert products
    # Seven bits: two products of an activation and a weight then fit into 16, which CPUs without VNNI add them in.
    assert max(np.abs(weight.astype(int)).max() for weight in products) <= 64
    assert (tmp_path / "int8.data").stat().st_size < (tmp_path / "fp32.data").stat().st_size / 2


def test_what_does_not_fit_into_one_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGEST_FILE", 200_000)
    model = tiny.model("bert", "question-answering")
    with pytest.raises(ModelError, match=r"GB in fp32, and one ONNX file holds 2\.1 GB; set precision to int8"):
        export_onnx(model, tmp_path / "model.onnx", "question-answering")
    export_onnx(model, tmp_path / "model.onnx", "question-answering", "int8")
