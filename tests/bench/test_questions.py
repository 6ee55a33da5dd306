"""Questions have the length that was asked for, as far as words and models allow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handlers.serving.application import Application
from handlers.serving.bundle import Bundle
from handlers.serving.stores.folder import FolderStore
from workbench.bench.measuring.questions import question

PROJECT = Path(__file__).parents[2]
BUNDLES = [
    "models/demo/nlp1",
    *sorted(
        str(path.parent.relative_to(PROJECT)) for path in (PROJECT / "tests/handlers/data/tasks").glob("*/bundle.json")
    ),
]


class Context:
    aws_request_id = "1"


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("tokens", [40, 60])
def test_a_question_of_every_task_is_answered_and_nearly_as_long_as_asked_for(
    bundle: str, tokens: int, tmp_path: Path
) -> None:
    body, count = question(PROJECT / bundle, tokens)
    assert tokens - 12 <= count <= tokens  # the next word would be too much; with a small vocabulary words are long
    manifest = Bundle.read(PROJECT / bundle)
    (tmp_path / manifest.name).mkdir()
    (tmp_path / manifest.name / manifest.digest).symlink_to(PROJECT / bundle)
    application = Application({manifest.name: manifest.digest}, FolderStore(tmp_path))
    reply = application({"body": json.dumps(body)}, Context())
    assert reply["statusCode"] == 200, reply["body"]


def test_a_question_is_no_longer_than_the_model_reads() -> None:
    longest = Bundle.read(PROJECT / "models/demo/nlp1").max_length
    assert question(PROJECT / "models/demo/nlp1", 5000)[1] <= longest
