"""`python -m workbench local up` and `down`, as processes of their own."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.sample import PASSAGE, QUESTIONS
from workbench.local.asking import Asker

PROJECT = Path(__file__).parents[2]
WORKBENCH = [sys.executable, "-m", "workbench", "local"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone of what the commands need, so that they leave the checkout's own stack alone."""
    ignore = shutil.ignore_patterns("__pycache__", ".venv")
    for folder in ("handlers", "infra", "models/demo", "policy", "workbench"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=ignore)
    for file in ("__main__.py", *(path.name for path in PROJECT.glob("Pulumi*.yaml"))):
        shutil.copyfile(PROJECT / file, tmp_path / file)
    return tmp_path


Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started(project: Path) -> Iterator[Started]:
    """Starts `local up` and waits until it says that it runs."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        with (project / "out").open("w") as out:
            process = subprocess.Popen([*WORKBENCH, "up", *arguments], cwd=project, stdout=out, stderr=out, text=True)
        processes.append(process)
        deadline = time.monotonic() + 90
        while "runs until you press Ctrl-C" not in (said := (project / "out").read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
    subprocess.run([*WORKBENCH, "down"], cwd=project, check=True, capture_output=True)


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WORKBENCH, *arguments], cwd=project, capture_output=True, text=True, check=False, timeout=60
    )


def printed_outputs(project: Path) -> dict[str, dict[str, str]]:
    """What `up` printed in the shape of `pulumi stack output`."""
    lines = (project / "out").read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("Current stack outputs (5):"))
    assert lines[first + 1].split() == ["OUTPUT", "VALUE"]
    return {
        name: json.loads(value) for name, value in (line.split(maxsplit=1) for line in lines[first + 2 : first + 7])
    }


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process], limit: float = 10) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=limit)
    return not [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_up_prints_outputs_that_answer_and_ends_with_everything_it_started(
    project: Path, started: Started, signum: int
) -> None:
    process = started("--port", "0", "--config", 'architectures=["s3", "efs"]')
    outputs = printed_outputs(project)
    assert set(outputs) == {"endpoints", "functions", "images", "logGroups", "sampleRequests"}
    assert set(outputs["endpoints"]) == {"s3", "efs"}
    with Asker() as asker:
        reply = asker.ask(outputs["endpoints"]["efs"], question=QUESTIONS[1], context=PASSAGE)
    assert reply.body["answer"] == "Karl Benz"

    children = family(process)
    assert len(children) >= 2, "the emulator and an execution environment"
    process.send_signal(signum)
    assert process.wait(timeout=20) == 0
    assert gone(children)
    assert run(project, "down").stdout.startswith("No stack was up")


def test_the_three_ways_to_test_are_printed(project: Path, started: Started) -> None:
    started("--port", "0", "--config", 'architectures=["oci"]')
    said = (project / "out").read_text()
    assert printed_outputs(project)["sampleRequests"]["oci"] in said
    [command] = [line for line in said.splitlines() if " lambda invoke " in line]
    assert "--payload fileb://.local/event.json" in command
    event = json.loads((project / ".local" / "event.json").read_text())
    assert json.loads(event["body"])["context"] == PASSAGE


def test_a_second_up_says_that_the_first_runs_and_down_ends_it(project: Path, started: Started) -> None:
    process = started("--port", "0", "--config", 'architectures=["oci"]')
    second = run(project, "up")
    assert second.returncode == 1
    assert f"(process {process.pid})" in second.stderr
    assert "local down" in second.stderr
    assert len(second.stderr.splitlines()) == 1

    children = family(process)
    down = run(project, "down")
    assert (down.returncode, down.stdout) == (0, f"Stack local (process {process.pid}) is down.\n")
    assert process.wait(timeout=10) == 0
    assert gone(children)


def test_after_a_kill_nothing_is_left_and_the_next_up_works(project: Path, started: Started) -> None:
    process = started("--port", "0", "--config", 'architectures=["oci"]')
    with Asker() as asker:
        asker.ask(printed_outputs(project)["endpoints"]["oci"], question=QUESTIONS[0], context=PASSAGE)
    children = family(process)
    process.kill()
    process.wait()
    assert gone(children)
    started("--port", "0", "--config", 'architectures=["oci"]')


def test_a_taken_port_is_one_sentence(project: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = run(project, "up", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} of this machine is taken" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_bundle_is_one_sentence_with_the_command(project: Path) -> None:
    shutil.rmtree(project / "models" / "demo" / "nlp2")
    done = run(project, "up", "--port", "0")
    assert done.returncode == 1
    assert "The bundle of model nlp2 is not usable" in done.stderr
    assert "make demo-models" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_stack_is_one_sentence(project: Path) -> None:
    done = run(project, "up", "--stack", "nowhere")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Known stacks are dev, local" in done.stderr
