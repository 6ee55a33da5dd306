"""Extractive question answering: finds the span of a context that answers a question.

Gives the answers of the `question-answering` pipeline of transformers 4.57 with its defaults: the same windows over
long contexts, the same choice of spans, the same alignment to whole words. Works on token ids and logits alone, so it
does not depend on the engine that computes them. Made for encoders of the BERT family: one classification token, the
question, the context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.serving.engines import Engine
from handlers.serving.errors import RequestError
from handlers.serving.requests import MODEL, Fields
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.encoder import load_tokenizer, most_tokens
from handlers.serving.tasks.scores import softmax

MAX_TOP_K = 20
# A question takes its tokens away from each window over the context: this much is a long paragraph.
MAX_QUESTION_CHARACTERS = 2_000

# Tokens, of question and context together, that the model reads at once, and those that neighbouring windows share:
# the defaults of the pipeline.
_WINDOW = 384
_OVERLAP = 128

DEFAULT_ANSWER_LENGTH = 15
# Windows share this many tokens, so an answer of up to this length lies whole in one of them.
MAX_ANSWER_LENGTH = _OVERLAP

# They hold 15,000 tokens or so, 60,000 characters of English. It is what a model of the size of DistilBERT can read in
# time (`encoder.most_tokens`); a larger one has fewer.
MAX_WINDOWS = 64


@dataclass(frozen=True)
class Question:
    """A valid request; `max_answer_length` is in tokens."""

    model: str
    question: str
    context: str
    top_k: int
    max_answer_length: int

    @property
    def facts(self) -> dict[str, str | int]:
        """What the log may say of the request."""
        return {
            "question_characters": len(self.question),
            "context_characters": len(self.context),
            "top_k": self.top_k,
        }


class Answer(NamedTuple):
    """A span of the context: `context[start:end] == answer`, counted in Unicode code points.

    `score` is the probability of the span. The scores of equal answers, upper and lower case apart, are added up, as
    the pipeline does: windows overlap and a text can occur twice, so a score can exceed 1. `start` and `end` are then
    those of the occurrence in the earliest window.
    """

    answer: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class Windows:
    """A question and its context as tokens, cut into windows that the model can read.

    `ids`, `types` and `in_context`, each of shape [tokens], cover the whole sequence: classification token, question,
    separator, context, separator. A window is the positions in that sequence that the model reads together. The
    context begins at position `prefix` of the sequence and of each window.

    `characters`, of shape [tokens, 2], has where each token begins and ends in its text. `word_first` and `word_last`,
    of shape [tokens], have the positions of the first and the last token of the word that each token is part of.
    """

    context: str
    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    in_context: NDArray[np.bool_]
    characters: NDArray[np.int64]
    word_first: NDArray[np.int64]
    word_last: NDArray[np.int64]
    prefix: int
    windows: list[NDArray[np.int64]]

    @property
    def facts(self) -> dict[str, str | int]:
        """What the log may say of the windows."""
        return {"windows": len(self.windows)}


class QuestionAnswering:
    """A question answering model, ready to answer. Raises `BundleError` when its tokenizer cannot be read."""

    EXAMPLE: ClassVar[Mapping[str, Any]] = {"question": "Who wrote Faust?", "context": "Faust was written by Goethe."}

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        self._name = stored.manifest.name
        self._window = min(_WINDOW, stored.manifest.max_length)
        self._max_windows = max(1, min(MAX_WINDOWS, most_tokens(stored.manifest) // self._window))
        self._engine = engine
        self._tokenizer = load_tokenizer(stored)

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Question:
        """See `Task.parse`. A question can be sent in two ways, with the same reply.

        `{"question", "context", "top_k", "max_answer_length"}` is ours, and in the Inference API it is
        `{"inputs": {"question", "context"}, "parameters": {"top_k", "max_answer_len"}}`.
        """
        if "inputs" in fields:
            body = Fields(fields, (MODEL, "inputs", "parameters"))
            pair = body.inside("inputs", ("question", "context"))
            limits = body.inside("parameters", ("top_k", "max_answer_len"))
            longest = "max_answer_len"
        else:
            pair = limits = Fields(fields, (MODEL, "question", "context", "top_k", "max_answer_length"))
            longest = "max_answer_length"
        return Question(
            model=fields[MODEL],
            question=pair.text("question", MAX_QUESTION_CHARACTERS),
            context=pair.text("context"),
            top_k=limits.integer("top_k", default=1, highest=MAX_TOP_K),
            max_answer_length=limits.integer(longest, default=DEFAULT_ANSWER_LENGTH, highest=MAX_ANSWER_LENGTH),
        )

    def prepare(self, request: Question) -> Windows:
        """See `Task.prepare`."""
        return self.tokenize(request.question, request.context)

    def reply(self, request: Question, work: Windows) -> dict[str, Any]:
        """See `Task.reply`: the best answer and, if more are asked for, all of them as `answers`."""
        answers = self.answer(work, top_k=request.top_k, max_answer_length=request.max_answer_length)
        body = {MODEL: request.model, "question": request.question, **answers[0]._asdict()}
        if request.top_k > 1:
            body["answers"] = [answer._asdict() for answer in answers]
        return body

    def tokenize(self, question: str, context: str) -> Windows:
        """The windows over `context`, each together with the whole question.

        Raises:
            RequestError: the context has no tokens, the question leaves no room for it, or it is too long.
        """
        encoding = self._tokenizer.encode(question, context)
        in_context = np.array([sequence == 1 for sequence in encoding.sequence_ids])
        tokens = int(in_context.sum())
        if not tokens:
            raise RequestError(
                "invalid_request",
                f"context has no characters that model {self._name!r} can read; send text in a language it knows.",
            )
        prefix = int(in_context.argmax())
        words = np.array([-1 if word is None else word for word in encoding.word_ids])
        word_first, word_last = _runs(words, in_context)
        return Windows(
            context=context,
            ids=np.array(encoding.ids, dtype=np.int64),
            types=np.array(encoding.type_ids, dtype=np.int64),
            in_context=in_context,
            characters=np.array(encoding.offsets, dtype=np.int64),
            word_first=word_first,
            word_last=word_last,
            prefix=prefix,
            windows=self._cut(prefix, tokens, len(in_context)),
        )

    def answer(
        self, windows: Windows, *, top_k: int = 1, max_answer_length: int = DEFAULT_ANSWER_LENGTH
    ) -> list[Answer]:
        """The best answers, best first: at least one, at most `top_k`, each of up to `max_answer_length` tokens."""
        # Several spans can become the same answer when they are widened to whole words, hence more than `top_k`. The
        # number is the pipeline's; as the scores of equal answers are added up, another number gives other scores.
        count = 2 * top_k + 10
        found: dict[str, Answer] = {}
        for window in windows.windows:
            for first, last, score in self._spans(windows, window, count, max_answer_length):
                start = int(windows.characters[first, 0])
                end = int(windows.characters[last, 1])
                text = windows.context[start:end]
                known = found.get(text.lower())
                found[text.lower()] = (
                    known._replace(score=known.score + score) if known else Answer(text, score, start, end)
                )
        if not found:
            raise ArithmeticError(f"Model {self._name!r} computes logits that are not numbers.")
        return sorted(found.values(), key=lambda answer: answer.score, reverse=True)[:top_k]

    def _cut(self, prefix: int, tokens: int, total: int) -> list[NDArray[np.int64]]:
        """Positions of each window in a sequence of `total` tokens, `tokens` of them context from `prefix` on."""
        room = self._window - (total - tokens)
        overlap = min(_OVERLAP, self._window // 2)
        if tokens <= room:
            return [np.arange(total)]
        if room <= overlap:
            raise RequestError(
                "too_large",
                f"question and context have {total} tokens and model {self._name!r} reads {self._window} at a time, "
                f"which leaves too little of the context beside this question; shorten it by {overlap - room + 1} "
                "tokens or send a shorter context.",
            )
        starts = range(0, tokens - overlap, room - overlap)
        if len(starts) > self._max_windows:
            longest = (self._max_windows - 1) * (room - overlap) + room
            raise RequestError(
                "too_large",
                f"context has {tokens} tokens for model {self._name!r}; with this question it may have {longest}. "
                "Send the part of it in which you expect the answer.",
            )
        question, end = np.arange(prefix), np.arange(prefix + tokens, total)
        return [
            np.concatenate((question, np.arange(prefix + start, prefix + min(start + room, tokens)), end))
            for start in starts
        ]

    def _spans(
        self, windows: Windows, window: NDArray[np.int64], count: int, longest: int
    ) -> list[tuple[int, int, float]]:
        """The `count` most probable spans of a window, most probable first, each widened to whole words.

        A span is the positions of its first and last token in the whole sequence, and its probability.
        """
        ids = windows.ids[window]
        # One window a run: together they take no less time, and 50 MB more memory for each (DistilBERT, CPU).
        start_logits, end_logits = self._engine.run(
            {
                "input_ids": ids[None],
                "attention_mask": np.ones_like(ids)[None],
                "token_type_ids": windows.types[window][None],
            },
            ["start_logits", "end_logits"],
        )
        in_context = windows.in_context[window]
        # The classification token, which stands for "no answer here", has its share of the probability. The pipeline
        # finds it by its id, so one that is spelt out in a question has a share, too.
        sharing = in_context | (ids == windows.ids[0])
        start, end = (
            softmax(np.where(sharing, logits[0], -np.inf))[in_context] for logits in (start_logits, end_logits)
        )
        firsts, lasts, scores = best_spans(start, end, count, longest)
        # A word that the border of the window cuts is widened only as far as the window reaches.
        tokens = window[in_context]
        firsts = np.maximum(windows.word_first[tokens[firsts]], tokens[0])
        lasts = np.minimum(windows.word_last[tokens[lasts]], tokens[-1])
        return list(zip(firsts.tolist(), lasts.tolist(), scores.tolist(), strict=True))


def best_spans(
    start: NDArray[np.float32], end: NDArray[np.float32], count: int, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The most probable spans of 1 to `longest` tokens, at most `count` of them, most probable first.

    `start` and `end`, of shape [tokens], are the probabilities that the answer begins and ends with a token; a span
    has the product of the two. Gives first tokens, last tokens and probabilities, each of shape [spans].
    """
    tokens = len(start)
    longest = min(longest, tokens)
    # Element [token, extra] is the span from `token` to `token + extra`, -1 where that is past the end.
    lasts = np.arange(tokens)[:, None] + np.arange(longest)
    scores = start[:, None] * end[np.minimum(lasts, tokens - 1)]
    scores[lasts >= tokens] = -1
    scores = scores.ravel()

    count = min(count, scores.size)
    # In order of position first, then stably by score: the earlier of two equals comes first.
    best = np.sort(np.argpartition(-scores, count - 1)[:count])
    best = best[np.argsort(-scores[best], kind="stable")]
    best = best[scores[best] >= 0]
    first, extra = np.divmod(best, longest)
    return first, first + extra, scores[best]


def _runs(words: NDArray[np.int64], inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the first and the last token of the word that each token is part of, all of shape [tokens]."""
    begins = np.ones(len(words), dtype=bool)
    begins[1:] = (words[1:] != words[:-1]) | (inside[1:] != inside[:-1])
    firsts = np.flatnonzero(begins)
    lasts = np.append(firsts[1:], len(words)) - 1
    run = np.cumsum(begins) - 1
    return firsts[run], lasts[run]
