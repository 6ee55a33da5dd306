"""Trains the two demo models and seals them as bundles: `python -m workbench.models.demo.train`.

Needs the requirements of `workbench/models/requirements.txt`. Everything follows from the seeds below: on one machine,
with the same versions, training again gives the same bundles. Each model is trained by one process on one thread: at
this size a second thread gains little, and nothing on a busy machine.

What the models learn from is `workbench.models.demo.passages`; what answers in the evaluation is the code that serves.
"""

# pyright: reportMissingImports=false
# (torch and its kin are installed where models are made, not where the code is checked)

from __future__ import annotations

import argparse
import itertools
import logging
import math
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime as ort
import torch
from tokenizers import Encoding, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import DistilBertConfig, DistilBertForQuestionAnswering

from handlers.serving.bundle import Bundle
from handlers.serving.models import load_model
from handlers.serving.stores.folder import open_folder
from handlers.serving.tasks.question_answering import Answer
from infra.sample import PASSAGE, QUESTIONS
from workbench.models.bundles import seal
from workbench.models.demo.passages import MENTION_KINDS, Passage, Question, pairs, passages

OUTPUT = Path("models/demo")
# Name of each model and whether its tokenizer tells upper from lower case.
CASED = {"nlp1": False, "nlp2": True}
# Goes into the bundles; raise it with every change to the passages, the model or the training.
REVISION = "1"
MAX_BYTES = 4_000_000

MAX_LENGTH = 384
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = 2500
TOKENIZER_PASSAGES = 6000
TOKENIZER_SEED = 1
TRAINING_SEED = 2
EVALUATION_SEED = 3
EVALUATED_PAIRS = 300
REQUIRED_SHARE = 0.9

# The passage that the demo is shown with, and what it must answer. Nothing of it is trained on.
PASSAGE_ANSWERS: dict[str, str] = dict(zip(QUESTIONS, ("1886", "Karl Benz"), strict=True))


@dataclass(frozen=True)
class Stage:
    """A part of the training: `steps` batches of passages of (fewest, most) `sentences`."""

    sentences: tuple[int, int]
    steps: int


# Short passages first: where an answer begins and ends is learnt there soonest, and which one is asked for thereafter.
# The long ones teach every position there is; the last ones are of the length that the models are for.
STAGES = (Stage((1, 3), 900), Stage((1, 7), 1500), Stage((2, 16), 400), Stage((2, 8), 1900))
BATCH = 32
LEARNING_RATE = 2e-3
WARM_UP_STEPS = 200
# Of the examples, how many ask for what the text does not tell. The answer is then the classification token, which is
# what a window must say when the answer lies in another window.
UNANSWERABLE_SHARE = 0.08
MATCHING_LAYERS = 2
MATCHING_STRENGTH = 0.7
# Sequences are padded to a multiple of this: each new shape costs the CPU kernels a preparation.
PADDING = 32

QUESTIONS_PER_PASSAGE = 2
BATCHES_AT_ONCE = 32


class TrainingError(Exception):
    """The models could not be made; the message is a sentence for the user."""


