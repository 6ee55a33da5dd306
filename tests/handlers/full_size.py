# pyright: reportMissingImports=false
"""Makes a DistilBERT of full size with random weights, the same ones wherever this runs: 66 million, from a seed.

numpy alone draws them, so that releases of PyTorch and transformers that initialise in different ways, the one that the
answers are recorded with and the one that serves, have the same model.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

# The defaults of `DistilBertConfig`, which are the sizes of distilbert-base-uncased.
_VOCABULARY, _POSITIONS, _WIDTH, _HIDDEN, _LAYERS = 30522, 512, 768, 3072, 6
# Larger than what training starts from (0.02), or all answers would be about as probable.
_SPREAD = 0.05

MAX_LENGTH = 512


def make(folder: Path, tokenizer: Path) -> str:
    """Writes the checkpoint to `folder`, with the `tokenizer` (a tokenizer.json); SHA-256 of the weights, in hex."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "distilbert", "architectures": ["DistilBertForQuestionAnswering"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(tokenizer, folder / "tokenizer.json")
    weights = dict(_weights())
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    content = hashlib.sha256()
    for name in sorted(weights):
        content.update(name.encode() + weights[name].tobytes())
    return content.hexdigest()


def _weights() -> Iterator[tuple[str, NDArray[np.float32]]]:
    random = np.random.default_rng(0)

    def normal(name: str, *shape: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
        yield name, random.standard_normal(shape, dtype=np.float32) * np.float32(_SPREAD)

    def linear(name: str, out: int, into: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
        yield from normal(f"{name}.weight", out, into)
        yield from normal(f"{name}.bias", out)

    def norm(name: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
        yield f"{name}.weight", np.ones(_WIDTH, np.float32)
        yield f"{name}.bias", np.zeros(_WIDTH, np.float32)

    embeddings = "distilbert.embeddings"
    yield from normal(f"{embeddings}.word_embeddings.weight", _VOCABULARY, _WIDTH)
    yield from normal(f"{embeddings}.position_embeddings.weight", _POSITIONS, _WIDTH)
    yield from norm(f"{embeddings}.LayerNorm")
    for number in range(_LAYERS):
        layer = f"distilbert.transformer.layer.{number}"
        for part in ("q", "k", "v", "out"):
            yield from linear(f"{layer}.attention.{part}_lin", _WIDTH, _WIDTH)
        yield from norm(f"{layer}.sa_layer_norm")
        yield from linear(f"{layer}.ffn.lin1", _HIDDEN, _WIDTH)
        yield from linear(f"{layer}.ffn.lin2", _WIDTH, _HIDDEN)
        yield from norm(f"{layer}.output_layer_norm")
    yield from linear("qa_outputs", 2, _WIDTH)
