"""The lock file: what is written is read again, and a damaged one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from handlers.serving.bundle import BundleFile
from workbench.models.errors import ModelError
from workbench.models.lock import Lock, Locked

ENTRY = Locked("acme/squad", "main", "c" * 40, (BundleFile("config.json", 2, "a" * 64),))


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = Lock({}).with_entry(ENTRY)
    lock.write(tmp_path / "lock.json")
    assert Lock.read(tmp_path / "lock.json") == lock
    assert lock.get("acme/squad", None) == ENTRY
    assert [path.name for path in tmp_path.iterdir()] == ["lock.json"]


def test_there_need_not_be_a_lock(tmp_path: Path) -> None:
    assert Lock.read(tmp_path / "lock.json") == Lock({})


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 1, "models": [{"source": "x"}]}'])
def test_a_damaged_lock_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="is not a lock of models"):
        Lock.read(tmp_path / "lock.json")


def test_a_lock_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"format": 2, "models": []}', encoding="utf-8")
    with pytest.raises(ModelError, match="has format 2"):
        Lock.read(tmp_path / "lock.json")
