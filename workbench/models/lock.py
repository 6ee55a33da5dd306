"""`models.lock.json`: which commit of each model was downloaded, and every file of it with its checksum.

Kept under version control, so that whoever prepares the stack's models gets the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from handlers.serving.bundle import BundleFile
from workbench.models.errors import ModelError

LOCK = Path("models.lock.json")
FORMAT = 1
# What the hub calls the newest state of a model.
DEFAULT_REVISION = "main"


@dataclass(frozen=True)
class Locked:
    """A model of the hub, the revision that the configuration asks for, the commit that was, and its files."""

    source: str
    revision: str
    commit: str
    files: tuple[BundleFile, ...]


@dataclass(frozen=True)
class Lock:
    """The locked models, by source and revision."""

    entries: Mapping[tuple[str, str], Locked]

    @classmethod
    def read(cls, path: Path = LOCK) -> Lock:
        """The lock in the file at `path`, empty where there is none.

        Raises:
            ModelError: the file is not a lock of this format.
        """
        if not path.is_file():
            return cls({})
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["format"]
            entries = [
                Locked(
                    entry["source"],
                    entry["revision"],
                    entry["commit"],
                    tuple(BundleFile(**file) for file in entry["files"]),
                )
                for entry in content["models"]
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"{path} is not a lock of models ({error}); take it from version control again, or delete it to lock "
                "what the hub has now."
            ) from error
        if version != FORMAT:
            raise ModelError(f"{path} has format {version!r}; this version reads format {FORMAT}.")
        return cls({(entry.source, entry.revision): entry for entry in entries})

    def get(self, source: str, revision: str | None) -> Locked | None:
        """What is locked for a revision of a model, if anything is."""
        return self.entries.get((source, revision or DEFAULT_REVISION))

    def without(self, source: str, revision: str | None) -> Lock:
        """This lock without what it has for a revision of a model."""
        left_out = (source, revision or DEFAULT_REVISION)
        return replace(self, entries={key: entry for key, entry in self.entries.items() if key != left_out})

    def with_entry(self, entry: Locked) -> Lock:
        """This lock with `entry` in the place of what it has for the same revision of the same model."""
        return replace(self, entries={**self.entries, (entry.source, entry.revision): entry})

    def write(self, path: Path = LOCK) -> None:
        """Writes the lock to `path` in one step, in an order that keeps differences small."""
        content = {"format": FORMAT, "models": [asdict(self.entries[key]) for key in sorted(self.entries)]}
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