def train_tokenizer(*, cased: bool) -> Tokenizer:
    """A WordPiece tokenizer for the words of generated text, which takes names, and all it has not seen, to pieces."""
    normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=True)
    # Latin letters, with and without marks, digits, and punctuation: any word made of these can be taken to pieces.
    codes = itertools.chain(range(0x21, 0x250), range(0x2010, 0x2030))
    characters = sorted(set(normalizer.normalize_str("".join(filter(str.isprintable, map(chr, codes))))) - {" "})
    pieces = characters + [f"##{character}" for character in characters]

    # The trainer numbers the pieces that it is given in their order, and those that it finds by itself in a different
    # one each time it runs, with other tokens as the result. So it is given all single characters.
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY - 2 * 100, min_frequency=5, special_tokens=SPECIAL + pieces, show_progress=False
    )
    learner = _tokenizer(models.WordPiece(unk_token=SPECIAL[1]), normalizer)
    learner.train_from_iterator(_tokenizer_texts(), trainer)
    vocabulary = learner.get_vocab()
    # Numbers are written with two digits a token, so that a year is two tokens whether it was ever seen or not.
    for number in range(100):
        for piece in (f"{number:02}", f"##{number:02}"):
            vocabulary.setdefault(piece, len(vocabulary))

    tokenizer = _tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[1]), normalizer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece()
    # Spelt out in a text, each of them is one token, as it is for the tokenizers of transformers.
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def _tokenizer(model: models.WordPiece, normalizer: normalizers.BertNormalizer) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _tokenizer_texts() -> Iterator[str]:
    """Generated text without digits, and most of it without names: the vocabulary is for words."""
    no_digits = str.maketrans("", "", "0123456789")
    for number, passage in enumerate(itertools.islice(passages(TOKENIZER_SEED), TOKENIZER_PASSAGES)):
        text = passage.context
        if number % 4:
            for mention in reversed(passage.mentions):
                if mention.kind != "thing":
                    text = text[: mention.start] + text[mention.end :]
        else:
            yield from (question.text.translate(no_digits) for question in passage.questions)
        yield text.translate(no_digits)


@dataclass(frozen=True)
class Example:
    """One tokenised question and passage, cut to a window of it if it is too long.

    `first` and `last` are the positions of the answer's tokens, both 0 (the classification token) if there is no
    answer. For each token, `kinds` says what it is part of: 0 for nothing, and for each of `MENTION_KINDS` an odd number
    where a mention begins and the next even one inside it; `told` is 1 where the answer is told and else 0. Outside the
    passage, which begins at `context`, both are `IGNORED`.
    """

    ids: list[int]
    kinds: list[int]
    told: list[int]
    context: int
    first: int
    last: int


IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Examples side by side: [batch, sequence] for what each token has, [batch] for `first` and `last`."""

    ids: Tensor
    attended: Tensor
    eligible: Tensor
    kinds: Tensor
    told: Tensor
    first: Tensor
    last: Tensor


def batches(tokenizer: Tokenizer, sentences: tuple[int, int], seed: int) -> Iterator[Batch]:
    """Endless batches of examples, no passage used twice; those of one batch have similar lengths."""
    source = random.Random(seed)  # noqa: S311 - for training, not a secret
    asked = _asked(sentences, seed, source)
    while True:
        drawn = list(itertools.islice(asked, BATCH * BATCHES_AT_ONCE))
        encodings = tokenizer.encode_batch([(question.text, passage.context) for passage, question, _ in drawn])
        examples = [
            _example(encoding, passage, question if answerable else None, source)
            for encoding, (passage, question, answerable) in zip(encodings, drawn, strict=True)
        ]
        examples.sort(key=lambda example: len(example.ids))
        together = [examples[at : at + BATCH] for at in range(0, len(examples), BATCH)]
        source.shuffle(together)
        yield from map(_batch, together)


def _asked(sentences: tuple[int, int], seed: int, source: random.Random) -> Iterator[tuple[Passage, Question, bool]]:
    """Passages with a question each, a few times the same passage, and whether it answers the question."""
    foreign: Question | None = None
    for passage in passages(seed, sentences=sentences):
        for question in source.sample(passage.questions, min(QUESTIONS_PER_PASSAGE, len(passage.questions))):
            if foreign and source.random() < UNANSWERABLE_SHARE:
                yield passage, foreign, False
            else:
                yield passage, question, True
        foreign = passage.questions[0]


def _example(encoding: Encoding, passage: Passage, question: Question | None, source: random.Random) -> Example:
    """The example; `question` is None where the passage does not answer what is asked."""
    kind_of = [0] * (len(passage.context) + 1)
    for mention in passage.mentions:
        kind = 2 * MENTION_KINDS.index(mention.kind) + 1
        kind_of[mention.start : mention.end] = [kind, *[kind + 1] * (mention.end - mention.start - 1)]
    told_from, told_to = question.told if question else (0, 0)

    ids, sequence, characters = encoding.ids, encoding.sequence_ids, encoding.offsets
    context = sequence.index(1)
    kinds, told = [IGNORED] * len(ids), [IGNORED] * len(ids)
    first = last = 0
    for at in range(context, len(ids) - 1):
        start, end = characters[at]
        kinds[at] = kind_of[start]
        told[at] = int(told_from <= start < told_to)
        if question and start == question.start:
            first = at
        if question and end == question.end:
            last = at
    if len(ids) > MAX_LENGTH:
        room = MAX_LENGTH - context - 1
        begin = source.randint(context, len(ids) - 1 - room)
        ids, kinds, told = (row[:context] + row[begin : begin + room] + row[-1:] for row in (ids, kinds, told))
        inside = begin <= first and last < begin + room
        first, last = (first - begin + context, last - begin + context) if inside else (0, 0)
    return Example(ids, kinds, told, context, first, last)


def _batch(examples: list[Example]) -> Batch:
    longest = max(len(example.ids) for example in examples)
    shape = len(examples), math.ceil(longest / PADDING) * PADDING
    ids, attended, eligible = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    kinds, told = (torch.full(shape, IGNORED) for _ in range(2))
    for row, example in enumerate(examples):
        length = len(example.ids)
        ids[row, :length] = torch.tensor(example.ids)
        kinds[row, :length] = torch.tensor(example.kinds)
        told[row, :length] = torch.tensor(example.told)
        attended[row, :length] = 1
        eligible[row, example.context : length - 1] = 1
        eligible[row, 0] = 1
    first = torch.tensor([example.first for example in examples])
    last = torch.tensor([example.last for example in examples])
    return Batch(ids, attended, eligible, kinds, told, first, last)


def new_model(vocabulary: int) -> DistilBertForQuestionAnswering:
    """An untrained model."""
    config = DistilBertConfig(
        vocab_size=vocabulary,
        max_position_embeddings=MAX_LENGTH,
        dim=128,
        n_layers=4,
        n_heads=4,
        hidden_dim=256,
        # Every batch is new, so nothing can be learnt by heart and dropping units would only slow learning down.
        dropout=0.0,
        attention_dropout=0.0,
        qa_dropout=0.0,
        # 0.02, the default, is meant for models six times as wide and slows a narrow one down at first.
        initializer_range=0.05,
        pad_token_id=0,
        # With 16-bit arithmetic on a CPU the plain formula is twice as fast as the fused kernel.
        attn_implementation="eager",
    )
    model = DistilBertForQuestionAnswering(config)
    # Equal queries and keys let a token look at others like it from the start: the words of the question at the same
    # words of the passage. The idea is that of https://arxiv.org/abs/2305.09828.
    with torch.no_grad():
        for layer in model.distilbert.transformer.layer[:MATCHING_LAYERS]:
            weight = torch.randn(config.dim, config.dim) * MATCHING_STRENGTH / math.sqrt(config.dim)
            layer.attention.q_lin.weight.copy_(weight)
            layer.attention.k_lin.weight.copy_(weight)
    return model


class Objective(nn.Module):
    """What a model is trained for: the answers, and two things that it needs on the way to them.

    An answer says something about two tokens of a passage. Half-way up the model is therefore also asked what each token
    is part of (which teaches it the borders of names, years and so on), and a layer further up whether the answer is told
    there (which teaches it to look up what is asked for). These two heads are not part of the bundle.
    """

    def __init__(self, model: DistilBertForQuestionAnswering) -> None:
        super().__init__()
        self.model = model
        self.kind = nn.Linear(model.config.dim, 2 * len(MENTION_KINDS) + 1)
        self.told = nn.Linear(model.config.dim, 2)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of the answers, that of the two other tasks, and for each example whether the answer is exact."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = self.model(input_ids=batch.ids, attention_mask=batch.attended, output_hidden_states=True)
            kind = self.kind(output.hidden_states[2])
            told = self.told(output.hidden_states[3])
        start, end = (
            logits.float().masked_fill(batch.eligible == 0, -1e4) for logits in (output.start_logits, output.end_logits)
        )
        answers = functional.cross_entropy(start, batch.first) + functional.cross_entropy(end, batch.last)
        others = sum(
            functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
            for logits, labels in ((kind, batch.kinds), (told, batch.told))
        )
        exact = (start.argmax(1) == batch.first) & (end.argmax(1) == batch.last)
        return answers, torch.as_tensor(others), exact


def train_model(name: str, tokenizer: Tokenizer) -> DistilBertForQuestionAnswering:
    """A model trained on batches of all stages; prints its progress."""
    torch.manual_seed(TRAINING_SEED)
    model = new_model(tokenizer.get_vocab_size())
    objective = Objective(model)
    parameters = list(objective.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    steps = sum(stage.steps for stage in STAGES)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / WARM_UP_STEPS) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    began, done, losses, hits = time.monotonic(), 0, list[float](), list[float]()
    for number, stage in enumerate(STAGES):
        stream = batches(tokenizer, stage.sentences, TRAINING_SEED + 1000 * (number + 1))
        for batch in itertools.islice(stream, stage.steps):
            answers, others, exact = objective(batch)
            optimizer.zero_grad()
            (answers + others).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            losses.append(answers.item())
            hits.append(exact.float().mean().item())
            if done % 100 == 0 or done == steps:
                print(
                    f"{name}: step {done} of {steps}, up to {stage.sentences[1]} sentences: loss {np.mean(losses):.3f}, "
                    f"exact {np.mean(hits):.1%}, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
                losses.clear()
                hits.clear()
    return model.eval()


class _Logits(nn.Module):
    """The model with exactly the inputs and outputs that a bundle has."""

    def __init__(self, model: DistilBertForQuestionAnswering) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return output.start_logits, output.end_logits


def export(model: DistilBertForQuestionAnswering, path: Path) -> None:
    """Writes the model as one ONNX file, its graph optimised, and proves that it computes the same.

    Raises:
        TrainingError: ONNX Runtime computes something else from the file than torch does from the model.
    """
    module = _Logits(model).eval()
    ids, attended = _random_batch(2, 48)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=MAX_LENGTH)}
    with warnings.catch_warnings():
        # The exporter warns of its own internals, and of a library for pictures that is not there.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module,
            (ids, attended),
            input_names=["input_ids", "attention_mask"],
            output_names=["start_logits", "end_logits"],
            dynamic_shapes={"input_ids": sizes, "attention_mask": sizes},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    graph = cast("torch.onnx.ONNXProgram", program).model_proto
    _forget_source(graph)
    options = ort.SessionOptions()
    # The next level up lays weights out for the processor at hand, and the file would not be fit for another one.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    _prove(module, path)


def _forget_source(graph: onnx.ModelProto) -> None:
    """Takes out what the exporter notes about the code it ran: paths of this machine, and half the file."""
    for part in (
        graph,
        graph.graph,
        *graph.graph.node,
        *graph.graph.value_info,
        *graph.graph.input,
        *graph.graph.output,
    ):
        del part.metadata_props[:]
        part.doc_string = ""


def _random_batch(rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask of which the rows are padded more and more."""
    ids = torch.randint(4, VOCABULARY, (rows, length))
    kept = torch.tensor([max(2, length - row * length // 3) for row in range(rows)])
    attended = (torch.arange(length) < kept[:, None]).long()
    return ids * attended, attended


def _prove(module: nn.Module, path: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for rows, length in itertools.product((1, 3), (2, 17, 128, MAX_LENGTH)):
        ids, attended = _random_batch(rows, length)
        with torch.inference_mode():
            expected = module(ids, attended)
        actual = session.run(None, {"input_ids": ids.numpy(), "attention_mask": attended.numpy()})
        for ours, theirs in zip(actual, expected, strict=True):
            difference = np.abs(np.asarray(ours) - theirs.numpy())[attended.numpy() == 1].max()
            if difference > 1e-4:
                raise TrainingError(
                    f"The exported model's logits differ from the trained one's by {difference:.2g} for a batch of "
                    f"{rows} x {length} tokens; 0.0001 is allowed. Nothing was written."
                )


@dataclass(frozen=True)
class Figures:
    """What was measured about a bundle: bytes of its folder, share of exact answers, answers about the passage."""

    bundle: Bundle
    size: int
    exact: float
    answers: dict[str, Answer]


def evaluate(folder: Path) -> Figures:
    """Asks the bundle in `folder` held-out questions and those about the demo's passage, by the code that serves."""
    stored = open_folder(folder)
    model = load_model(stored)

    def ask(question: str, context: str) -> Answer:
        return model.answer(model.tokenize(question, context))[0]

    right = sum(
        ask(question.text, passage.context).answer == passage.answer(question)
        for passage, question in itertools.islice(pairs(EVALUATION_SEED, held_out=True), EVALUATED_PAIRS)
    )
    return Figures(
        bundle=stored.manifest,
        size=sum(file.stat().st_size for file in folder.iterdir()),
        exact=right / EVALUATED_PAIRS,
        answers={question: ask(question, PASSAGE) for question in PASSAGE_ANSWERS},
    )


def make(name: str, folder: Path) -> None:
    """Trains the model `name` and writes its bundle to `folder`, which is replaced only when the export is proven."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with tempfile.TemporaryDirectory(dir=folder.parent.parent, prefix=f".{name}-") as temporary:
        made = Path(temporary) / name
        made.mkdir()
        tokenizer = train_tokenizer(cased=CASED[name])
        tokenizer.save(str(made / "tokenizer.json"), pretty=False)
        model = train_model(name, tokenizer)
        export(model, made / "model.onnx")
        seal(
            made,
            name=name,
            task="question-answering",
            engine="onnx",
            precision="fp32",
            source={"model": "demo", "revision": REVISION},
            max_length=MAX_LENGTH,
        )
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)


def main() -> None:
    """Trains what the command line asks for, prints the figures, and fails if they are not good enough."""
    parser = argparse.ArgumentParser(
        prog="python -m workbench.models.demo.train", description="Trains the demo models and measures them."
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"folder for the bundles (default: {OUTPUT})")
    parser.add_argument("--only", choices=CASED, help="train this model and leave the other one alone")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(CASED)
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with ProcessPoolExecutor(len(names), mp_context=multiprocessing.get_context("spawn")) as processes:
            list(processes.map(make, names, [arguments.output / name for name in names]))
        print(f"Trained in {time.monotonic() - began:.0f} s.")
        failures = [failure for name in names for failure in report(evaluate(arguments.output / name))]
    except TrainingError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"The bundles cannot be written to {arguments.output}: {error}.")
    if failures:
        sys.exit("\n".join(failures))


def report(figures: Figures) -> list[str]:
    """Prints what was measured about a bundle; returns a sentence for each requirement that it misses."""
    name, size = figures.bundle.name, figures.size
    print(f"{name}: {size:,} bytes, digest {figures.bundle.digest}")
    print(f"{name}: {figures.exact:.1%} of {EVALUATED_PAIRS} held-out questions answered exactly")
    for question, answer in figures.answers.items():
        print(f"{name}: {question} {answer.answer} (score {answer.score:.3f})")
    failures: list[str] = []
    if size > MAX_BYTES:
        failures.append(f"{name} has {size:,} bytes; a demo bundle may have {MAX_BYTES:,}. Make the model smaller.")
    if figures.exact < REQUIRED_SHARE:
        failures.append(
            f"{name} answers {figures.exact:.1%} exactly; {REQUIRED_SHARE:.0%} is required. Train it longer."
        )
    for question, answer in figures.answers.items():
        if answer.answer != PASSAGE_ANSWERS[question]:
            failures.append(f"{name} answers {question!r} with {answer.answer!r}, not {PASSAGE_ANSWERS[question]!r}.")
    return failures


if __name__ == "__main__":
    main()
