"""Who may import whom: the program, what runs in Lambda, and what runs on the user's machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

IMPORT = re.compile(r"^ *(?:from ([\w.]+) import|import ([\w.]+))", re.MULTILINE)

ALLOWED = {
    "handlers": {"handlers"},
    # Of the handlers only the bundle format, which is standard library alone: the deployer reads what they read.
    "infra": {"infra", "handlers.serving.bundle"},
    # The reasons for wildcards stand with the rule that asks for them, in a pack that can be copied on its own.
    "workbench": {"workbench", "infra", "handlers", "policy.rules"},
    "policy": set(),
}


def imported(file: Path) -> set[str]:
    return {one or other for one, other in IMPORT.findall(file.read_text(encoding="utf-8"))}


def ours(modules: set[str]) -> set[str]:
    return {module for module in modules if module.split(".")[0] in (*ALLOWED, "tests")}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    files = [path for path in (PROJECT / package).rglob("*.py") if ".venv" not in path.parts]
    assert files
    for file in files:
        for module in ours(imported(file)):
            allowed = any(f"{module}.".startswith(f"{name}.") for name in ALLOWED[package])
            assert allowed, f"{file.relative_to(PROJECT)} imports {module}"


def test_the_program_imports_only_infra() -> None:
    assert {module.split(".")[0] for module in ours(imported(PROJECT / "__main__.py"))} == {"infra"}


def test_the_program_reads_like_a_diagram() -> None:
    assert len((PROJECT / "__main__.py").read_text(encoding="utf-8").splitlines()) < 60
