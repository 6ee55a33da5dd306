"""Results: what is written is what is read, and another file is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.bench.results import ColdStarts, Machine, ModelFacts, Results, ResultsError, WarmRequests


def results() -> Results:
    return Results(
        created="2026-01-01T00:00:00+00:00",
        command="python -m workbench bench",
        stack="local",
        network="local disk",
        memory_mb=3008,
        machine=Machine(name="laptop", cpu="a CPU", cores=2, memory_gb=24, system="Linux", versions={"numpy": "2"}),
        models=[
            ModelFacts(
                name="nlp1",
                source="a/b",
                task="question-answering",
                engine="onnx",
                precision="fp32",
                size=265_000_000,
                digest="0",
            )
        ],
        cold=[
            ColdStarts(
                architecture="efs",
                model="nlp1",
                variant="served",
                samples_ms=[200.5, 190],
                phases={"imports": [90, 80], "session": [50, 60]},
            )
        ],
        warm=[WarmRequests(architecture="efs", model="nlp1", variant="served", tokens=175, samples_ms=[8, 9.5])],
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    results().write(tmp_path / "bench.json")
    assert Results.read(tmp_path / "bench.json") == results()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        ("", "has no results of a benchmark"),
        ("{}", "created: Field required. Write one with"),
        ('{"format": 2}', "format: Input should be 1"),
    ],
)
def test_another_file_is_refused_with_a_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    file = tmp_path / "bench.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ResultsError, match=sentence):
        Results.read(file)
