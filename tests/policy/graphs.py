"""Graphs as the policy pack's rules take them, and what the rules say about one."""

from __future__ import annotations

from collections.abc import Sequence

from policy.rules import RULES, Declared, ResourceRule
from workbench.program.graph import Graph, Resource

# By name of the rule: the resource at fault and what is wrong with it.
Violations = dict[str, list[tuple[str, str]]]


def declared(graph: Graph) -> list[Declared]:
    """The resources of a graph, each with the inputs of the provider that creates it."""
    return [
        Declared(
            resource.urn,
            resource.type,
            resource.name,
            resource.inputs,
            resource.sources,
            provider.inputs if (provider := provider_of(graph, resource)) else {},
        )
        for resource in graph.resources
    ]


def provider_of(graph: Graph, resource: Resource) -> Resource | None:
    """The provider that creates a resource, where the program names it."""
    for reference in (resource.provider, *resource.providers):
        if reference:
            # A reference to a provider is its URN and its id.
            return graph.by_urn(reference.rpartition("::")[0])
    return None


def violations(resources: Sequence[Declared]) -> Violations:
    """What every rule of the pack says about these resources; rules that are kept are left out."""
    found: Violations = {}
    for rule in RULES:
        if isinstance(rule, ResourceRule):
            faults = [(resource, message) for resource in resources for message in rule.check(resource)]
        else:
            faults = list(rule.check(resources))
        if faults:
            found[rule.name] = [(resource.name, message) for resource, message in faults]
    return found
