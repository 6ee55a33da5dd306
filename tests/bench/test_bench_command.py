"""`python -m workbench bench` on the demo stack: from the command line to the file of results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.bench.results import PHASES, Results

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the project, so that nothing else uses its local stack."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("Pulumi.yaml", "Pulumi.local.yaml", "__main__.py"):
        shutil.copy(PROJECT / name, folder)
    for name in ("infra", "handlers", "models/demo", "policy", "workbench"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    return folder


def bench(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", "bench", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_run_on_this_machine_measures_everything(project: Path) -> None:
    short = ("--cold", "2", "--warm", "3", "--tokens", "60", "--concurrency", "2", "--duration", "1")
    done = bench(project, "--architectures", "s3,oci", "--models", "nlp2", *short, "--json", "run.json")
    assert done.returncode == 0, done.stderr
    results = Results.read(project / "run.json")
    measured = [("s3", "nlp2", "served"), ("oci", "nlp2", "served")]
    assert [(item.architecture, item.model, item.variant) for item in results.cold] == measured
    assert [(item.architecture, item.model, item.variant) for item in results.warm] == measured
    assert [(item.architecture, item.concurrency, item.errors) for item in results.throughput] == [
        ("s3", 2, {}),
        ("oci", 2, {}),
    ]
    assert (results.stack, results.network, results.memory_mb) == ("local", "local disk", 3008)
    assert [model.name for model in results.models] == ["nlp2"]
    for cold in results.cold:
        assert len(cold.samples_ms) == len(cold.init_ms) == len(cold.memory_mb) == 2
        for sample, whole in enumerate(cold.samples_ms):
            parts = {phase: values[sample] for phase, values in cold.phases.items()}
            assert set(parts) <= set(PHASES)
            assert min(parts["process"], parts["imports"], parts["session"], parts["infer"]) > 0
            assert sum(parts.values()) == pytest.approx(whole, abs=1)
    s3, oci = results.cold
    assert (s3.fetched, oci.fetched) == (results.models[0].size, 0)
    for warm in results.warm:
        assert len(warm.samples_ms) == len(warm.duration_ms) == 3
        assert all(whole > own for whole, own in zip(warm.samples_ms, warm.duration_ms, strict=True))
        assert warm.memory_mb
        assert warm.memory_mb > 20
    assert "nlp2" in done.stdout
    assert "requests/s" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--models", "nlp3"), "The stack has no model 'nlp3'; its models are nlp1, nlp2."),
        (("--tokens", "many"), "--tokens is 'many'; it must be whole numbers from 1 on, such as 1,2,4."),
        (("--network", "carrier-pigeon"), "There is no network 'carrier-pigeon'; there are documented, narrow, near."),
        (
            ("--compare", "--models", "nlp1"),
            "Model nlp1 cannot be compared with a plain handler: its bundle comes from",
        ),
        (("--url", "somewhere"), "--url somewhere is not of the form ARCHITECTURE=URL"),
        (("--url", "s3=http://127.0.0.1:9/", "--compare"), "--compare and --network are for stacks on this machine"),
        (("--url", "s3=http://127.0.0.1:9/", "--warm", "1"), "nlp1 on s3 does not answer at http://127.0.0.1:9/"),
        (("--stack", "production"), "There is no stack 'production'"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(project: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = bench(project, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
