"""What is said where images cannot be built or pushed, and that a deployment is stopped before it has created anything."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.docker_engine import DockerError, check_builder, docker, explain
from infra.settings import Settings
from workbench.program.config import load
from workbench.program.graph import Resource
from workbench.program.runner import ProgramError, run

# As Docker Engine 20.10 and a registry printed them, one fault provoked after the other; from there on as newer
# versions word it.
FAULTS = {
    "Cannot connect to the Docker daemon at unix:///nonexistent.sock. Is the docker daemon running?": "Start it",
    "failed to dial gRPC: cannot connect to the Docker daemon. Is 'docker daemon' running on this host?: dial unix "
    "/nonexistent.sock: connect: no such file or directory": "Start it",
    "failed to dial gRPC: cannot connect to the Docker daemon. Is 'docker daemon' running on this host?: dial tcp "
    "127.0.0.1:1: connect: connection refused": "Start it",
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock": "group docker",
    "ERROR: BuildKit is enabled but the buildx component is missing or broken.": "Install its plugin buildx",
    "#7 2.722 ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n#7 ERROR: "
    "executor failed running [/bin/sh -c python3 -m pip install]: exit code: 1": "docker system prune",
    "write /var/lib/docker/tmp/GetImageBlob: no space left on device": "docker system prune",
    "exec /bin/sh: exec format error": "install emulation",
    "The build is for arm64, but it is built on an image for other processors (amd64).": "ml-inference:baseImage for these",
    'failed to solve: no match for platform in manifest: "linux/arm64"': "ml-inference:baseImage for these",
    "ERROR: No matching distribution found for torch==2.13.0+cpu": "ml-inference:torchIndex",
    "ERROR: No matching distribution found for obstore==0.12.1": "could not get the package obstore==0.12.1",
    "#3 [internal] load metadata for registry.invalid/x:latest\n#3 ERROR: failed to do request: Head "
    '"https://registry.invalid/v2/x/manifests/latest": dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host'
    "": "The base image registry.invalid/x:latest cannot be fetched",
    " > [internal] load metadata for 127.0.0.1:5056/base:2:\n------\nfailed to solve with frontend dockerfile.v0: failed "
    "to create LLB definition: 127.0.0.1:5056/base:2: not found": "The base image 127.0.0.1:5056/base:2 cannot be fetched",
    " > [internal] load metadata for 127.0.0.1:5055/base:2:\n------\nfailed to solve with frontend dockerfile.v0: failed "
    "to create LLB definition: pulling from host 127.0.0.1:5055 failed with status code [manifests 2]: 401 Unauthorized"
    "": "docker login",
    "ERROR: failed to solve: example.org/base:1: failed to resolve source metadata for example.org/base:1: pull access "
    "denied, repository does not exist": "The base image example.org/base:1 cannot be fetched",
    "87ac2b4379fd: Preparing\nno basic auth credentials": "The registry refuses the login",
    "Error response from daemon: login attempt to http://127.0.0.1:5055/v2/ failed with status: 401 Unauthorized"
    "": "The registry refuses the login",
    "denied: Your authorization token has expired. Reauthenticate and try again.": "The registry refuses the login",
    'Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused': "cannot be reached",
}  # fmt: skip


@pytest.mark.parametrize("output", FAULTS, ids=lambda output: output[:40])
def test_a_fault_of_docker_is_a_sentence_that_says_what_to_do(output: str) -> None:
    said = explain(f"Sending build context\n{output}\n")
    assert FAULTS[output] in said
    assert "Docker says: " in said


def test_an_unknown_fault_shows_the_last_lines_of_docker() -> None:
    said = explain("\n".join(f"line {number}" for number in range(100)))
    assert said.startswith("Docker failed; its last words are:")
    assert "line 99" in said
    assert "line 50" not in said


def settings(**config: object) -> Settings:
    return Settings.model_validate({"models": [{"name": "nlp1", "source": "a/b"}]} | config)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment on a machine whose command docker says what is in the folder: a file for each of its commands."""
    monkeypatch.setenv("PULUMI_CONFIG", "{}")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    command = tmp_path / "docker"
    command.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        f"said = pathlib.Path({str(tmp_path)!r}, sys.argv[1])\n"
        "sys.exit(0 if said.is_file() and print(said.read_text()) is None else 'no such manifest: it')\n"
    )
    command.chmod(0o755)
    (tmp_path / "info").write_text(
        '{"Architecture": "x86_64", "KernelVersion": "another", "DockerRootDir": "/nowhere"}'
    )
    (tmp_path / "image").write_text("linux/amd64")
    return tmp_path


def test_an_engine_with_the_base_image_passes(engine: Path) -> None:
    check_builder(settings())


@pytest.mark.parametrize(
    ("config", "files", "sentence"),
    [
        ({}, {"info": '{"ServerErrors": ["Cannot connect to the Docker daemon at unix:///x."]}'}, "does not answer"),
        ({}, {"image": "linux/arm64"}, "The base image public.ecr.aws/lambda/python:3.13 cannot be fetched"),
        (
            {"cpu": "arm64"},
            {"manifest": '{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}'},
            "is there for linux/amd64, not for linux/arm64",
        ),
        ({"engine": "torch"}, {}, "ml-inference:torchIndex"),
    ],
)
def test_a_deployment_that_could_not_build_stops_before_it_creates_anything(
    engine: Path, config: dict[str, str], files: dict[str, str], sentence: str
) -> None:
    for name, text in files.items():
        (engine / name).write_text(text)
    with pytest.raises(DockerError, match=sentence):
        check_builder(settings(**config))


def test_a_full_disk_stops_a_deployment(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (engine / "info").write_text(json.dumps({"Architecture": "x86_64", "DockerRootDir": str(engine)}))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**9}))
    with pytest.raises(DockerError, match=r"has 1\.0 GB left at .*, and building needs up to 2 GB"):
        check_builder(settings())


def test_without_emulation_a_build_for_other_processors_stops_a_deployment(
    engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.release", lambda: "another")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(DockerError, match=r"for linux/arm64, on linux/amd64"):
        check_builder(settings(cpu="arm64"))


def test_a_preview_and_a_run_without_the_cli_need_no_engine(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (engine / "info").unlink()
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    check_builder(settings())
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    monkeypatch.delenv("PULUMI_CONFIG")
    check_builder(settings())


def test_without_an_engine_the_program_registers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", "{}")
    monkeypatch.setenv("PATH", str(tmp_path))

    class Nothing:
        def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
            raise AssertionError(resource.urn)

        def invoke(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
            raise AssertionError(token)

    with pytest.raises(ProgramError, match="There is no command docker"):
        run(load("local"), Nothing())


def test_a_machine_without_docker_is_told_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerError, match="There is no command docker"):
        docker("version")
