"""What a run of the program registered: resources with their inputs and dependencies, and the stack's outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime.rpc import UNKNOWN


@dataclass(frozen=True)
class Resource:
    """A registered resource.

    `parent` and `depends_on` hold URNs; the parent is empty below the stack. `provider`, and for a component of another
    package `providers`, hold references: a provider's URN, `::` and its id. `sources` holds, for each input that is made
    of outputs, the URNs of the resources that those are of, and `secrets` the paths of the inputs that Pulumi keeps
    encrypted in its state.
    """

    urn: str
    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    depends_on: tuple[str, ...]
    custom: bool
    provider: str = ""
    providers: tuple[str, ...] = ()
    protect: bool = False
    retain_on_delete: bool = False
    ignore_changes: tuple[str, ...] = ()
    delete_timeout: str = ""
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass
class Graph:
    """The resources in the order of their registration, the outputs that the program exported, and its warnings."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of_type(self, kind: str) -> list[Resource]:
        """The resources of one type token."""
        return [resource for resource in self.resources if resource.type == kind]

    def children(self, parent: str) -> list[Resource]:
        """The direct children of a URN, in the order of their registration."""
        return [resource for resource in self.resources if resource.parent == parent]

    def by_urn(self, urn: str) -> Resource:
        """The resource with this URN; raises `KeyError` when nothing with it was registered."""
        for resource in self.resources:
            if resource.urn == urn:
                return resource
        raise KeyError(urn)

    def to_json(self) -> dict[str, Any]:
        """The graph as plain data: `{"resources": [{urn, type, name, parent, inputs, dependsOn}], "outputs"}`.

        `parent` and `dependsOn` hold URNs; the parent of what lies directly below the stack is null.
        """
        return {
            "resources": [
                {
                    "urn": resource.urn,
                    "type": resource.type,
                    "name": resource.name,
                    "parent": resource.parent or None,
                    "inputs": plain(resource.inputs),
                    "dependsOn": list(resource.depends_on),
                }
                for resource in self.resources
            ],
            "outputs": plain(self.outputs),
        }


def plain(value: Any) -> Any:
    """A property value as JSON can hold it: assets by their path, unknown values as a word that says so."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, pulumi.FileAsset):
        return {"fileAsset": value.path}
    if is_unknown(value):
        return "<unknown>"
    return value


def is_unknown(value: Any) -> bool:
    """Whether a value is one that only a deployment will tell."""
    return value == UNKNOWN or type(value).__name__ == "Unknown"


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Every key below `value`, as `a.b[0].c`."""
    if isinstance(value, dict):
        for key, item in value.items():
            path = f"{prefix}.{key}" if prefix else key
            yield path
            yield from paths(item, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, f"{prefix}[{index}]")
