"""The models of a function: each is loaded when it is first asked for, and kept."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.serving.bundle import MANIFEST, BundleError
from handlers.serving.engines import load_engine
from handlers.serving.stores import Store, StoredBundle
from handlers.serving.tasks.question_answering import QuestionAnswering

TASKS: Mapping[str, type[QuestionAnswering]] = {"question-answering": QuestionAnswering}


class Models:
    """Models by name, from a store.

    A model that could not be loaded is tried again the next time it is asked for: what was missing may have arrived.
    """

    def __init__(self, digests: Mapping[str, str], store: Store) -> None:
        """`digests` maps the name of each model to the digest of its bundle; the first one is the default model."""
        self._digests = dict(digests)
        self._store = store
        self._loaded: dict[str, QuestionAnswering] = {}

    @property
    def names(self) -> list[str]:
        """The models there are, the default one first."""
        return list(self._digests)

    def get(self, name: str) -> QuestionAnswering:
        """The model `name`, loaded now if it is not yet.

        Raises:
            BundleError: its bundle is missing, damaged, or of a kind that this image cannot run.
        """
        if name not in self._loaded:
            self._loaded[name] = load_model(self._store.open(name, self._digests[name]))
        return self._loaded[name]


def load_model(stored: StoredBundle) -> QuestionAnswering:
    """A bundle as a model that is ready to answer; raises `BundleError` when it cannot be loaded."""
    task = stored.manifest.task
    if task not in TASKS:
        raise BundleError(
            MANIFEST,
            f"{MANIFEST} of model {stored.manifest.name!r} has task {task!r}; this image has {', '.join(TASKS)}.",
        )
    return TASKS[task](stored, load_engine(stored))
