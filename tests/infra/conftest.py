"""Graphs of the real program, previewed once for each subset of architectures."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable

import pytest

from workbench.program.config import load
from workbench.program.graph import Graph
from workbench.program.preview import preview

ARCHITECTURES = ("efs", "s3", "oci")
SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(ARCHITECTURES, size)]


@functools.cache
def graph_of(*architectures: str, **config: str) -> Graph:
    """The graph of the local stack with these architectures and these further settings, as JSON texts."""
    overrides = [f"architectures={json.dumps(architectures)}"] if architectures else []
    return preview(load("local", [*overrides, *(f"{key}={value}" for key, value in config.items())]))


@pytest.fixture(params=SUBSETS, ids="+".join)
def architectures(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture
def graph(architectures: tuple[str, ...]) -> Graph:
    return graph_of(*architectures)


@pytest.fixture
def whole_graph() -> Graph:
    return graph_of(*ARCHITECTURES)


@pytest.fixture
def configured() -> Callable[..., Graph]:
    return graph_of
