"""A resource's inputs while they are being translated: every one has to be taken, so that none is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class TranslationError(Exception):
    """A resource that the local stack cannot create as the program declared it; the message says which input."""


class Inputs:
    """The inputs of a resource, or an object inside them, with a record of those that were taken."""

    def __init__(self, owner: str, values: dict[str, Any]) -> None:
        self._owner = owner
        self._values = values
        self._left = set(values)
        self._sections: list[Inputs] = []

    def take(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default` when the program did not set it."""
        self._left.discard(key)
        return self._values.get(key, default)

    def section(self, key: str) -> Inputs | None:
        """The object at `key`, whose own values have to be taken too; None when it is not set."""
        value = self.take(key)
        return None if value is None else self._section(key, value)

    def sections(self, key: str) -> Iterator[Inputs]:
        """The objects of the list at `key`."""
        for index, value in enumerate(self.take(key, [])):
            yield self._section(f"{key}[{index}]", value)

    def expect(self, key: str, *allowed: Any) -> Any:
        """The value of `key`, where the local stack can do nothing else than `allowed`.

        Raises:
            TranslationError: it is something else.
        """
        value = self.take(key)
        if value not in allowed:
            raise TranslationError(
                f"{self._owner}: {key} is {value!r}, but the local stack can only do {' or '.join(map(repr, allowed))}; "
                f"teach it in workbench.local.translations."
            )
        return value

    def finish(self) -> None:
        """Raises `TranslationError` when an input has not been taken."""
        for section in self._sections:
            section.finish()
        if self._left:
            raise TranslationError(
                f"{self._owner}: no translation for {', '.join(sorted(self._left))}; the local stack would drop what the "
                f"program sets. Teach it in workbench.local.translations."
            )

    def _section(self, key: str, value: dict[str, Any]) -> Inputs:
        section = Inputs(f"{self._owner}.{key}", value)
        self._sections.append(section)
        return section


def given(**members: Any) -> dict[str, Any]:
    """The members that have a value: what the program left out is left out of the call too."""
    return {name: value for name, value in members.items() if value is not None}
