"""Results of benchmarks that never were: synthetic samples around given medians, always the same ones."""

from __future__ import annotations

import random
from collections.abc import Mapping

from workbench.bench.results import ColdStarts, Machine, ModelFacts, Results, Throughput, Variant, WarmRequests

MB = 1_000_000


def model(name: str = "nlp1", size: int = 265 * MB, engine: str = "onnx", precision: str = "fp32") -> ModelFacts:
    return ModelFacts(
        name=name,
        source="a/b",
        task="question-answering",
        engine=engine,
        precision=precision,
        size=size,
        digest="0" * 64,
    )


def results(
    cold: Mapping[str, float],
    *,
    warm: Mapping[str, float] | float = 90.0,
    models: tuple[ModelFacts, ...] = (model(),),
    network: str = "AWS-like: 1 ms and 90 MB/s a connection",
    memory_mb: int = 3008,
    resident_mb: float = 460,
    plain: bool = False,
    samples: int = 20,
) -> Results:
    """Results with cold starts and warm requests around these medians, in ms, by architecture."""
    luck = random.Random(7)  # noqa: S311 - samples for tests, the same ones each time

    def around(median: float, spread: float = 0.04, count: int = samples) -> list[float]:
        return sorted(median * (1 + spread * luck.uniform(-1, 1)) for _ in range(count))

    def cold_starts(architecture: str, name: str, size: int, median: float, variant: Variant) -> ColdStarts:
        fetched = size if architecture == "s3" else 0
        parts = {"process": 0.12, "imports": 0.2, "session": 0.25, "tokenize": 0.01, "infer": 0.3, "other": 0.02}
        parts["fetch"] = 0.1
        return ColdStarts(
            architecture=architecture,
            model=name,
            variant=variant,
            samples_ms=around(median),
            phases={phase: around(median * part) for phase, part in parts.items()},
            memory_mb=around(resident_mb, 0.01),
            fetched=fetched,
        )

    def warm_of(architecture: str) -> float:
        return warm if isinstance(warm, float | int) else warm[architecture]

    variants: dict[Variant, float] = {"served": 1.0, "plain": 6.0} if plain else {"served": 1.0}
    return Results(
        created="2026-01-01T00:00:00+00:00",
        command="python -m workbench bench --json bench.json",
        stack="local",
        network=network,
        memory_mb=memory_mb,
        machine=Machine(
            name="laptop", cpu="a CPU", cores=2, memory_gb=24, system="Linux 6", versions={"onnxruntime": "1.31.1"}
        ),
        models=list(models),
        cold=[
            cold_starts(architecture, facts.name, facts.size, median * factor, variant)
            for facts in models
            for variant, factor in variants.items()
            for architecture, median in cold.items()
        ],
        warm=[
            WarmRequests(
                architecture=architecture,
                model=facts.name,
                variant=variant,
                tokens=175,
                samples_ms=around(warm_of(architecture) * (1 + (factor - 1) / 5), 0.2, 10 * samples),
            )
            for facts in models
            for variant, factor in variants.items()
            for architecture in cold
        ],
        throughput=[
            Throughput(
                architecture=architecture,
                model=facts.name,
                concurrency=clients,
                seconds=10,
                requests=int(10_000 / warm_of(architecture) * min(clients, 2)),
                errors={"429": 3} if clients == 8 else {},
                samples_ms=around(warm_of(architecture) * max(1, clients / 2), 0.3),
            )
            for facts in models
            for architecture in cold
            for clients in (1, 2, 4, 8)
        ],
    )
