"""The models of a function: each is loaded when it is first asked for, and kept. Here is which tasks there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from handlers.serving.bundle import MANIFEST, Bundle, BundleError
from handlers.serving.engines import load_engine
from handlers.serving.stores import Store, StoredBundle
from handlers.serving.tasks import Task
from handlers.serving.tasks.feature_extraction import FeatureExtraction
from handlers.serving.tasks.fill_mask import FillMask
from handlers.serving.tasks.question_answering import QuestionAnswering
from handlers.serving.tasks.text_classification import TextClassification
from handlers.serving.tasks.token_classification import TokenClassification
from handlers.serving.tasks.zero_shot_classification import ZeroShotClassification

TASKS: Mapping[str, type[Task]] = {
    "question-answering": QuestionAnswering,
    "text-classification": TextClassification,
    "token-classification": TokenClassification,
    "feature-extraction": FeatureExtraction,
    "fill-mask": FillMask,
    "zero-shot-classification": ZeroShotClassification,
}


Stage = Callable[[str], AbstractContextManager[None]]


class Models:
    """Models by name, from a store.

    A model that could not be loaded is tried again the next time it is asked for: what was missing may have arrived.
    """

    def __init__(self, digests: Mapping[str, str], store: Store) -> None:
        """`digests` maps the name of each model to the digest of its bundle; the first one is the default model."""
        self._digests = dict(digests)
        self._store = store
        self._tasks: dict[str, type[Task]] = {}
        self._loaded: dict[str, Task] = {}

    @property
    def names(self) -> list[str]:
        """The models there are, the default one first."""
        return list(self._digests)

    def task(self, name: str) -> type[Task]:
        """What the model `name` does. Only its manifest is read for that: a wrong request shall not load a model.

        Raises:
            BundleError: its manifest is missing, damaged, or of a task that this image does not have.
        """
        if name not in self._tasks:
            self._tasks[name] = _task_of(self._store.manifest(name, self._digests[name]))
        return self._tasks[name]

    def is_loaded(self, name: str) -> bool:
        """Whether `get` would give the model `name` without loading it."""
        return name in self._loaded

    def load_all(self) -> None:
        """Loads every model; raises `BundleError` as `get` does."""
        for name in self._digests:
            self.task(name)
            self.get(name)

    def get(self, name: str, stage: Stage = nullcontext) -> Task:
        """The model `name`, loaded now if it is not yet: in the stages `fetch` and `session`.

        Raises:
            BundleError: its bundle is missing, damaged, or of a kind that this image cannot run.
        """
        if name not in self._loaded:
            with stage("fetch"):
                stored = self._store.open(name, self._digests[name])
            with stage("session"):
                self._loaded[name] = load_model(stored)
        return self._loaded[name]


def load_model(stored: StoredBundle) -> Any:
    """A bundle as a `Task` that is ready to answer; raises `BundleError` when it cannot be loaded."""
    return _task_of(stored.manifest)(stored, load_engine(stored))


def _task_of(manifest: Bundle) -> type[Task]:
    if manifest.task not in TASKS:
        raise BundleError(
            MANIFEST,
            f"{MANIFEST} of model {manifest.name!r} has task {manifest.task!r}; this image has {', '.join(TASKS)}.",
        )
    return TASKS[manifest.task]
