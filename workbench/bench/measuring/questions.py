"""Requests of a given length: what a model is asked when it is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from handlers.serving.bundle import Bundle
from handlers.serving.models import TASKS
from infra.sample import PASSAGE, QUESTIONS

_TOKENIZER = "tokenizer.json"


def question(bundle: Path, tokens: int) -> tuple[dict[str, Any], int]:
    """The body of a request for the bundle in `bundle` with `tokens` tokens or a few less, and how many it has.

    Question answering asks about a passage; the other tasks read it. A model that reads less gets as much as it reads,
    so that every request is one run of the model.
    """
    manifest = Bundle.read(bundle)
    tokenizer = Tokenizer.from_file(str(bundle / _TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    words: list[str] = [*PASSAGE.split(" ")]
    words *= tokens // len(words) + 1
    wanted = min(tokens, manifest.max_length)
    asks = manifest.task == "question-answering"
    if manifest.task == "fill-mask":
        words.insert(0, manifest.options.get("special_tokens", {}).get("mask") or _mask(tokenizer))

    def count(text: str) -> int:
        return len(tokenizer.encode(QUESTIONS[1], text) if asks else tokenizer.encode(text))

    # The most words that fit: more words are never fewer tokens.
    few, many = 1, len(words)
    while few < many:
        middle = (few + many + 1) // 2
        few, many = (middle, many) if count(" ".join(words[:middle])) <= wanted else (few, middle - 1)
    text = " ".join(words[:few])
    fields = {"question": QUESTIONS[1], "context": text} if asks else {**TASKS[manifest.task].EXAMPLE, "inputs": text}
    return {"model_type": manifest.name, **fields}, count(text)


def _mask(tokenizer: Tokenizer) -> str:
    return next((mask for mask in ("[MASK]", "<mask>") if tokenizer.token_to_id(mask) is not None), "[MASK]")
