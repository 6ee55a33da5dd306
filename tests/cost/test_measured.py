"""What the bill takes from a benchmark's results."""

from __future__ import annotations

import pytest

from workbench.bench.results import ColdStarts, Machine, ModelFacts, Results, WarmRequests
from workbench.cost.prices import CostError
from workbench.cost.stack import measured_deployments, measured_durations


def results(warm: dict[str, list[float]]) -> Results:
    return Results(
        created="2026-01-01T00:00:00+00:00",
        command="python -m workbench bench",
        stack="local",
        network="local disk",
        memory_mb=1769,
        machine=Machine(name="laptop", cpu=None, cores=None, memory_gb=None, system="Linux", versions={}),
        models=[
            ModelFacts(
                name="nlp1",
                source="a/b",
                task="fill-mask",
                engine="onnx",
                precision="fp32",
                size=10,
                digest="0",
            )
        ],
        cold=[
            ColdStarts(architecture=name, model="nlp1", variant=variant, samples_ms=[300, 400, 800], phases={})
            for name in warm
            for variant in ("plain", "served")
        ],
        warm=[
            WarmRequests(
                architecture=name,
                model="nlp1",
                variant="served",
                tokens=tokens,
                samples_ms=[1000.0] * 3,
                duration_ms=took,
            )
            for tokens, factor in ((300, 2), (175, 1))
            for name, samples in warm.items()
            for took in [[sample * factor for sample in samples]]
        ],
    )


def test_medians_of_the_function_s_own_time_and_of_the_fewest_tokens() -> None:
    took = measured_durations(results({"s3": [10, 20, 90]}), ["s3"])
    assert (took["s3"].warm_ms, took["s3"].cold_ms) == (20, 400)


def test_warm_requests_that_cannot_be_told_apart_cost_the_same() -> None:
    took = measured_durations(results({"s3": [10, 20, 30], "oci": [11, 21, 31]}), ["s3", "oci"])
    assert took["s3"].warm_ms == took["oci"].warm_ms == 20.5


def test_warm_requests_that_can_be_told_apart_do_not() -> None:
    took = measured_durations(results({"s3": [10, 11, 12], "oci": [20, 21, 22]}), ["s3", "oci"])
    assert (took["s3"].warm_ms, took["oci"].warm_ms) == (11, 21)


def test_memory_and_models_are_those_that_were_measured() -> None:
    (deployment,) = measured_deployments(results({"s3": [10]}))
    assert (deployment.architecture, deployment.memory_mb, deployment.bundles) == ("s3", 1769, ((10,),))


def test_an_architecture_that_was_not_measured_is_a_sentence() -> None:
    with pytest.raises(CostError, match=r"no cold starts of efs; they have s3\. Measure it with"):
        measured_durations(results({"s3": [10]}), ["s3", "efs"])
