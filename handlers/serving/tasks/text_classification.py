"""Text classification: which of the model's classes a text belongs to, or which of them apply to it.

Gives the scores of the `text-classification` pipeline of transformers. The reply is that of the Inference API, a list
of classes for each text, and a list of them for one text, too: `[[{"label": "POSITIVE", "score": 0.99}, ...]]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.serving.engines import Engine
from handlers.serving.requests import Fields, Texts, parse_texts
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.encoder import Encoder, Encodings
from handlers.serving.tasks.scores import best, label_names, sigmoid, softmax

# As many as the classes of any model; it is there so that a mistyped number is noticed.
MAX_TOP_K = 1000

_FUNCTIONS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "sigmoid": sigmoid,
    "softmax": softmax,
    "none": lambda logits: logits,
}
# What a model was trained for says how its logits are to be read.
_BY_PROBLEM_TYPE = {
    "regression": "none",
    "multi_label_classification": "sigmoid",
    "single_label_classification": "softmax",
}


class Parameters(NamedTuple):
    """`function` is None where the model's own is asked for."""

    top_k: int
    function: str | None


class TextClassification:
    """A text classification model, ready to classify."""

    EXAMPLE: ClassVar[Mapping[str, Any]] = {"inputs": "I like this very much.", "parameters": {"top_k": 1}}

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        self._encoder = Encoder(stored, engine)
        self._labels = label_names(stored.manifest)
        problem_type = stored.manifest.options.get("problem_type", "")
        self._function = _BY_PROBLEM_TYPE.get(problem_type, "softmax" if len(self._labels) > 1 else "sigmoid")

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Texts[Parameters]:
        """See `Task.parse`: the best `top_k` classes, all by default, after `function_to_apply`."""

        def parameters(given: Fields) -> Parameters:
            return Parameters(
                top_k=given.integer("top_k", default=MAX_TOP_K, highest=MAX_TOP_K),
                function=given.choice("function_to_apply", tuple(_FUNCTIONS), default=None),
            )

        return parse_texts(fields, ("top_k", "function_to_apply"), parameters)

    def prepare(self, request: Texts[Parameters]) -> Encodings:
        """See `Task.prepare`. A long text is read as far as the model reads."""
        return self._encoder.encode(request.texts)

    def reply(self, request: Texts[Parameters], work: Encodings) -> list[list[dict[str, Any]]]:
        """See `Task.reply`: for each text, its classes with their scores, the best one first."""
        function = _FUNCTIONS[request.parameters.function or self._function]

        def classes(_: int, logits: NDArray[np.float32]) -> list[dict[str, Any]]:
            scores = function(logits)
            return [
                {"label": self._labels[index], "score": float(scores[index])}
                for index in best(scores, request.parameters.top_k)
            ]

        return self._encoder.run(work, "logits", classes)
