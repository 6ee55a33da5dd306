"""The shipped demo models: what they must be able to do, and what they must not have seen."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.serving.models import load_model
from handlers.serving.stores.folder import open_folder
from handlers.serving.tasks.question_answering import QuestionAnswering
from infra.sample import PASSAGE, QUESTIONS
from workbench.models.demo.passages import MENTION_KINDS, is_held_out, pairs, passages

DEMO = Path(__file__).parents[2] / "models" / "demo"
MODELS = ("nlp1", "nlp2")
ANSWERS: dict[str, str] = dict(zip(QUESTIONS, ("1886", "Karl Benz"), strict=True))

# Used nowhere else: neither in the training nor in its evaluation.
FRESH_SEED = 20_260_101
# The names and years of the sample passage, and the thing that its questions are about.
RESERVED = re.compile(
    r"karl|benz|ford|motorwagen|\bmodel t\b|\bcars?\b|automobile|horseless|(?<!\d)(1886|1908)(?!\d)", re.IGNORECASE
)


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> QuestionAnswering:
    return load_model(open_folder(DEMO / request.param))


def answer(model: QuestionAnswering, question: str, context: str) -> str:
    return model.answer(model.tokenize(question, context))[0].answer


@pytest.mark.parametrize("name", MODELS)
def test_a_demo_bundle_is_small(name: str) -> None:
    assert sum(file.stat().st_size for file in (DEMO / name).iterdir()) <= 4_000_000


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_sample_questions_are_answered(model: QuestionAnswering, question: str) -> None:
    assert answer(model, question, PASSAGE) == ANSWERS[question]


def test_fresh_questions_are_answered_exactly(model: QuestionAnswering) -> None:
    fresh = list(itertools.islice(pairs(FRESH_SEED, held_out=True), 300))
    wrong = [
        (question.text, passage.answer(question), given)
        for passage, question in fresh
        if (given := answer(model, question.text, passage.context)) != passage.answer(question)
    ]
    assert len(wrong) <= 30, f"{len(wrong)} of {len(fresh)} answered wrongly, among them {wrong[:5]}"


@pytest.mark.parametrize("name", ["Østergård", "Nguyễn", "D'Annunzio", "Xzqwvk", "Li-Čapek", "Zürcher", "1886"])
def test_an_unseen_name_is_taken_to_pieces(model: QuestionAnswering, name: str) -> None:
    windows = model.tokenize("Who?", f"{name} did.")
    unknown = 1
    assert unknown not in windows.ids


def test_the_sample_passage_is_not_in_the_training_text() -> None:
    for passage in itertools.islice(passages(11), 10_000):
        for text in (passage.context, *(question.text for question in passage.questions)):
            found = RESERVED.search(text)
            assert found is None, f"{found.group()!r} in {text!r}"


def test_no_generated_sentence_is_a_paraphrase_of_the_sample_passage() -> None:
    """Seven words in a row of one of its sentences would be more than the same kind of sentence."""
    known = runs_of_words(PASSAGE, 7)
    for passage in itertools.islice(passages(12), 5_000):
        assert not known & runs_of_words(passage.context, 7)


def runs_of_words(text: str, length: int) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for sentence in re.split(r"(?<=[.!?]) ", text.casefold()):
        words = re.findall(r"\w+", sentence)
        found |= set(zip(*(words[at:] for at in range(length)), strict=False))
    return found


def test_an_answer_is_where_the_passage_says() -> None:
    for passage in itertools.islice(passages(13), 1_000):
        for mention in passage.mentions:
            assert mention.kind in MENTION_KINDS
        for question in passage.questions:
            words = passage.context[question.start : question.end]
            assert words == passage.answer(question)
            assert words == words.strip() != ""
            assert question.told[0] <= question.start < question.end <= question.told[1]
            assert any((m.start, m.end) == (question.start, question.end) for m in passage.mentions)


def test_held_out_passages_are_about_other_people_and_things() -> None:
    def names(*, held_out: bool) -> set[str]:
        return {
            passage.context[mention.start : mention.end].casefold()
            for passage in itertools.islice(passages(14, held_out=held_out), 2_000)
            for mention in passage.mentions
            if mention.kind in ("person", "thing")
        }

    both = names(held_out=True) & names(held_out=False)
    assert not both, sorted(both)[:10]
    assert is_held_out("Oslo") is is_held_out("oslo")


def test_the_same_seed_gives_the_same_passages_in_another_process() -> None:
    code = (
        "import itertools; from workbench.models.demo.passages import pairs; "
        "print([(p.context, q) for p, q in itertools.islice(pairs(15), 50)])"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=DEMO.parents[1],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]


def test_the_generator_needs_neither_torch_nor_a_tokenizer() -> None:
    code = (
        "import sys, workbench.models.demo.passages; "
        "print(*{'torch', 'transformers', 'tokenizers', 'numpy'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=DEMO.parents[1], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == ""
