"""What is said when Docker Engine cannot build or push: each fault is provoked, and the sentence is read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import docker_machine
import pytest
from conftest import BuiltImage

from infra.docker_engine import DockerError, check_build, docker
from infra.image_build import image_build
from workbench.local.containers import build


def test_an_engine_that_does_not_run(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(DockerError, match=r"Docker Engine does not answer\. Start it"):
        build(image_build("s3", base_image=base, root=tmp_path))
    with pytest.raises(DockerError, match=r"Docker Engine does not answer\. Start it"):
        check_build("linux/amd64", base, {"onnx"}, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give an engine a disk of its own")
def test_a_disk_that_fills_up_while_building(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base_bytes = int(docker("image", "inspect", "--format", "{{.Size}}", base))
    container = docker("create", base, "x").strip()
    with docker_machine.engine(tmp_path / "engine", size=base_bytes * 115 // 100 + 120_000_000) as host:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as content:
            command = ["docker", "--host", host, "import", "-", "base:full"]
            subprocess.run(command, stdin=content.stdout, check=True, capture_output=True)
        docker("rm", container)
        monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(DockerError, match=r"The disk of Docker Engine is full\. `docker system df`"):
            build(image_build("s3", base_image="base:full", root=tmp_path))
        with pytest.raises(DockerError, match=r"has 0\.\d GB left at .*, and building needs up to 2 GB"):
            check_build("linux/amd64", "base:full", {"onnx"}, "")


def test_a_registry_that_refuses_the_login(images: Mapping[str, BuiltImage], tmp_path: Path) -> None:
    with docker_machine.registry(tmp_path / "registry", login=True) as address:
        name = f"{address}/efs:latest"
        docker("tag", images["efs"].id, name)
        try:
            with pytest.raises(DockerError, match=r"The registry refuses the login\. For ECR"):
                docker("push", name)
            with pytest.raises(DockerError, match=r"The registry refuses the login\. For ECR"):
                docker("--config", str(tmp_path), "login", "--username", "u", "--password", "wrong", address)
        finally:
            docker("rmi", name)


def test_a_base_image_that_cannot_be_reached(engine: None, tmp_path: Path) -> None:
    with pytest.raises(DockerError, match=r"The base image 127\.0\.0\.1:1/base:1 cannot be fetched"):
        build(image_build("s3", base_image="127.0.0.1:1/base:1", root=tmp_path))
    with pytest.raises(DockerError, match=r"The base image 127\.0\.0\.1:1/base:1 cannot be fetched"):
        check_build("linux/amd64", "127.0.0.1:1/base:1", {"onnx"}, "")


def test_a_base_image_for_other_processors(
    registry: str, base: str, images: Mapping[str, BuiltImage], tmp_path: Path
) -> None:
    name = f"{registry}/base:1"
    docker("tag", base, name)
    docker("push", name)
    docker("rmi", name)
    other = replace(image_build("s3", base_image=name, root=tmp_path), platform="linux/arm64")
    if images["s3"].build.platform == other.platform:
        other = replace(other, platform="linux/amd64")
    with pytest.raises(DockerError, match=r"other processors|not there for the processors"):
        build(other)


def test_a_build_for_torch_without_its_index_says_where_to_get_it(base: str, tmp_path: Path) -> None:
    with pytest.raises(DockerError, match="Set ml-inference:torchIndex"):
        build(image_build("s3", engine="torch", base_image=base, root=tmp_path))
