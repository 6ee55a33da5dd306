"""Targets: each ratio is what its name says, holds or does not, and is not taken to hold when it was not measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.targets import FILE, MEASURES, Outcome, Target, outcomes, read
from workbench.bench.results import ColdStarts, Machine, ModelFacts, Overhead, Results, WarmRequests


def model(precision: str) -> ModelFacts:
    return ModelFacts(
        name=f"m-{precision}", source="", task="t", engine="onnx", precision=precision, size=1, digest="0"
    )


def cold(architecture: str, variant: Any, name: str, *samples: float) -> ColdStarts:
    return ColdStarts(architecture=architecture, model=name, variant=variant, samples_ms=list(samples), phases={})


def warm(variant: Any, name: str, tokens: int, duration: float, memory: float) -> WarmRequests:
    return WarmRequests(
        architecture="oci",
        model=name,
        variant=variant,
        tokens=tokens,
        samples_ms=[duration + 100],  # what a client sees takes no part in the ratios
        duration_ms=[duration],
        memory_mb=memory,
    )


RESULTS = Results(
    created="",
    command="",
    stack="local",
    network="local disk",
    memory_mb=3008,
    machine=Machine(name="", cpu=None, cores=2, memory_gb=1, system="", versions={}),
    models=[model("fp32"), model("int8")],
    cold=[
        cold("oci", "served", "m-fp32", 900, 1000, 5000),
        cold("s3", "served", "m-fp32", 1500),
        cold("oci", "served", "m-int8", 400),
        cold("oci", "plain", "m-fp32", 4000),
        cold("s3", "plain", "m-fp32", 4500),
        cold("oci", "floor", "m-fp32", 800),
        cold("oci", "floor", "m-int8", 320),
    ],
    warm=[
        warm("served", "m-int8", 175, 50, 200),
        warm("served", "m-int8", 300, 80, 200),
        warm("plain", "m-fp32", 175, 150, 800),
        warm("plain", "m-fp32", 300, 240, 800),
    ],
    overhead=[
        Overhead(model="m-int8", tokens=175, handler_ms=[51, 49, 50], engine_ms=[49, 47, 48], raw_ms=[48, 48, 40])
    ],
)


@pytest.mark.parametrize(
    ("measure", "precision", "values"),
    [
        ("cold against plain", "fp32", {"oci": 4, "s3": 3}),
        ("cold against plain", "int8", {"oci": 10}),
        ("cold against floor", "fp32", {"oci": 1.25}),
        ("cold against floor", "int8", {"oci": 1.25}),
        ("warm against plain", "int8", {"oci, 175 tokens": 3, "oci, 300 tokens": 3}),
        ("memory against plain", "int8", {"oci, 175 tokens": 0.25, "oci, 300 tokens": 0.25}),
        ("handler against raw runs", "int8", {"175 tokens": 50 / 48}),
        ("own code", "int8", {"175 tokens": 2 / 50}),
        ("own code", "fp32", {}),
    ],
)
def test_a_measure_is_a_ratio_of_medians(measure: str, precision: str, values: dict[str, float]) -> None:
    [outcome] = outcomes(RESULTS, [Target(measure=measure, precision=precision)])
    assert dict(outcome.values) == pytest.approx(values)


def test_a_target_holds_where_its_limit_does() -> None:
    least = Outcome(Target(measure="cold against plain", precision="fp32", at_least=4), {"oci": 4, "s3": 3})
    assert (least.holds, least.missed) == (False, ["s3"])
    most = Outcome(Target(measure="own code", precision="fp32", at_most=0.05), {"175 tokens": 0.05})
    assert (most.holds, most.missed) == (True, [])


def test_what_was_not_measured_does_not_hold() -> None:
    assert not Outcome(Target(measure="own code", precision="fp32", at_most=1), {}).holds


def test_the_targets_of_the_repository_are_measured() -> None:
    assert {target.measure for target in read(FILE)} == set(MEASURES)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        ("{", "is no list of targets"),
        (
            '[{"measure": "beauty", "precision": "fp32"}]',
            "a target for 'beauty', which is not measured; there are cold",
        ),
    ],
)
def test_other_targets_are_refused_with_a_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    file = tmp_path / "targets.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(MeasuringError, match=sentence):
        read(file)
