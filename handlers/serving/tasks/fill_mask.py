"""Fill mask: which tokens fit where a text has a mask.

Gives the predictions of the `fill-mask` pipeline of transformers. The reply is that of the Inference API,
`[{"score", "token", "token_str", "sequence"}, ...]`, best one first; for a text with several masks a list of such lists,
one for each mask by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.serving.bundle import BundleError
from handlers.serving.engines import Engine
from handlers.serving.errors import RequestError
from handlers.serving.requests import Fields, Texts, parse_texts
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.encoder import BATCH, TOKENIZER, Encoder, Encodings
from handlers.serving.tasks.scores import best, softmax

DEFAULT_TOP_K = 5
MAX_TOP_K = 100
MAX_TARGETS = 1000
_MAX_TARGET_CHARACTERS = 100
# A mask is a question of its own, whose predictions hold the whole text: so many of them still fit into a reply.
MAX_MASKS = 32

# The model computes a logit for each token of the text and each of the vocabulary, 4 bytes each: those of one run.
_BYTES = 128 * 1024 * 1024


class Parameters(NamedTuple):
    """`targets` are the words that may fill the masks; None if any may."""

    top_k: int
    targets: list[str] | None


class FillMask:
    """A masked language model, ready to fill in."""

    EXAMPLE: ClassVar[Mapping[str, Any]] = {"inputs": "Paris is the [MASK] of France.", "parameters": {"top_k": 3}}

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        self._encoder = Encoder(stored, engine)
        mask = self._encoder.special("mask")
        if mask is None:
            raise BundleError(TOKENIZER, f"{TOKENIZER} has no mask token, so there is nothing to fill in.")
        self._mask = mask
        self._padding = self._encoder.special("pad")
        self._batch = min(BATCH, _BYTES // (4 * self._encoder.tokenizer.get_vocab_size()))

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Texts[Parameters]:
        """See `Task.parse`: the best `top_k` tokens for each mask, of the vocabulary or of `targets`."""

        def parameters(given: Fields) -> Parameters:
            targets = None
            if "targets" in given:
                targets, _ = given.texts("targets", _MAX_TARGET_CHARACTERS, MAX_TARGETS)
            return Parameters(given.integer("top_k", default=DEFAULT_TOP_K, highest=MAX_TOP_K), targets)

        return parse_texts(fields, ("top_k", "targets"), parameters)

    def prepare(self, request: Texts[Parameters]) -> Encodings:
        """See `Task.prepare`. Raises `RequestError`, too, where a text has no mask as far as the model reads it."""
        work = self._encoder.encode(request.texts)
        token = self._encoder.tokenizer.id_to_token(self._mask)
        for index, encoding in enumerate(work.encodings):
            masks = encoding.ids.count(self._mask)
            where = f"inputs{'' if request.single else f'[{index}]'} has {masks or 'no'} {token}"
            if not masks:
                raise RequestError(
                    "invalid_request",
                    f"{where}{f' among the {len(encoding)} tokens that are read' if encoding.overflowing else ''}; put "
                    f"{token} where model {self._encoder.name!r} shall fill something in.",
                )
            if masks > MAX_MASKS:
                raise RequestError("too_large", f"{where}; it may have {MAX_MASKS}. Send fewer at a time.")
        return work

    def reply(self, request: Texts[Parameters], work: Encodings) -> list[Any]:
        """See `Task.reply`: for each mask of each text, the best tokens with their scores."""
        targets = None if request.parameters.targets is None else self._ids(request.parameters.targets)

        def predictions(index: int, logits: NDArray[np.float32]) -> list[Any]:
            ids = np.array(work.encodings[index].ids)
            masks = np.flatnonzero(ids == self._mask).tolist()
            found = []
            for mask in masks:
                scores = softmax(logits[mask])
                among = np.arange(len(scores)) if targets is None else targets
                chosen = among[best(scores[among], request.parameters.top_k)]
                found.append([self._filled(ids, mask, token, scores, single=len(masks) == 1) for token in chosen])
            return found[0] if len(masks) == 1 else found

        replies = self._encoder.run(work, "logits", predictions, self._batch)
        return replies[0] if request.single else replies

    def _filled(
        self, ids: NDArray[np.int64], mask: int, token: int, scores: NDArray[np.float32], *, single: bool
    ) -> dict[str, Any]:
        filled = ids.copy()
        filled[mask] = token
        decode = self._encoder.tokenizer.decode
        return {
            "score": float(scores[token]),
            "token": int(token),
            "token_str": decode([int(token)], skip_special_tokens=False),
            # With several masks the special tokens stay, so that one sees the other masks.
            "sequence": decode(filled[filled != self._padding].tolist(), skip_special_tokens=single),
        }

    def _ids(self, targets: list[str]) -> NDArray[np.int64]:
        """The tokens that words are or, where they are no tokens, begin with."""
        tokenizer = self._encoder.tokenizer
        ids: set[int] = set()
        for target in targets:
            token = tokenizer.token_to_id(target)
            ids.update(tokenizer.encode(target, add_special_tokens=False).ids[:1] if token is None else [token])
        if not ids:
            raise RequestError(
                "invalid_request",
                f"parameters.targets has nothing that model {self._encoder.name!r} knows; send words of its language.",
            )
        return np.array(sorted(ids))
