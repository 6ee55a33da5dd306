"""Texts through a model, many at a time: tokens in batches with padding, and what the model makes of each text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from handlers.serving.bundle import Bundle, BundleError
from handlers.serving.engines import Engine
from handlers.serving.errors import RequestError
from handlers.serving.stores import StoredBundle

TOKENIZER = "tokenizer.json"

# Tokens, padding included, that the model reads in one run. Full-size DistilBERT on two vCPUs reads 16 texts of 27 tokens
# in half the time so, and texts of 260 tokens in about the same; in runs of 2048 tokens it is slower, and takes 200 MB
# more memory.
BATCH = 512

# An encoder takes time in proportion to its weights and to the tokens it reads: full-size DistilBERT (66 million
# weights) 0.25 s for 384 tokens on two vCPUs. This many tokens times weights are 16 s of the 30 s after which the HTTP
# API gives up, and leave time for a cold start.
_WORK = 64 * 384 * 66e6
# However small the model, tokens have to be held and answered.
_MOST_TOKENS = 200_000

Result = TypeVar("Result")


@dataclass(frozen=True)
class Encodings:
    """Texts as tokens, special ones included: those at one index belong to the text at that index."""

    encodings: list[Encoding]

    @property
    def facts(self) -> dict[str, str | int]:
        """What the log may say of the tokens."""
        return {"tokens": sum(map(len, self.encodings))}


class Encoder:
    """The tokenizer and the engine of a model. Raises `BundleError` when the tokenizer cannot be read."""

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        manifest = stored.manifest
        self.name = manifest.name
        self.max_length = manifest.max_length
        self.tokenizer = load_tokenizer(stored)
        self.max_tokens = most_tokens(manifest)
        self._engine = engine
        self._special = manifest.options.get("special_tokens", {})
        self._padding = self.special("pad") or 0  # hardly matters, as padding is masked

    def special(self, kind: Literal["mask", "unk", "pad"]) -> int | None:
        """The id of a special token, if the tokenizer has it: the one that the bundle names, or the usual one."""
        if kind in self._special:
            return self.tokenizer.token_to_id(self._special[kind])
        for number, token in self.tokenizer.get_added_tokens_decoder().items():
            if token.content.strip("[]<>").lower() == kind:
                return number
        return None

    def encode(
        self,
        texts: Sequence[str] | Sequence[tuple[str, str]],
        *,
        strategy: Literal["longest_first", "only_first"] = "longest_first",
        direction: Literal["left", "right"] = "right",
        overlap: int = 0,
    ) -> Encodings:
        """Texts, or pairs of texts, as tokens, cut to the length that the model reads.

        What is cut off is in the `overflowing` of an encoding, in pieces that share `overlap` tokens.

        Raises:
            RequestError: a text has no tokens left beside the other one of its pair, or they are too many together.
        """
        self.tokenizer.enable_truncation(self.max_length, stride=overlap, strategy=strategy, direction=direction)
        try:
            encodings = self.tokenizer.encode_batch(list(texts))
        except Exception as error:
            if "too short" not in str(error):
                raise
            raise RequestError(
                "too_large",
                f"Model {self.name!r} reads {self.max_length} tokens at a time, and what is added to a text has more "
                "of them; shorten that.",
            ) from error
        finally:
            self.tokenizer.no_truncation()
        return self.checked(encodings)

    def checked(self, encodings: list[Encoding]) -> Encodings:
        """The encodings; raises `RequestError` when the model would take too long to read them."""
        if (tokens := sum(map(len, encodings))) > self.max_tokens:
            raise RequestError(
                "too_large",
                f"The request has {tokens} tokens for model {self.name!r} to read; it may have {self.max_tokens}, or "
                "the reply would take too long. Send fewer or shorter texts at a time.",
            )
        return Encodings(encodings)

    def run(
        self,
        work: Encodings,
        output: str,
        result: Callable[[int, NDArray[np.float32]], Result],
        batch: int = BATCH,
    ) -> list[Result]:
        """What `result` makes of the array `output` for each text, in the order of the texts.

        `result` gets the index of a text and its array, of shape [tokens, ...] without the padding where the model
        computes something for each token. It should keep what it needs and not the array: so there is never more in
        memory than one run computes for up to `batch` tokens.

        Raises:
            ArithmeticError: the model computes something that is no number.
        """
        results: dict[int, Result] = {}
        for indices in _batches([len(encoding) for encoding in work.encodings], batch):
            [array] = self._engine.run(self._inputs([work.encodings[index] for index in indices]), [output])
            if not np.isfinite(array.sum()):  # of all elements, none is copied for that
                raise ArithmeticError(f"Model {self.name!r} computes {output} that are not numbers.")
            for index, row in zip(indices, array, strict=True):
                results[index] = result(index, row[: len(work.encodings[index])] if array.ndim > 2 else row)
        return [results[index] for index in range(len(results))]

    def _inputs(self, encodings: list[Encoding]) -> dict[str, NDArray[np.int64]]:
        shape = (len(encodings), max(map(len, encodings)))
        ids = np.full(shape, self._padding, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        types = np.zeros(shape, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
            types[row, : len(encoding)] = encoding.type_ids
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def load_tokenizer(stored: StoredBundle) -> Tokenizer:
    """The tokenizer of a bundle, without truncation and padding; raises `BundleError` when it cannot be read."""
    file = stored.file(TOKENIZER)
    try:
        tokenizer = Tokenizer.from_file(str(file)) if isinstance(file, Path) else Tokenizer.from_buffer(bytes(file))
    except Exception as error:
        raise BundleError(TOKENIZER, f"{TOKENIZER} cannot be read by the tokenizers library ({error}).") from error
    # A tokenizer can bring settings of its own; here the tasks decide about both.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def most_tokens(manifest: Bundle) -> int:
    """Tokens that a model may read for one request, so that it ends in time."""
    size = sum(file.size for file in manifest.files if file.path != TOKENIZER)
    weights = max(size / (1 if manifest.precision == "int8" else 4), 1)
    return int(min(_WORK / weights, _MOST_TOKENS))


def _batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices of the texts that the model reads together, the longest texts first.

    A batch has texts of similar length, so that little of it is padding, and up to `tokens` tokens, or one text.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(index)
    yield batch
