"""Zero-shot classification: how well labels that the request brings fit a text.

The model is one for natural language inference: it reads the text together with a hypothesis, "This example is ...",
for each label, and says whether the one entails the other. Gives the scores of the `zero-shot-classification` pipeline
of transformers. The reply is that of the Inference API, `[{"label": "sports", "score": 0.9}, ...]`, best label first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from handlers.serving.bundle import MANIFEST, BundleError
from handlers.serving.engines import Engine
from handlers.serving.errors import RequestError
from handlers.serving.requests import MAX_CHARACTERS_TOGETHER, Fields, Texts, parse_texts
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.encoder import Encoder, Encodings
from handlers.serving.tasks.scores import label_names, softmax

# The model reads each text once for each label.
MAX_LABELS = 100
# A hypothesis takes its tokens away from the text: these are long sentences.
_MAX_LABEL_CHARACTERS = 200
_MAX_TEMPLATE_CHARACTERS = 200

_TEMPLATE = "This example is {}."


class Parameters(NamedTuple):
    """The labels, the hypothesis of each, and whether more than one of them can be true."""

    labels: list[str]
    hypotheses: list[str]
    multi_label: bool


class ZeroShotClassification:
    """A model for natural language inference, ready to judge labels."""

    EXAMPLE: ClassVar[Mapping[str, Any]] = {
        "inputs": "The match ended two to one.",
        "parameters": {"candidate_labels": ["sports", "politics"]},
    }

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        self._encoder = Encoder(stored, engine)
        labels = label_names(stored.manifest)
        entailing = [index for index, label in enumerate(labels) if label.lower().startswith("entail")]
        if not entailing:
            raise BundleError(
                MANIFEST,
                f"{MANIFEST} of model {stored.manifest.name!r} has the labels {', '.join(labels)}, and none of them is "
                "entailment. Prepare a model for natural language inference.",
            )
        self._entailment = entailing[0]
        # The pipeline's rule: contradiction is the first class or, where that is entailment, the last one.
        self._contradiction = len(labels) - 1 if self._entailment == 0 else 0

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Texts[Parameters]:
        """See `Task.parse`: `candidate_labels`, and `multi_label` and `hypothesis_template`, which can be left out."""

        def parameters(given: Fields) -> Parameters:
            labels, _ = given.texts("candidate_labels", _MAX_LABEL_CHARACTERS, MAX_LABELS)
            template = _TEMPLATE
            if "hypothesis_template" in given:
                template = given.text("hypothesis_template", _MAX_TEMPLATE_CHARACTERS)
            if template.count("{}") != 1 or template.count("{") + template.count("}") != 2:
                raise RequestError(
                    "invalid_request",
                    "parameters.hypothesis_template must have {} once, where the label goes, and no other braces, as in "
                    f'"{_TEMPLATE}".',
                )
            return Parameters(
                labels=labels,
                hypotheses=[template.replace("{}", label) for label in labels],
                multi_label=given.boolean("multi_label", default=False),
            )

        request = parse_texts(fields, ("candidate_labels", "multi_label", "hypothesis_template"), parameters)
        labels = len(request.parameters.labels)
        if (characters := sum(map(len, request.texts)) * labels) > MAX_CHARACTERS_TOGETHER:
            raise RequestError(
                "too_large",
                f"inputs, which is read once for each of the {labels} labels, has {characters} characters in all; it "
                f"may have {MAX_CHARACTERS_TOGETHER}. Send shorter texts, fewer of them, or fewer labels.",
            )
        return request

    def prepare(self, request: Texts[Parameters]) -> Encodings:
        """See `Task.prepare`: each text with each hypothesis. If that is too long, it is the text that is cut."""
        pairs = [(text, hypothesis) for text in request.texts for hypothesis in request.parameters.hypotheses]
        return self._encoder.encode(pairs, strategy="only_first")

    def reply(self, request: Texts[Parameters], work: Encodings) -> list[Any]:
        """See `Task.reply`: for each text, the labels with their scores, the best one first."""
        labels = request.parameters.labels
        logits = np.array(self._encoder.run(work, "logits", lambda _, row: row))
        logits = logits.reshape(len(request.texts), len(labels), -1)
        if request.parameters.multi_label or len(labels) == 1:
            # Each label by itself: does it follow, or does its opposite?
            scores = softmax(logits[..., [self._contradiction, self._entailment]])[..., 1]
        else:
            scores = softmax(logits[..., self._entailment])
        replies = [
            [{"label": labels[index], "score": float(row[index])} for index in row.argsort()[::-1]] for row in scores
        ]
        return replies[0] if request.single else replies
