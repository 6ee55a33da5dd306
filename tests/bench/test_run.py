"""A run takes subjects in turn, does not count what warms up, and leaves out what cannot be started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.bench.measuring.run import Plan, Question, Questions, cold_starts, steps, warm_requests
from workbench.bench.measuring.subjects import ColdStart, Subject, WarmRequest
from workbench.bench.results import Variant


@dataclass
class Fake:
    model: str
    calls: list[str]
    startable: bool = True
    architecture: str = "oci"
    variant: Variant = "served"
    endpoint: str = "http://127.0.0.1/"
    fetched: int = 7
    count: int = field(default=0)

    def _call(self, what: str) -> float:
        self.calls.append(f"{what} {self.model}")
        self.count += 1
        return float(self.count)

    def cold(self, body: Mapping[str, Any]) -> ColdStart:
        milliseconds = self._call("cold")
        phases = dict.fromkeys(("process", "imports", "fetch", "session", "tokenize", "infer", "other"), 0.0)
        return ColdStart(milliseconds, None, phases | {"imports": milliseconds}, None, 100.0)

    def prime(self, body: Mapping[str, Any]) -> None:
        self._call("prime")

    def warm(self, body: Mapping[str, Any]) -> WarmRequest:
        return WarmRequest(self._call("warm"), 2.0, {"infer": 1.0})

    def memory(self) -> tuple[float, float] | None:
        return 200.0, 150.0

    def rest(self) -> None: ...


def questions(_: Subject) -> list[Question]:
    return [Question({"question": "?"}, 175)]


ASKED: Questions = questions


def nothing(part: str, subject: str) -> None:
    """Nobody watches."""


def test_cold_starts_take_turns_and_the_first_of_each_does_not_count() -> None:
    calls: list[str] = []
    subjects = [Fake("a", calls), Fake("b", calls), Fake("c", calls, startable=False)]
    found = cold_starts(subjects, ASKED, Plan(2, 0, (), 1), nothing)
    assert calls == ["cold a", "cold b"] * 3
    assert [(item.model, item.samples_ms, item.fetched) for item in found] == [("a", [2, 3], 7), ("b", [2, 3], 7)]
    assert found[0].phases == {"imports": [2, 3]}
    assert (found[0].memory_mb, found[0].init_ms) == ([100, 100], [])


def test_warm_requests_take_turns_in_blocks_after_one_that_does_not_count() -> None:
    calls: list[str] = []
    found = warm_requests([Fake("a", calls), Fake("b", calls)], ASKED, Plan(0, 7, (), 1), nothing)
    blocks = ["warm a"] * 5 + ["warm b"] * 5 + ["warm a"] * 2 + ["warm b"] * 2
    assert calls == ["prime a", "prime b", *blocks]
    assert [len(item.samples_ms) for item in found] == [7, 7]
    assert (found[0].duration_ms[0], found[0].infer_ms[0], found[0].memory_mb, found[0].pss_mb) == (2, 1, 200, 150)


def test_nothing_is_asked_that_was_not_asked_for() -> None:
    calls: list[str] = []
    plan = Plan(0, 0, (), 1)
    subject = Fake("a", calls)
    assert cold_starts([subject], ASKED, plan, nothing) == warm_requests([subject], ASKED, plan, nothing) == []
    assert calls == []


def test_every_step_is_announced_and_made() -> None:
    made: list[str] = []
    subjects: list[Subject] = [Fake("a", []), Fake("b", [], startable=False)]
    plan = Plan(2, 3, (), 1)
    announced = steps(subjects, ASKED, plan)
    cold_starts(subjects, ASKED, plan, lambda part, _: made.append(part))
    warm_requests(subjects, ASKED, plan, lambda part, _: made.append(part))
    assert (
        {part: made.count(part) for part in announced}
        == announced
        == {
            "Cold starts": 3,
            "Warm requests": 6,
            "Throughput": 0,
        }
    )
