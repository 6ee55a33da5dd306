"""`python -m workbench local pulumi`: what it says without the Pulumi CLI, and what it does with a stand-in for it.

The real CLI is not needed here and does not run here.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.program.config import load
from workbench.program.preview import preview

PROJECT = Path(__file__).parents[2]
FAKE = Path(__file__).with_name("fake_pulumi.py")

# The AWS services of the program's types, by the part of the type that names the module, as the provider calls them.
SERVICES = {"cloudwatch": {"logs", "cloudwatch"}, "vpc": {"ec2"}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone whose stack finds the emulator at a port that is free, and an empty folder for tools."""
    for folder in ("handlers", "infra", "models/demo", "policy", "workbench"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    for file in ("__main__.py", "Pulumi.yaml", "Pulumi.local.yaml"):
        shutil.copyfile(PROJECT / file, tmp_path / file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stack = tmp_path / "Pulumi.local.yaml"
    stack.write_text(stack.read_text().replace(":4566", f":{port}"))
    (tmp_path / "tools").mkdir()
    return tmp_path


def tool(project: Path, name: str, script: str) -> None:
    file = project / "tools" / name
    file.write_text(script)
    file.chmod(0o755)


def with_tools(project: Path) -> None:
    tool(project, "pulumi", f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    tool(project, "docker", "#!/bin/sh\nexit 0\n")


def with_architectures(project: Path, *names: str) -> None:
    stack = project / "Pulumi.local.yaml"
    stack.write_text(stack.read_text().replace("[efs, s3, oci]", f"[{', '.join(names)}]"))


def local_pulumi(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", "local", "pulumi"],
        cwd=project,
        env={"PATH": str(project / "tools"), "HOME": str(project), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_without_the_cli_it_says_so_and_exits_with_a_code_of_its_own(project: Path) -> None:
    done = local_pulumi(project)
    assert done.returncode == 3
    assert done.stderr.startswith("There is no `pulumi` on this machine, so nothing was run; install it as https://")
    assert done.stdout == ""


def test_without_docker_it_says_so_and_exits_with_the_same_code(project: Path) -> None:
    tool(project, "pulumi", "#!/bin/sh\nexit 0\n")
    done = local_pulumi(project)
    assert (done.returncode, done.stderr.split(",")[0]) == (3, "There is no `docker` on this machine")


def test_where_docker_does_not_run_it_gives_dockers_reason(project: Path) -> None:
    tool(project, "pulumi", "#!/bin/sh\nexit 0\n")
    tool(project, "docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    done = local_pulumi(project)
    assert done.returncode == 3
    assert "`docker info` fails, so nothing was run (Cannot connect to the Docker daemon)" in done.stderr


def test_it_deploys_asks_deploys_again_expecting_no_change_and_destroys(project: Path) -> None:
    with_tools(project)
    with_architectures(project, "efs", "oci")
    before = (project / "Pulumi.local.yaml").read_text()
    done = local_pulumi(project)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [line.removesuffix(" --non-interactive") for line in (project / "asked.txt").read_text().splitlines()]
    assert asked == [
        "version",
        "install",
        "stack select --create local",
        "up --stack local --yes --policy-pack policy",
        "stack output --json --stack local",
        "up --stack local --yes --policy-pack policy --expect-no-changes",
        "destroy --stack local --yes",
    ]
    for architecture in ("efs", "oci"):
        for model in ("nlp1", "nlp2"):
            assert f"{architecture} {model}: Who invented the car? Karl Benz" in done.stdout
    # Docker pushes images to where ECR says that the repositories are, and has to find a registry there.
    images = json.loads((project / "outputs.json").read_text())["images"]
    assert all(
        re.match(r"127\.0\.0\.1:\d+/ml-inference-local-\w+-repository-\w+@sha256:", uri) for uri in images.values()
    )
    assert (project / "Pulumi.local.yaml").read_text() == before


def test_a_second_deployment_that_changes_something_fails(project: Path) -> None:
    with_tools(project)
    with_architectures(project, "oci")
    (project / "changed").touch()
    done = local_pulumi(project)
    assert done.returncode == 1
    assert "--expect-no-changes --non-interactive` failed with exit code 255" in done.stderr


def test_every_service_that_the_program_uses_is_asked_of_the_emulator() -> None:
    config = load(
        "local", ["monitoring=true", "functionUrl=true", "provisionedConcurrency=1", 'scaling={"maximum": 2}']
    )
    [endpoints] = json.loads(config.values["aws:endpoints"])
    used = {
        resource.type.split(":")[1].split("/")[0]
        for resource in preview(config).resources
        if resource.type.startswith("aws:")
    }
    for module in used:
        assert SERVICES.get(module, {module}) <= set(endpoints), f"Pulumi.local.yaml names no endpoint for {module}"
    assert len(set(endpoints.values())) == 1
