"""A second run of the program registers exactly the same inputs, whoever runs it and wherever: nothing is deployed anew.

Two clones lie in different folders, with different modes and times of files, and run with another order of hashes,
time zone, home and language.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
PROGRAM = ("__main__.py", "Pulumi.yaml", "Pulumi.local.yaml", "infra", "handlers", "workbench", "policy", "models/demo")


class Clone:
    """A copy of the program: `mode` for the bits that files and folders lose, `age` of the files in seconds."""

    def __init__(self, folder: Path, mode: int, age: int, environment: dict[str, str]) -> None:
        self.folder = folder
        self._mode = mode
        self._environment = environment
        for name in PROGRAM:
            source, target = PROJECT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
            else:
                shutil.copy(source, target)
        for path in folder.rglob("*"):
            path.chmod((0o777 if path.is_dir() else 0o666) & ~mode)
            os.utime(path, (age, age))
        self.registered = self.preview()

    def preview(self) -> dict[str, Any]:
        """What the program registers, by URN, and its outputs."""
        done = subprocess.run(
            [sys.executable, "-m", "workbench", "preview", "--stack", "local", "--json"],
            cwd=self.folder,
            env={"PATH": os.defpath, **self._environment},
            umask=self._mode,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        graph = json.loads(done.stdout)
        return {"resources": {item["urn"]: item for item in graph["resources"]}, "outputs": graph["outputs"]}

    def contexts(self) -> dict[str, tuple[int, float, str]]:
        """The mode, the time and the content of everything that goes into the build of an image."""
        build = self.folder / ".build"
        return {
            path.relative_to(build).as_posix(): (
                path.stat().st_mode,
                path.stat().st_mtime,
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            )
            for path in build.rglob("*")
        }


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, Clone]:
    folder = tmp_path_factory.mktemp("clones")
    return (
        Clone(
            folder / "one",
            0o022,
            1_000_000_000,
            {"PYTHONHASHSEED": "1", "TZ": "UTC", "HOME": "/nonexistent", "LANG": "C.UTF-8"},
        ),
        Clone(
            folder / "another folder" / "two",
            0o077,
            1_700_000_000,
            {"PYTHONHASHSEED": "4242", "TZ": "Asia/Tokyo", "HOME": str(folder), "LANG": "de_DE.UTF-8", "USER": "ada"},
        ),
    )


def test_two_clones_register_the_same(clones: tuple[Clone, Clone]) -> None:
    first, second = (clone.registered for clone in clones)
    assert first["resources"].keys() == second["resources"].keys()
    for urn, resource in first["resources"].items():
        assert second["resources"][urn] == resource
    assert first["outputs"] == second["outputs"]


def test_a_second_run_in_a_clone_registers_the_same(clones: tuple[Clone, Clone]) -> None:
    assert clones[1].preview() == clones[1].registered


def test_two_clones_build_their_images_from_the_same_bytes_modes_and_times(clones: tuple[Clone, Clone]) -> None:
    one, two = (clone.contexts() for clone in clones)
    assert {name.split("/")[0] for name in one} == {"efs", "s3", "oci"}
    assert "oci/handlers/oci/app.py" in one
    assert one == two


def test_nothing_that_is_registered_names_a_folder_of_this_machine(clones: tuple[Clone, Clone]) -> None:
    for clone in clones:
        registered = json.dumps(clone.registered)
        for folder in (clone.folder, PROJECT, Path(sys.prefix)):
            assert str(folder) not in registered
