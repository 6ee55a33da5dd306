"""Small checkpoints with random weights: every family, with a tokenizer of its kind, as transformers saves them."""

# PyTorch and transformers are installed where models are prepared, not where everything is checked.
# pyright: reportMissingImports=false
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from workbench.models.checkpoint import TASKS
from workbench.models.probes import probes

VOCABULARY = 1500

_SIZE = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "hidden_size": 32}
# Large enough that the model tells tokens apart: with the usual 0.02, all outputs would nearly be equal.
_COMMON = {"vocab_size": VOCABULARY, "initializer_range": 0.3}
_SHORT = {"max_position_embeddings": 256}
# These families' positions begin after the padding token's id.
_OFFSET = {"max_position_embeddings": 258, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}

CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {**_SIZE, **_SHORT},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, **_SHORT},
    "roberta": {**_SIZE, **_OFFSET, "type_vocab_size": 1},
    "xlm-roberta": {**_SIZE, **_OFFSET, "type_vocab_size": 1},
    "deberta": {**_SIZE, **_SHORT, **_DISENTANGLED},
    # The settings that tell version 3 from version 2.
    "deberta-v2": {
        **_SIZE,
        **_SHORT,
        **_DISENTANGLED,
        "position_buckets": 32,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
    },
    "electra": {**_SIZE, **_SHORT, "embedding_size": 16},
    "mpnet": {**_SIZE, **_OFFSET},
    "albert": {**_SIZE, **_SHORT, "embedding_size": 16},
    # Layers that see 16 tokens and such that see all of them, as in the real ones.
    "modernbert": {
        **_SIZE,
        **_SHORT,
        "local_attention": 16,
        "layer_types": ["full_attention", "sliding_attention"],
        "pad_token_id": 0,
        **dict.fromkeys(("bos_token_id", "cls_token_id"), 2),
        **dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
    },
}

_BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_WITH_ROBERTA_TOKENS = frozenset({"roberta", "xlm-roberta", "mpnet"})


def model(family: str, task: str, *, seed: int = 0, **config: Any) -> Any:
    """A model with random weights, in evaluation mode; raises `ValueError` when the family has no head for the task."""
    torch.manual_seed(seed)
    settings = transformers.AutoConfig.for_model(family, **{**_COMMON, **CONFIGS[family], **config})
    return getattr(transformers, TASKS[task].auto_class).from_config(settings).eval()


def save(folder: Path, family: str, task: str, **config: Any) -> Path:
    """Writes a checkpoint with a fast tokenizer to `folder`, and returns it."""
    model(family, task, **config).save_pretrained(folder)
    tokenizer(family).save(str(folder / "tokenizer.json"))
    return folder


@cache
def tokenizer(family: str) -> Tokenizer:
    """A tokenizer of the family's kind, trained on the probes."""
    special = _ROBERTA_TOKENS if family in _WITH_ROBERTA_TOKENS else _BERT_TOKENS
    unknown = "<unk>" if "<unk>" in special else "[UNK]"
    trainer: Any
    if family in ("xlm-roberta", "albert", "deberta-v2"):
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=VOCABULARY, special_tokens=special, unk_token=unknown, show_progress=False
        )
    elif family in ("roberta", "deberta", "modernbert"):
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    else:
        made = Tokenizer(models.WordPiece(unk_token=unknown))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    made.train_from_iterator((text for probe in probes() for text in probe), trainer)
    first, last = ("<s>", "</s>") if "<s>" in special else ("[CLS]", "[SEP]")
    # RoBERTa's separate a pair by two, and give both parts type 0.
    pair = f"{first} $A {last} {last} $B {last}" if "<s>" in special else f"{first} $A {last} $B:1 {last}:1"
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=pair,
        special_tokens=[(token, made.token_to_id(token)) for token in (first, last)],
    )
    return made
