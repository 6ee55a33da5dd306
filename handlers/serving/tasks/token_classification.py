"""Token classification: finds named entities, parts of speech and the like, token by token or as whole entities.

Gives the entities of the `token-classification` pipeline of transformers, aggregated in the same ways. The reply is
that of the Inference API, a list of entities: `[{"entity_group": "PER", "score", "word", "start", "end"}, ...]`, and
without aggregation `[{"entity": "B-PER", "score", "index", "word", "start", "end"}, ...]`. `start` and `end` count
Unicode code points of the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from handlers.serving.engines import Engine
from handlers.serving.errors import RequestError
from handlers.serving.requests import Fields, Texts, parse_texts
from handlers.serving.stores import StoredBundle
from handlers.serving.tasks.encoder import Encoder, Encodings
from handlers.serving.tasks.scores import label_names, softmax

# No model has labels of this length, and none has this many.
_MAX_LABEL_CHARACTERS = 100
_MAX_LABELS = 1000
# Half of what most models read, and far more than an entity has.
MAX_STRIDE = 256

_WORDS = ("first", "average", "max")


class Parameters(NamedTuple):
    """`stride` is the number of tokens that pieces of a long text share; None if only its beginning is read."""

    aggregation: str
    ignored: frozenset[str]
    stride: int | None


class Entity(NamedTuple):
    """A token, a word or several of them with their label, and the text as the tokenizer spells it."""

    label: str
    score: float
    word: str
    start: int
    end: int


@dataclass(frozen=True)
class _Token:
    """A token of a text; `inside` says that it continues a word. `scores`, of shape [labels], add up to 1."""

    scores: NDArray[np.float32]
    word: str
    start: int
    end: int
    index: int
    inside: bool


@dataclass(frozen=True)
class Pieces(Encodings):
    """Texts as tokens, a long text in several pieces; `owners` has the index of the text of each piece."""

    owners: list[int]


class TokenClassification:
    """A token classification model, ready to find entities."""

    EXAMPLE: ClassVar[Mapping[str, Any]] = {
        "inputs": "Goethe was born in Frankfurt.",
        "parameters": {"aggregation_strategy": "simple"},
    }

    def __init__(self, stored: StoredBundle, engine: Engine) -> None:
        self._encoder = Encoder(stored, engine)
        self._labels = label_names(stored.manifest)
        self._unknown = self._encoder.special("unk")
        # A tokenizer that marks the tokens inside of words knows what a word is.
        self._marks_words = bool(getattr(self._encoder.tokenizer.model, "continuing_subword_prefix", None))

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Texts[Parameters]:
        """See `Task.parse`: `aggregation_strategy`, by default none; `ignore_labels`, by default `O`; `stride`."""

        def parameters(given: Fields) -> Parameters:
            aggregation = given.choice("aggregation_strategy", ("none", "simple", *_WORDS), default="none")
            stride = given.integer("stride", default=None, lowest=0, highest=MAX_STRIDE)
            if stride is not None and aggregation == "none":
                raise RequestError(
                    "invalid_request",
                    "parameters.stride has a long text read in pieces, whose entities can only be put together with an "
                    "aggregation_strategy; set that to simple, first, average or max.",
                )
            ignored = ["O"]
            if "ignore_labels" in given:
                ignored, _ = given.texts("ignore_labels", _MAX_LABEL_CHARACTERS, _MAX_LABELS, empty=True)
            return Parameters(aggregation, frozenset(ignored), stride)

        return parse_texts(fields, ("aggregation_strategy", "ignore_labels", "stride"), parameters)

    def prepare(self, request: Texts[Parameters]) -> Pieces:
        """See `Task.prepare`. Of a long text, what is past the model's length is read only with a `stride`."""
        stride = request.parameters.stride
        self._check_stride(stride or 0)
        pieces, owners = [], []
        for owner, encoding in enumerate(self._encoder.encode(request.texts, overlap=stride or 0).encodings):
            found = [encoding, *encoding.overflowing] if stride is not None else [encoding]
            pieces += found
            owners += [owner] * len(found)
        return Pieces(self._encoder.checked(pieces).encodings, owners)

    def reply(self, request: Texts[Parameters], work: Pieces) -> list[Any]:
        """See `Task.reply`: the entities of each text, in the order in which they occur."""

        def entities(index: int, logits: NDArray[np.float32]) -> list[Any]:
            tokens = self._tokens(request.texts[work.owners[index]], work.encodings[index], softmax(logits))
            return self._entities(tokens, request.parameters)

        of_texts: list[list[list[Any]]] = [[] for _ in request.texts]
        for owner, found in zip(work.owners, self._encoder.run(work, "logits", entities), strict=True):
            of_texts[owner].append(found)
        replies = [_merged(found) if len(found) > 1 else found[0] for found in of_texts]
        if request.parameters.aggregation != "none":
            replies = [[_group(entity) for entity in reply] for reply in replies]
        return replies[0] if request.single else replies

    def _check_stride(self, stride: int) -> None:
        room = self._encoder.max_length - self._encoder.tokenizer.num_special_tokens_to_add(is_pair=False)
        if stride >= room:
            raise RequestError(
                "invalid_request",
                f"parameters.stride is {stride}; model {self._encoder.name!r} reads {room} tokens of a text at a time, "
                "and pieces of it can only share fewer.",
            )

    def _tokens(self, text: str, encoding: Encoding, scores: NDArray[np.float32]) -> list[_Token]:
        """The tokens of a text or piece, the special ones apart."""
        tokens = []
        for index, (number, word, (start, end)) in enumerate(
            zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True)
        ):
            if encoding.special_tokens_mask[index]:
                continue
            if number == self._unknown:
                word, inside = text[start:end], False
            elif self._marks_words:
                # A mark makes the token longer than its text.
                inside = len(word) != end - start
            else:
                inside = start > 0 and " " not in text[start - 1 : start + 1]
            tokens.append(_Token(scores[index], word, start, end, index, inside))
        return tokens

    def _entities(self, tokens: Sequence[_Token], parameters: Parameters) -> list[Any]:
        """What is found in a text or piece: entities or, without aggregation, what the reply has for each token."""
        if parameters.aggregation in _WORDS:
            found = [self._word(word, parameters.aggregation) for word in _words(tokens)]
        else:
            found = [self._entity([token], token.scores, token.word) for token in tokens]
        if parameters.aggregation == "none":
            return [
                {
                    "entity": entity.label,
                    "score": entity.score,
                    "index": token.index,
                    "word": entity.word,
                    "start": entity.start,
                    "end": entity.end,
                }
                for token, entity in zip(tokens, found, strict=True)
                if entity.label not in parameters.ignored
            ]
        return [entity for entity in self._joined(found) if entity.label not in parameters.ignored]

    def _word(self, tokens: Sequence[_Token], aggregation: str) -> Entity:
        if aggregation == "first":
            scores = tokens[0].scores
        elif aggregation == "max":
            scores = max(tokens, key=lambda token: token.scores.max()).scores
        else:
            scores = np.mean([token.scores for token in tokens], axis=0)
        return self._entity(tokens, scores, self._spelt([token.word for token in tokens]))

    def _entity(self, tokens: Sequence[_Token], scores: NDArray[np.float32], word: str) -> Entity:
        label = scores.argmax()
        return Entity(self._labels[label], float(scores[label]), word, tokens[0].start, tokens[-1].end)

    def _joined(self, entities: Sequence[Entity]) -> list[Entity]:
        """Neighbours with the same label as one, of the average score. A label that begins with B- begins anew."""
        groups: list[list[Entity]] = []
        for entity in entities:
            if groups and not entity.label.startswith("B-") and _kind(entity.label) == _kind(groups[-1][-1].label):
                groups[-1].append(entity)
            else:
                groups.append([entity])
        return [
            Entity(
                label=group[0].label.split("-", 1)[-1],
                score=float(np.mean([entity.score for entity in group])),
                word=self._spelt([entity.word for entity in group]),
                start=group[0].start,
                end=group[-1].end,
            )
            for group in groups
        ]

    def _spelt(self, words: list[str]) -> str:
        """Tokens as text."""
        decoder = self._encoder.tokenizer.decoder
        return decoder.decode(words) if decoder else " ".join(words)


def _words(tokens: Sequence[_Token]) -> list[list[_Token]]:
    words: list[list[_Token]] = []
    for token in tokens:
        if words and token.inside:
            words[-1].append(token)
        else:
            words.append([token])
    return words


def _kind(label: str) -> str:
    return label[2:] if label.startswith(("B-", "I-")) else label


def _merged(pieces: Sequence[Sequence[Entity]]) -> list[Entity]:
    """The entities of pieces that overlap, without those that overlap: of them the longest, then the most probable."""
    merged: list[Entity] = []
    for entity in sorted((entity for piece in pieces for entity in piece), key=lambda entity: entity.start):
        if not merged or not merged[-1].start <= entity.start < merged[-1].end:
            merged.append(entity)
        elif (entity.end - entity.start, entity.score) > (merged[-1].end - merged[-1].start, merged[-1].score):
            merged[-1] = entity
    return merged


def _group(entity: Entity) -> dict[str, Any]:
    return {
        "entity_group": entity.label,
        "score": entity.score,
        "word": entity.word,
        "start": entity.start,
        "end": entity.end,
    }
