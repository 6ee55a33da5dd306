"""The proof of a bundle: what it answers to the probes, compared with the original model in PyTorch.

Runs the bundle in the engine that a function runs it in. For question answering, where much lies between logits and an
answer, the code from text to answer is the handlers', too. For other tasks the raw outputs are compared, of padded
batches, and what their answers are made of: the highest class, or the mean embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from handlers.serving.bundle import BundleError
from handlers.serving.engines import Engine, load_engine
from handlers.serving.errors import RequestError
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.question_answering import QuestionAnswering
from workbench.models.checkpoint import TASKS, TOKENIZER
from workbench.models.errors import ModelError
from workbench.models.probes import Probe, probes

LARGEST_LOGIT_DIFFERENCE = 1e-3

# Texts that are run together, so that shorter ones are padded.
_BATCH = 4
# Tokens: longer than the windows that questions are answered in, and not so long that the proof takes minutes.
_LONGEST = 512
_MASKS = ("[MASK]", "<mask>")

Progress = Callable[[int, int], None]


def no_progress(done: int, of: int) -> None:
    """Tells nobody that `done` of so many probes have been run."""


@dataclass(frozen=True)
class Proof:
    """How a bundle compares with the original over a number of `probes`.

    `compared` says what: answers as they would be served, or logits. `agreement` is the share of answers that are the
    same (of logits: of highest classes; of embeddings: the mean cosine similarity). `largest_logit_difference` is over
    all tokens that are not padding, and `largest_score_drift` is that of the probability of an answer (of embeddings:
    1 - cosine similarity).
    """

    compared: Literal["answers", "logits"]
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


def prove(stored: StoredBundle, original: Engine, pad_id: int, progress: Progress = no_progress) -> Proof:
    """Compares the bundle with the original; `pad_id` is the token that fills up shorter texts of a batch.

    Raises:
        ModelError: the bundle cannot be loaded or run.
    """
    try:
        engine = load_engine(stored)
    except BundleError as error:
        raise ModelError(f"The new bundle does not load: {error}") from error
    if stored.manifest.task == "question-answering":
        return _prove_answers(stored, original, engine, progress)
    return _prove_logits(stored, original, engine, pad_id, progress)


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
                "export does not preserve this model; use engine torch."
            )
    elif agreement < min_agreement:
        raise ModelError(
            f"{name} is refused: in {precision}, {agreement:.1%} of the answers are those of the original (needed: "
            f"{min_agreement:.0%}), and scores drift by up to {float(proof.get('largest_score_drift', np.inf)):.2f}. "
            "Use precision fp32, or accept this with --min-agreement."
        )


class _Recorder:
    """An engine that keeps what it gave."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.given: list[NDArray[np.float32]] = []

    def run(self, inputs: Mapping[str, NDArray[np.int64]], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """See `Engine.run`."""
        arrays = self._engine.run(inputs, outputs)
        self.given += arrays
        return arrays


def _prove_answers(stored: StoredBundle, original: Engine, engine: Engine, progress: Progress) -> Proof:
    recorders = _Recorder(original), _Recorder(engine)
    models = [QuestionAnswering(stored, recorder) for recorder in recorders]
    asked, same, drift = 0, 0, 0.0
    for done, probe in enumerate(probes()):
        progress(done, len(probes()))
        try:
            expected, actual = (model.answer(model.tokenize(probe.question, probe.text))[0] for model in models)
        except RequestError:
            continue  # a short model has no room for a long question, and a tokenizer may know none of a script
        asked += 1
        same += (expected.start, expected.end) == (actual.start, actual.end)
        drift = max(drift, abs(expected.score - actual.score))
    difference = max(
        float(np.abs(expected - actual).max())
        for expected, actual in zip(recorders[0].given, recorders[1].given, strict=True)
    )
    return Proof("answers", asked, same / asked, difference, float(drift))


def _prove_logits(stored: StoredBundle, original: Engine, engine: Engine, pad_id: int, progress: Progress) -> Proof:
    task = stored.manifest.task
    outputs = TASKS[task].outputs
    tokenizer = _tokenizer(stored)
    agreements: list[float] = []
    difference = drift = 0.0
    for start in range(0, len(probes()), _BATCH):
        progress(start, len(probes()))
        encodings = [_encode(tokenizer, task, probe) for probe in probes()[start : start + _BATCH]]
        inputs = _padded(encodings, pad_id)
        real = inputs["attention_mask"].astype(bool)
        for expected, actual in zip(original.run(inputs, outputs), engine.run(inputs, outputs), strict=True):
            per_token = expected.shape[:2] == real.shape and expected.ndim == 3
            gap = np.abs(expected - actual)
            difference = max(difference, float((gap[real] if per_token else gap).max()))
            for row, encoding in enumerate(encodings):
                tokens = _compared_tokens(tokenizer, task, encoding) if per_token else slice(None)
                pair = expected[row][tokens], actual[row][tokens]
                agreement, moved = _embeddings(*pair) if task == "feature-extraction" else _classes(*pair)
                agreements.append(agreement)
                drift = max(drift, moved)
    return Proof("logits", len(agreements), float(np.mean(agreements)), difference, drift)


def _compared_tokens(tokenizer: Tokenizer, task: str, encoding: Encoding) -> list[int]:
    """Positions of the tokens whose outputs are answers: the masked ones, or all that are not padding."""
    if task == "fill-mask":
        masks = {tokenizer.token_to_id(mask) for mask in _MASKS}
        return [place for place, token in enumerate(encoding.ids) if token in masks] or [0]
    return list(range(len(encoding.ids)))


def _classes(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> tuple[float, float]:
    """Share of the same highest classes, and the largest change of their probability. Shapes: [..., classes]."""
    best = expected.argmax(-1, keepdims=True)
    moved = np.take_along_axis(_softmax(expected), best, -1) - np.take_along_axis(_softmax(actual), best, -1)
    return float((actual.argmax(-1, keepdims=True) == best).mean()), float(np.abs(moved).max())


def _embeddings(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> tuple[float, float]:
    """Cosine similarity of the mean over the tokens, and what it lacks to 1. Shapes: [tokens, width]."""
    a, b = expected.mean(0), actual.mean(0)
    similarity = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return similarity, max(0.0, 1 - similarity)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def _tokenizer(stored: StoredBundle) -> Tokenizer:
    file = stored.file(TOKENIZER)
    try:
        tokenizer = Tokenizer.from_file(str(file)) if isinstance(file, Path) else Tokenizer.from_buffer(bytes(file))
    except Exception as error:
        raise ModelError(f"{TOKENIZER} cannot be read by the tokenizers library ({error}).") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(stored.manifest.max_length, _LONGEST))
    return tokenizer


def _encode(tokenizer: Tokenizer, task: str, probe: Probe) -> Encoding:
    if task == "zero-shot-classification":
        return tokenizer.encode(probe.text, f"This example is about {probe.question}")
    if task == "fill-mask":
        words = probe.text.split(" ")
        mask = next((mask for mask in _MASKS if tokenizer.token_to_id(mask) is not None), _MASKS[0])
        # Near the beginning, so that truncation does not take it away.
        words[min(len(words) // 2, 50)] = mask
        return tokenizer.encode(" ".join(words))
    return tokenizer.encode(probe.text)


def _padded(encodings: Sequence[Encoding], pad_id: int) -> dict[str, NDArray[np.int64]]:
    """Encodings as inputs of shape [batch, longest]."""
    longest = max(len(encoding.ids) for encoding in encodings)

    def matrix(rows: Sequence[list[int]], fill: int) -> NDArray[np.int64]:
        return np.array([row + [fill] * (longest - len(row)) for row in rows], dtype=np.int64)

    return {
        "input_ids": matrix([encoding.ids for encoding in encodings], pad_id),
        "attention_mask": matrix([[1] * len(encoding.ids) for encoding in encodings], 0),
        "token_type_ids": matrix([encoding.type_ids for encoding in encodings], 0),
    }
