"""Checkpoints: which files of a Hugging Face model are needed, and what its configuration says it is.

A checkpoint may lie on the hub or in a folder; here it is a list of paths, and later a folder with these files.
Standard library only: what cannot be prepared is refused before anything large is downloaded or imported.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.models.errors import ModelError

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"

# The last two are of sentence-transformers: what becomes of the hidden states of an encoder.
_TOKENIZER_CONFIG, _MODULES, _POOLING = "tokenizer_config.json", "modules.json", "1_Pooling/config.json"
_SMALL = (_TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json", _MODULES, _POOLING)
# What a fast tokenizer can be made from where there is none: a word piece vocabulary, byte pairs, or sentence pieces.
_CONVERTIBLE = (
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("sentencepiece.bpe.model",),
    ("spm.model",),
    ("spiece.model",),
)
# In order of preference. An index names the parts of weights that are spread over several files.
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class TaskExport:
    """How a task's model is loaded and exported: the class of transformers, and its outputs, by their names there."""

    auto_class: str
    outputs: tuple[str, ...]


TASKS: Mapping[str, TaskExport] = {
    "question-answering": TaskExport("AutoModelForQuestionAnswering", ("start_logits", "end_logits")),
    "text-classification": TaskExport("AutoModelForSequenceClassification", ("logits",)),
    "token-classification": TaskExport("AutoModelForTokenClassification", ("logits",)),
    "fill-mask": TaskExport("AutoModelForMaskedLM", ("logits",)),
    "feature-extraction": TaskExport("AutoModel", ("last_hidden_state",)),
    # A natural language inference model that scores each label as a hypothesis about the text.
    "zero-shot-classification": TaskExport("AutoModelForSequenceClassification", ("logits",)),
}

# `model_type` of config.json to the name that people know.
FAMILIES: Mapping[str, str] = {
    "albert": "ALBERT",
    "bert": "BERT",
    "deberta": "DeBERTa",
    "deberta-v2": "DeBERTa-v2/v3",
    "distilbert": "DistilBERT",
    "electra": "ELECTRA",
    "modernbert": "ModernBERT",
    "mpnet": "MPNet",
    "roberta": "RoBERTa",
    "xlm-roberta": "XLM-R",
}

# Heads of `architectures` in config.json and the task each is trained for; a bare encoder ends in Model.
_HEADS: Mapping[str, str] = {
    "ForQuestionAnswering": "question-answering",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForMaskedLM": "fill-mask",
    "Model": "feature-extraction",
}

# These families number positions from the padding token's id on, so that many of their positions are never used.
_POSITIONS_AFTER_PADDING = frozenset({"mpnet", "roberta", "xlm-roberta"})

# Tokens. Attention takes memory by the square of the length: with 12 heads 0.2 GB for a layer's scores at this length, and
# 3.2 GB at the 8192 that some models could read, which is more than a function has by default.
_LONGEST = 2048


@dataclass(frozen=True)
class Description:
    """What a checkpoint is: the name of its `family`, and a `task` of `TASKS`.

    `max_length` is the longest input in tokens, the special ones included. `labels` maps class indices to names and is
    empty for tasks without classes. `options` are those of a bundle (`handlers.serving.bundle.Bundle`).
    """

    family: str
    task: str
    max_length: int
    labels: Mapping[str, str]
    options: Mapping[str, Any]


def describing_files(paths: Collection[str], source: str) -> list[str]:
    """The small files that say what a checkpoint is: configuration, tokenizer and, of spread weights, the index.

    `paths` are those of all of its files; `source` is how the user calls it.

    Raises:
        ModelError: the checkpoint lacks a configuration, weights that can be loaded, or a tokenizer.
    """
    if CONFIG not in paths:
        raise ModelError(f"{source} has no {CONFIG}, so it is no model of the transformers library.")
    weights = _weights(paths, source)
    tokenizer = [TOKENIZER] if TOKENIZER in paths else _vocabulary(paths, source)
    index = [weights] if weights.endswith(".index.json") else []
    return [CONFIG, *tokenizer, *(path for path in _SMALL if path in paths), *index]


def weight_files(paths: Collection[str], folder: Path, source: str) -> list[str]:
    """The files with the weights; `folder` has the describing ones already.

    Raises:
        ModelError: an index names files that the checkpoint does not have.
    """
    weights = _weights(paths, source)
    if not weights.endswith(".index.json"):
        return [weights]
    parts = sorted(set(_json(folder / weights, source).get("weight_map", {}).values()))
    if missing := [part for part in parts if part not in paths]:
        raise ModelError(f"{source} lacks {missing[0]}, which its {weights} names; the checkpoint is incomplete.")
    if outside := [part for part in parts if Path(part).is_absolute() or ".." in Path(part).parts]:
        raise ModelError(f"{weights} of {source} names {outside[0]}, which is outside of the checkpoint.")
    return parts


def _weights(paths: Collection[str], source: str) -> str:
    for path in _WEIGHTS:
        if path in paths:
            return path
    raise ModelError(
        f"{source} has no weights that can be loaded: it needs model.safetensors or pytorch_model.bin, whole or in "
        "parts. Weights for TensorFlow or Flax alone have to be converted with transformers 4 first."
    )


