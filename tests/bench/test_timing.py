"""The phases of a cold start add up to what was measured, whatever a function says of itself."""

from __future__ import annotations

import pytest

from workbench.bench.measuring.timing import phases, server_timing
from workbench.bench.results import PHASES


def test_the_header_is_read_by_name() -> None:
    headers = {"server-timing": "load;dur=50.5, fetch;dur=10.0, total;dur=61.2", "x-cold-start": "true"}
    assert server_timing(headers) == {"load": 50.5, "fetch": 10.0, "total": 61.2}
    assert server_timing({}) == {}


def test_the_phases_of_a_served_model_add_up_to_the_whole() -> None:
    timing = {
        "imports": 90.0,
        "load": 60.0,
        "fetch": 10.0,
        "session": 50.0,
        "tokenize": 2.0,
        "infer": 40.0,
        "total": 103.0,
    }
    found = phases(timing, init_ms=140, first_answer_ms=250)
    assert tuple(found) == PHASES
    assert found == {
        "process": 50,  # of the 140 ms until the first event, 90 are imports
        "imports": 90,
        "fetch": 10,
        "session": 50,
        "tokenize": 2,
        "infer": 40,
        "other": 8,
    }
    assert sum(found.values()) == 250


def test_a_model_that_is_loaded_before_the_first_event_is_not_counted_twice() -> None:
    timing = {"imports": 1000.0, "fetch": 300.0, "session": 200.0, "init": 1500.0, "infer": 100.0}
    found = phases(timing, init_ms=1600, first_answer_ms=1705)
    assert (found["process"], found["imports"], found["other"]) == (100, 1000, 5)
    assert sum(found.values()) == 1705


@pytest.mark.parametrize("init_ms", [None, 50.0])
def test_what_is_not_known_is_other_and_nothing_is_negative(init_ms: float | None) -> None:
    found = phases({"imports": 90.0}, init_ms, first_answer_ms=200)
    assert min(found.values()) == 0
    assert found["other"] == 110
