"""The proof of a bundle: what it answers to the probes, compared with what the original in PyTorch would.

Everything but the engine is what a function runs: the bundle's engine on the one side and the original on the other
stand behind the same code of a task, from text to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handlers.serving.bundle import BundleError
from handlers.serving.engines import Engine, load_engine
from handlers.serving.errors import RequestError
from handlers.serving.models import TASKS
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks import Task
from handlers.serving.tasks.encoder import Encoder
from workbench.models.errors import ModelError
from workbench.models.probes import probes

LARGEST_LOGIT_DIFFERENCE = 1e-3

# Texts of a request, where a task takes several: they are run together, so that shorter ones are padded.
_BATCH = 4
_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    # The label of every token, rather than those of the entities that are found.
    "token-classification": {"ignore_labels": []},
    "zero-shot-classification": {"candidate_labels": ["travel", "science", "money", "food and drink"]},
}

Progress = Callable[[int, int], None]


def no_progress(done: int, of: int) -> None:
    """Tells nobody that `done` of so many probes have been run."""


@dataclass(frozen=True)
class Proof:
    """How the answers of a bundle compare with those of the original, over a number of `probes`.

    `agreement` is the share of the best answers that are the same: spans, classes, labels of tokens, words for a mask
    (of embeddings: the mean cosine similarity). `largest_score_drift` is over the scores of these answers (of
    embeddings: 1 - cosine similarity), `largest_logit_difference` over the outputs for all tokens that are not padding.
    """

    probes: int
    agreement: float
    largest_logit_difference: float
    largest_score_drift: float

    def to_json(self) -> dict[str, str | int | float]:
        """The proof as a manifest has it: rounded, as the last digits differ from one CPU to the next."""
        return {
            **asdict(self),
            "agreement": round(self.agreement, 6),
            "largest_logit_difference": float(f"{self.largest_logit_difference:.2g}"),
            "largest_score_drift": float(f"{self.largest_score_drift:.2g}"),
        }


def prove(stored: StoredBundle, original: Engine, progress: Progress = no_progress) -> Proof:
    """Asks the bundle, and the original in its place, what a function would be asked.

    Raises:
        ModelError: the bundle cannot be loaded, or answers none of the probes.
    """
    task = stored.manifest.task
    try:
        recorders = _Recorder(original), _Recorder(load_engine(stored))
        models = [TASKS[task](stored, recorder) for recorder in recorders]
        requests = list(_requests(stored))
    except BundleError as error:
        raise ModelError(f"The new bundle does not load: {error}") from error
    asked, agreements, drift, difference = 0, [], 0.0, 0.0
    for done, (count, fields) in enumerate(requests):
        progress(done, len(requests))
        try:
            expected, actual = (_asked(model, {"model_type": stored.manifest.name, **fields}) for model in models)
        except RequestError:
            continue  # a short model has no room for a long question, and a tokenizer may know none of a script
        asked += count
        for agreement, moved in _compared(task, expected, actual):
            agreements.append(agreement)
            drift = max(drift, moved)
        difference = max(difference, _largest_difference(*recorders))
    if not agreements:
        raise ModelError(f"The new bundle of {stored.manifest.name} answers none of the {len(probes())} probes.")
    return Proof(asked, float(np.mean(agreements)), difference, drift)


def check(name: str, precision: str, proof: Mapping[str, str | int | float], min_agreement: float) -> None:
    """Refuses a bundle whose proof does not suffice.

    fp32 has to give all answers of the original with logits that differ by at most `LARGEST_LOGIT_DIFFERENCE`; a lower
    precision the share `min_agreement` of them.

    Raises:
        ModelError: it does not.
    """
    agreement = float(proof.get("agreement", 0))
    difference = float(proof.get("largest_logit_difference", np.inf))
    if precision == "fp32":
        if difference > LARGEST_LOGIT_DIFFERENCE or agreement < 1:
            raise ModelError(
                f"{name} is refused: in fp32, logits differ from the original's by up to {difference:.2g} (allowed: "
                f"{LARGEST_LOGIT_DIFFERENCE:.0e}) and {agreement:.1%} of the answers are the same (needed: 100%). The "
                "bundle does not preserve this model; if it is one for engine onnx, use engine torch."
            )
    elif agreement < min_agreement:
        raise ModelError(
            f"{name} is refused: in {precision}, {agreement:.1%} of the answers are those of the original (needed: "
            f"{min_agreement:.0%}), and scores drift by up to {float(proof.get('largest_score_drift', np.inf)):.2f}. "
            "Use precision fp32, or accept this with --min-agreement."
        )


class _Recorder:
    """An engine that keeps what it was given and gave, until somebody takes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._runs: list[tuple[NDArray[np.int64], list[NDArray[np.float32]]]] = []

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """See `Engine.run`."""
        arrays = self._engine.run(inputs, outputs)
        self._runs.append((inputs["attention_mask"], arrays))
        return arrays

    def take(self) -> list[tuple[NDArray[np.int64], list[NDArray[np.float32]]]]:
        """The attention mask and the outputs of each run since the last time."""
        taken, self._runs = self._runs, []
        return taken


