"""What goes into the container image: enough for the functions to answer, in the versions that the tests run with."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from serving_kit import REPOSITORY, Bucket, digests

RUN = """
import sys
import awslambdaric.bootstrap
from types import SimpleNamespace
handler = awslambdaric.bootstrap._get_handler(sys.argv[1])
print(handler({"body": '{"question": "Who?", "context": "Karl Benz"}'}, SimpleNamespace(aws_request_id="1"))["statusCode"])
"""


# What the base image brings along: the runtime interface client and what that imports.
BASE = ("awslambdaric", "simplejson", "snapshot-restore-py")

# Where the file that installs an engine for the local stack and the list that the image installs of it are.
LISTS = {
    "handlers/requirements.txt": "handlers/packages.txt",
    "handlers/requirements-torch.txt": "handlers/packages-torch.txt",
}


def versions(file: str) -> dict[str, str]:
    """The pinned packages of a file, by name; builds for the CPU alone are no version of their own."""
    lines = (REPOSITORY / file).read_text().splitlines()
    pins = (line.removesuffix("+cpu").split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


PACKAGES = versions("handlers/packages.txt")


@pytest.mark.parametrize("file", LISTS.values())
def test_the_image_has_the_versions_that_the_tests_run_with(file: str) -> None:
    tested, packages = versions("constraints.txt"), versions(file)
    assert {name: tested.get(name) for name in packages} == packages


@pytest.mark.parametrize("file", LISTS)
def test_the_image_has_what_the_handlers_require(file: str) -> None:
    packages = versions(LISTS[file])
    for line in (REPOSITORY / file).read_text().splitlines():
        requirement = None if line.startswith("#") else Requirement(line)
        if requirement and requirement.name not in BASE:
            assert packages[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_image_takes_pytorch_without_gpu_libraries() -> None:
    assert re.search(r"^torch==[\d.]+\+cpu$", (REPOSITORY / "handlers/packages-torch.txt").read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", LISTS.values())
def test_the_runtime_interface_client_is_the_base_images_own(file: str) -> None:
    assert not set(BASE) & set(versions(file))


@pytest.mark.parametrize("architecture", ["efs", "s3", "oci"])
def test_the_packages_of_the_image_are_enough_to_answer(
    root: Path, bucket: Bucket, tmp_path: Path, architecture: str
) -> None:
    bucket.fill(root)
    image = tmp_path / "image"
    image.mkdir()
    (image / "handlers").symlink_to(REPOSITORY / "handlers")
    for package in (*PACKAGES, *BASE):
        for file in importlib.metadata.files(package) or []:
            top = image / file.parts[0]
            if file.parts[0] != ".." and not top.exists():
                top.symlink_to(Path(str(importlib.metadata.distribution(package).locate_file(file.parts[0]))))
    process = subprocess.run(
        [sys.executable, "-S", "-c", RUN, f"handlers.{architecture}.app.handler"],
        env={
            **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
            "PYTHONPATH": str(image),
            "MODELS": json.dumps(digests(root)),
            "MODEL_ROOT": str(root),
            "MODEL_BUCKET": bucket.name,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.stdout.strip() == "200", process.stderr


def test_each_architecture_has_a_target_that_starts_its_handler() -> None:
    dockerfile = (REPOSITORY / "handlers/Dockerfile").read_text()
    commands = re.findall(r'^FROM runtime AS (\w+)$(?:\n(?!FROM).*)*?\nCMD \["(.+)"\]$', dockerfile, re.MULTILINE)
    assert dict(commands) == {name: f"handlers.{name}.app.handler" for name in ("efs", "s3", "oci")}


def test_handlers_that_cannot_be_compiled_end_the_build(tmp_path: Path) -> None:
    processors = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    module = tmp_path / "var/task/handlers/app.py"
    module.parent.mkdir(parents=True)

    def slim(source: str) -> subprocess.CompletedProcess[str]:
        module.write_text(source)
        command = [sys.executable, REPOSITORY / "handlers/slim.py", tmp_path]
        return subprocess.run(command, env={"TARGETARCH": processors}, capture_output=True, text=True, check=False)

    assert slim("handler = None\n").returncode == 0
    assert (module.stat().st_mtime, len([*module.parent.glob("__pycache__/*.pyc")])) == (0, 1)
    broken = slim("def\n")
    assert broken.returncode == 1
    assert "A module of the handlers cannot be compiled" in broken.stderr
