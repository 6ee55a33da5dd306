"""The faults of `make test-mutants` fit today's code; whether each is found is what that target is for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
FAULTS = yaml.safe_load((PROJECT / "tests" / "mutants" / "faults.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault['file']}: {fault['fault']}" for fault in FAULTS])
def test_a_fault_has_its_place_in_the_code_and_a_test_to_find_it(fault: dict[str, str]) -> None:
    assert fault["old"] in (PROJECT / fault["file"]).read_text(encoding="utf-8"), (
        f"{fault['file']} no longer holds {fault['old']!r}; give the fault its place in today's code, in faults.yaml."
    )
    file, _, test = fault["test"].partition("::")
    name = test.partition("[")[0]
    assert f"def {name}(" in (PROJECT / file).read_text(encoding="utf-8"), f"There is no test {name} in {file}."