def _requests(stored: StoredBundle) -> Iterator[tuple[int, dict[str, Any]]]:
    """The probes as requests of the bundle's task, each with the number of probes in it."""
    task = stored.manifest.task
    if task == "question-answering":
        for probe in probes():
            yield 1, {"question": probe.question, "context": probe.text}
        return
    texts = [probe.text for probe in probes()]
    parameters = dict(_PARAMETERS.get(task, {}))
    if task == "fill-mask":
        mask = mask_token(stored)
        texts = [_masked(text, mask) for text in texts]
    if task == "feature-extraction" and stored.manifest.options.get("pooling", "none") == "none":
        parameters["pooling"] = "mean"
    for start in range(0, len(texts), _BATCH):
        several = texts[start : start + _BATCH]
        yield len(several), {"inputs": several, "parameters": parameters}


def mask_token(stored: StoredBundle) -> str:
    """The text that stands for a masked word in requests to a fill-mask model.

    Raises:
        BundleError: the tokenizer cannot be read, or has no such token.
    """
    encoder = Encoder(stored, load_engine(stored))
    mask = encoder.special("mask")
    text = None if mask is None else encoder.tokenizer.id_to_token(mask)
    if text is None:
        raise BundleError("tokenizer.json", "tokenizer.json has no token for masks, which fill-mask needs.")
    return text


def _masked(text: str, mask: str) -> str:
    words = text.split(" ")
    # Near the beginning, so that truncation does not take it away.
    words[min(len(words) // 2, 50)] = mask
    return " ".join(words)


def _asked(model: Task, fields: Mapping[str, Any]) -> Any:
    request = model.parse(fields)
    return model.reply(request, model.prepare(request))


def _compared(task: str, expected: Any, actual: Any) -> Iterator[tuple[float, float]]:
    """For each answer of a reply, how far it agrees, 0 to 1, and how far its score has moved."""
    if task == "feature-extraction":
        for a, b in zip(np.asarray(expected), np.asarray(actual), strict=True):
            similarity = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
            yield similarity, max(0.0, 1 - similarity)
        return
    for (answer, score), (given, its_score) in zip(_best(task, expected), _best(task, actual), strict=True):
        yield float(answer == given), abs(score - its_score)


def _best(task: str, reply: Any) -> list[tuple[object, float]]:
    """The best answers of a reply with their scores: one for each text, of token classification one for each token."""
    if task == "question-answering":
        return [((reply["start"], reply["end"]), reply["score"])]
    if task == "token-classification":
        return [((token["start"], token["entity"]), token["score"]) for text in reply for token in text]
    key = "token" if task == "fill-mask" else "label"
    return [(text[0][key], text[0]["score"]) for text in reply]


def _largest_difference(one: _Recorder, other: _Recorder) -> float:
    """Over all outputs since the last time, those for padding apart."""
    largest = 0.0
    for (mask, expected), (_, actual) in zip(one.take(), other.take(), strict=True):
        for a, b in zip(expected, actual, strict=True):
            gap = np.abs(a - b)
            # Outputs for each token have a dimension more than those for each text.
            largest = max(largest, float((gap[mask.astype(bool)] if gap.ndim == 3 else gap).max()))
    return largest