def _vocabulary(paths: Collection[str], source: str) -> list[str]:
    for files in _CONVERTIBLE:
        if all(file in paths for file in files):
            return list(files)
    raise ModelError(
        f"{source} has no fast tokenizer: there is no {TOKENIZER}, nor a vocabulary that one could be made from "
        f"({', '.join(' and '.join(files) for files in _CONVERTIBLE)}). Save one with "
        f"`AutoTokenizer.from_pretrained(...).save_pretrained(...)` and add its {TOKENIZER}."
    )


def describe(folder: Path, source: str, task: str | None) -> Description:
    """What the checkpoint in `folder` is. `task` is what the configuration of the stack says; None to find it out.

    Raises:
        ModelError: the family or the task is not supported, or is not what the checkpoint is for.
    """
    config = _json(folder / CONFIG, source)
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise ModelError(
            f"{source} is of the architecture {family!r}; models of {', '.join(FAMILIES.values())} can be prepared."
        )
    if "auto_map" in config:
        raise ModelError(
            f"{source} brings Python code of its own ({CONFIG} has auto_map), which is not run on your machine; "
            "prepare a model whose architecture is part of transformers."
        )
    chosen = task or _head(config)
    if chosen is None:
        raise ModelError(
            f"{source} is a {' or '.join(config.get('architectures') or ['model without architectures'])}, from which "
            f"no task follows; set the model's `task` to one of {', '.join(TASKS)}."
        )
    if chosen not in TASKS:
        raise ModelError(f"The task of {source} is set to {chosen!r}; supported are {', '.join(TASKS)}.")
    labels = _labels(config) if chosen.endswith("classification") else {}
    if chosen == "zero-shot-classification" and not any(name.lower().startswith("entail") for name in labels.values()):
        raise ModelError(
            f"{source} has the labels {', '.join(labels.values())}, and none of them is entailment; "
            "zero-shot-classification needs a natural language inference model."
        )
    return Description(
        FAMILIES[family], chosen, _max_length(folder, config, source), labels, _options(folder, config, chosen, source)
    )


def _options(folder: Path, config: Mapping[str, Any], task: str, source: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if task == "text-classification" and config.get("problem_type"):
        options["problem_type"] = config["problem_type"]
    if task == "feature-extraction" and (folder / _MODULES).is_file():
        options |= _sentence_options(folder, source)
    tokenizer = _optional_json(folder / _TOKENIZER_CONFIG, source)
    special = {kind: _content(tokenizer.get(f"{kind}_token")) for kind in ("mask", "unk", "pad")}
    # The handlers know the usual spellings, [MASK] and <mask>, by themselves.
    if unusual := {kind: text for kind, text in special.items() if text and text.strip("[]<>").lower() != kind}:
        options["special_tokens"] = unusual
    return options


def _sentence_options(folder: Path, source: str) -> dict[str, Any]:
    """How a model of sentence-transformers makes one embedding of a text."""
    modules = json.loads((folder / _MODULES).read_text(encoding="utf-8"))
    kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
    if others := [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]:
        raise ModelError(
            f"{source} has a module {others[0]} after its encoder ({_MODULES}), which cannot be prepared; embeddings "
            "without it would not be the model's own."
        )
    options: dict[str, Any] = {"normalize": "Normalize" in kinds}
    if "Pooling" in kinds:
        pooling = _optional_json(folder / _POOLING, source)
        modes = [
            key.removeprefix("pooling_mode_") for key, on in pooling.items() if key.startswith("pooling_mode_") and on
        ]
        known = {"mean_tokens": "mean", "cls_token": "cls"}
        if len(modes) != 1 or modes[0] not in known:
            raise ModelError(
                f"{source} pools its tokens by {' and '.join(modes) or 'nothing known'} ({_POOLING}); models that pool "
                f"by one of {', '.join(known)} can be prepared."
            )
        options["pooling"] = known[modes[0]]
    return options


def _content(token: Any) -> str | None:
    """The text of a special token, which tokenizer_config.json has plain or with attributes."""
    return token.get("content") if isinstance(token, dict) else token


def _head(config: Mapping[str, Any]) -> str | None:
    """The task of the first architecture that has one."""
    for architecture in config.get("architectures") or []:
        for head, task in _HEADS.items():
            if architecture.endswith(head):
                return task
    return None


def _labels(config: Mapping[str, Any]) -> dict[str, str]:
    if "id2label" in config:
        return {str(index): str(name) for index, name in config["id2label"].items()}
    # transformers writes no labels where there are only its own two.
    return {str(index): f"LABEL_{index}" for index in range(config.get("num_labels", 2))}


def _max_length(folder: Path, config: Mapping[str, Any], source: str) -> int:
    positions = config.get("max_position_embeddings", 512)
    if config["model_type"] in _POSITIONS_AFTER_PADDING:
        positions -= (1 if config.get("pad_token_id") is None else config["pad_token_id"]) + 1
    # Where nobody has set a limit, transformers writes 10^30.
    longest = _optional_json(folder / _TOKENIZER_CONFIG, source).get("model_max_length")
    return min(positions, int(longest), _LONGEST) if longest else min(positions, _LONGEST)


def _optional_json(file: Path, source: str) -> dict[str, Any]:
    return _json(file, source) if file.is_file() else {}


def _json(file: Path, source: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file.name} of {source} cannot be read ({error}).") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file.name} of {source} is not a JSON object.")
    return content
