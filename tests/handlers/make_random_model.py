# pyright: reportMissingImports=false
"""Makes `data/random`, a bundle that the tests serve from: a tiny DistilBERT with random weights.

Its answers mean nothing, but they are as hard to get right as those of a good model, and as it reads only 128 tokens at
a time, a paragraph already takes several windows. There is no need to make it again unless the format of bundles
changes; then also run `record_question_answering.py`. In an environment with `.[prepare]`, from the repository:

    python tests/handlers/make_random_model.py
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import DistilBertConfig, DistilBertForQuestionAnswering

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from question_answering_pairs import WRITTEN  # noqa: E402

from workbench.models.bundles import seal  # noqa: E402

FOLDER = Path(__file__).parent / "data" / "random"
MAX_LENGTH = 128


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    tokenizer = make_tokenizer()
    tokenizer.save(str(FOLDER / "tokenizer.json"))

    torch.manual_seed(1)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=MAX_LENGTH,
        dim=32,
        hidden_dim=64,
        n_layers=2,
        n_heads=2,
        initializer_range=0.4,  # large, or all answers would be about as probable
    )
    model = DistilBertForQuestionAnswering(config).eval()
    ids = torch.arange(32).reshape(2, 16)
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    program = torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        dynamo=True,
        input_names=["input_ids", "attention_mask"],
        output_names=["start_logits", "end_logits"],
        dynamic_shapes=(shape, shape),
    )
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # where in the source of the model a node comes from: half of the file
    program.save(str(FOLDER / "model.onnx"), external_data=True)  # weights beside the graph, as bundles are prepared
    seal(
        FOLDER,
        name="random",
        task="question-answering",
        engine="onnx",
        precision="fp32",
        source={"id": "tests/handlers/make_random_model.py", "revision": "1"},
        max_length=MAX_LENGTH,
    )


def make_tokenizer() -> Tokenizer:
    """An uncased WordPiece tokenizer with a vocabulary so small that most words have several tokens."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        (text for pair in WRITTEN for text in pair),
        trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


if __name__ == "__main__":
    main()
