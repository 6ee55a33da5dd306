"""Tasks turn a request into model inputs and model outputs into answers; one module each.

A task is a class with the interface of `Task`, entered in `serving.models.TASKS` under the name that bundles use for
it. What tasks have in common is in `encoder` and `scores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from handlers.serving.engines import Engine
from handlers.serving.stores import StoredBundle


class Noted(Protocol):
    """Something with facts that the log may say of it: numbers and names, never text of a user's."""

    @property
    def facts(self) -> Mapping[str, str | int]: ...


class Task(Protocol):
    """A model that is ready for one kind of request. Raises `BundleError` when its files cannot be used for that.

    A request goes through `parse`, which needs no model, then `prepare` and `reply`.
    """

    EXAMPLE: ClassVar[Mapping[str, Any]]
    """A right request, to show to who has sent a wrong one."""

    def __init__(self, stored: StoredBundle, engine: Engine) -> None: ...

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> Any:
        """The request (a `Noted`) that the fields of a body are, `model_type` filled in; raises `RequestError`."""
        ...

    def prepare(self, request: Any) -> Any:
        """The tokens (a `Noted`) of a request that `parse` gave; raises `RequestError` when there are too many."""
        ...

    def reply(self, request: Any, work: Any) -> Any:
        """The body of the reply, for JSON, to a request and what `prepare` made of it; this runs the model."""
        ...
