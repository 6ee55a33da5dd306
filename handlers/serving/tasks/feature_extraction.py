"""Feature extraction: what the model computes for each token of a text, or one embedding of the whole text.

With `pooling` none the reply is that of the `feature-extraction` pipeline of transformers, `[[[0.1, ...], ...]]` with
a vector for each token. With mean or cls it is that of sentence-transformers, one vector for a text and a list of them
for a list, each of length 1 with `normalize`. `normalize`, `truncate` and `truncation_direction` are those of the
Inference API, which has them beside `inputs`; they may as well be among the `parameters`. `pooling` is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.serving.bundle import MANIFEST, BundleError
from handlers.serving.engines import Engine
from handlers.serving.errors import RequestError
from handlers.serving.requests import Fields, Texts, parse_texts
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.encoder import Encoder, Encodings

# Lambda's response may have 6 MB; a number takes up to 13 bytes.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_NUMBERS = 450_000
# As many as float32 has near 1; more would be longer and say nothing.
_DECIMALS = 7

_POOLING = ("none", "mean", "cls")
_PARAMETERS = ("pooling", "normalize", "truncate", "truncation_direction")


class Parameters(NamedTuple):
    """`pooling` and `normalize` are None where the model's own are asked for."""

    pooling: str | None
    normalize: bool | None
    truncate: bool
    direction: Any


class FeatureExtraction:
    """An encoder without a head, ready to embed."""

    EXAMPLE: ClassVar[Mapping[str, Any]] = {"inputs": ["First text.", "Second text."], "normalize": True}

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        self._encoder = Encoder(stored, engine)
        options = stored.manifest.options
        self._pooling = options.get("pooling")
        self._normalize = options.get("normalize", False)
        if self._pooling not in (None, *_POOLING):
            raise BundleError(
                MANIFEST, f"{MANIFEST} has pooling {self._pooling!r}; this image has {', '.join(_POOLING)}."
            )

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Texts[Parameters]:
        """See `Task.parse`: `pooling`, `normalize`, `truncate` (by default true) and `truncation_direction`."""

        def parameters(given: Fields) -> Parameters:
            pooling = given.choice("pooling", _POOLING, default=None)
            normalize = given.boolean("normalize", default=None)
            if pooling == "none" and normalize:
                raise RequestError(
                    "invalid_request",
                    "normalize is for one embedding of a text, and with pooling none there is one for each token; set "
                    "pooling to mean or cls.",
                )
            return Parameters(
                pooling=pooling,
                normalize=normalize,
                truncate=given.boolean("truncate", default=True),
                direction=given.choice("truncation_direction", ("left", "right"), default="right"),
            )

        return parse_texts(fields, _PARAMETERS, parameters, beside=True)

    def prepare(self, request: Texts[Parameters]) -> Encodings:
        """See `Task.prepare`."""
        work = self._encoder.encode(request.texts, direction=request.parameters.direction)
        longer = next((index for index, encoding in enumerate(work.encodings) if encoding.overflowing), None)
        if longer is not None and not request.parameters.truncate:
            raise RequestError(
                "too_large",
                f"inputs{'' if request.single else f'[{longer}]'} has more than the {self._encoder.max_length} tokens "
                f"that model {self._encoder.name!r} reads; shorten it, or set truncate to true.",
            )
        return work

    def reply(self, request: Texts[Parameters], work: Encodings) -> list[Any]:
        """See `Task.reply`: the vector or the vectors of each text."""
        parameters = request.parameters
        normalize = self._normalize if parameters.normalize is None else parameters.normalize
        # Where neither the request nor the bundle says how, to normalise is to ask for an embedding.
        pooling = parameters.pooling or self._pooling or ("mean" if normalize else "none")
        left = MAX_NUMBERS

        def features(_: int, hidden: NDArray[np.float32]) -> list[Any]:
            nonlocal left
            vectors = _pooled(hidden, pooling, normalize=normalize and pooling != "none")
            left -= vectors.size
            if left < 0:
                raise RequestError(
                    "too_large",
                    f"The reply would have more than {MAX_NUMBERS} numbers, which do not fit into the 6 MB of a reply. "
                    + ("Send fewer texts." if pooling != "none" else "Send fewer texts, or set pooling to mean."),
                )
            return vectors.astype(np.float64).round(_DECIMALS).tolist()

        replies = self._encoder.run(work, "last_hidden_state", features)
        return replies[0] if request.single else replies


def _pooled(hidden: NDArray[np.float32], pooling: str, *, normalize: bool) -> NDArray[np.float32]:
    """The vectors of the tokens, [1, tokens, size], or of the text, [size], from those of the tokens, [tokens, size]."""
    if pooling == "none":
        return hidden[None]
    vector = hidden[0] if pooling == "cls" else hidden.mean(axis=0)
    # The smallest length is that of PyTorch's `normalize`, which sentence-transformers uses.
    return vector / max(float(np.linalg.norm(vector)), 1e-12) if normalize else vector
