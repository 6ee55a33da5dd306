# pyright: reportMissingImports=false
"""A DistilBERT of full size with random weights: as slow and as large as a trained one, and made without a download.

Its answers mean nothing. Prepared as any other model: exported, quantized, and compared with the original.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from workbench.models.errors import ModelError
from workbench.models.prepare import Prepared, prepare, require_frameworks
from workbench.models.probes import probes
from workbench.models.targets import Target

FOLDER = Path(".bench")
CHECKPOINT = FOLDER / "distilbert"
SOURCE = f"./{CHECKPOINT.as_posix()}"

# The vocabulary of distilbert-base-uncased has this many entries.
_VOCABULARY = 30_522
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def model_name(precision: str) -> str:
    """What the model is called in requests and results."""
    return f"distilbert-{precision}"


def prepare_full_size(say: Callable[[str], None]) -> dict[str, Prepared]:
    """The bundles in fp32 and int8 by precision, made now if they are not there; raises `ModelError` when they cannot.

    Takes a minute or two and 1.5 GB of disk space the first time.
    """
    require_frameworks()
    if not (CHECKPOINT / "model.safetensors").is_file():
        say(f"Making a full-size DistilBERT of random weights in {CHECKPOINT}")
        _write_checkpoint()
    targets = [Target(model_name(precision), SOURCE, None, None, "onnx", precision) for precision in ("fp32", "int8")]
    # The answers of random weights are nearly undecided, so that quantization changes many of them.
    made = {item.target.precision: item for item in prepare(targets, min_agreement=0, say=say)}
    if len(made) != len(targets):
        raise ModelError("The full-size model could not be prepared in both precisions.")
    return made


def _write_checkpoint() -> None:
    import torch
    from transformers import DistilBertConfig, DistilBertForQuestionAnswering, DistilBertTokenizerFast

    partial = CHECKPOINT.with_name(f".{CHECKPOINT.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    vocabulary = partial / "vocab.txt"
    vocabulary.write_text("\n".join(_vocabulary()) + "\n", encoding="utf-8")
    DistilBertTokenizerFast(vocab=str(vocabulary), model_max_length=512).save_pretrained(partial)
    torch.manual_seed(0)
    model = DistilBertForQuestionAnswering(DistilBertConfig(vocab_size=_VOCABULARY))
    model.save_pretrained(partial)
    CHECKPOINT.parent.mkdir(exist_ok=True)
    partial.replace(CHECKPOINT)


def _vocabulary() -> list[str]:
    """Words and pieces of words of the probes and, so that the tokenizer has its full size, made-up ones."""
    texts = " ".join(text for probe in probes() for text in probe).lower()
    letters = sorted({character for character in texts if not character.isspace()} | set("abcdefghijklmnopqrstuvwxyz"))
    words = sorted({word for word in "".join(c if c.isalnum() else " " for c in texts).split() if len(word) > 1})
    syllables = ["".join(pair) for pair in itertools.product("bcdfghjklmnpqrstvwxz", "aeiou")]
    entries = dict.fromkeys(
        [
            *_SPECIAL,
            *letters,
            *(f"##{letter}" for letter in letters),
            *words[::2],  # of the other half, pieces: real text is cut into pieces, too
            *(f"##{syllable}" for syllable in syllables),
        ]
    )
    for made_up in itertools.product(syllables, repeat=3):
        if len(entries) == _VOCABULARY:
            break
        entries["".join(made_up)] = None
    return list(entries)
