"""Prints a graph as the tree of its components, as `pulumi preview` does."""

from __future__ import annotations

import json
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from .graph import Graph, plain


def tree(graph: Graph) -> Tree:
    """The resources below their parents, sorted by type and name, and the stack's outputs."""
    root = Tree(f"[bold]{len(graph.resources)} resources[/]", guide_style="dim")
    _add(root, graph, "")
    outputs = root.add("[bold]outputs[/]")
    for name, value in sorted(graph.outputs.items()):
        outputs.add(f"{name}: {escape(compact(value))}")
    return root


def compact(value: Any) -> str:
    """A value as `pulumi stack output` prints it: text as it is, everything else as JSON on one line."""
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)


def _add(node: Tree, graph: Graph, parent: str) -> None:
    for resource in sorted(graph.children(parent), key=lambda resource: (resource.type, resource.name)):
        package, _, kind = resource.type.partition(":")
        kind = kind.rpartition(":")[2]
        child = node.add(f"[cyan]{escape(package)}[/]:{escape(kind)} [dim]{escape(resource.name)}[/]")
        _add(child, graph, resource.urn)
