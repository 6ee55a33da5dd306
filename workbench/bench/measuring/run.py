"""One run of the benchmark: every subject in turn, again and again, so that what the machine does meanwhile hits all.

What it is run on, and what is made of it, is up to others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.bench.measuring.subjects import ColdStart, Subject, WarmRequest, shown
from workbench.bench.measuring.throughput import throughput
from workbench.bench.results import PHASES, ColdStarts, Throughput, WarmRequests

# Warm requests in a row before the next subject has its turn.
_BLOCK = 5


@dataclass(frozen=True)
class Plan:
    """How much is measured: cold starts and warm requests for each subject, steps of concurrency of `seconds` each."""

    cold: int
    warm: int
    concurrency: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Question:
    """A request, and the tokens that it has."""

    body: Mapping[str, Any]
    tokens: int


Questions = Callable[[Subject], Sequence[Question]]
"""The questions for a subject: the first for cold starts and throughput, each for warm requests."""

Step = Callable[[str, str], None]
"""Told that one more step of a part of the run has been made, and by which subject."""


def steps(subjects: Sequence[Subject], questions: Questions, plan: Plan) -> dict[str, int]:
    """The parts of a run, and of how many steps each is: for progress bars."""
    startable = sum(subject.startable for subject in subjects)
    served = sum(subject.variant == "served" for subject in subjects)
    return {
        "Cold starts": startable * (plan.cold + 1) if plan.cold else 0,
        "Warm requests": sum(plan.warm * len(questions(subject)) for subject in subjects),
        "Throughput": served * len(plan.concurrency),
    }


def cold_starts(subjects: Sequence[Subject], questions: Questions, plan: Plan, step: Step) -> list[ColdStarts]:
    """Cold starts of those subjects that can be started anew; the first of each warms up caches and does not count."""
    startable = [subject for subject in subjects if subject.startable]
    samples: dict[int, list[ColdStart]] = {index: [] for index in range(len(startable))}
    for turn in range(plan.cold + 1 if plan.cold else 0):
        for index, subject in enumerate(startable):
            sample = subject.cold(questions(subject)[0].body)
            subject.rest()
            if turn:
                samples[index].append(sample)
            step("Cold starts", shown(subject))
    return [_cold(subject, samples[index]) for index, subject in enumerate(startable) if samples[index]]


def warm_requests(subjects: Sequence[Subject], questions: Questions, plan: Plan, step: Step) -> list[WarmRequests]:
    """Requests one at a time to environments that run, in blocks of a few for each subject in turn."""
    asked = [(subject, question) for subject in subjects for question in questions(subject)]
    samples: dict[int, list[WarmRequest]] = {index: [] for index in range(len(asked))}
    memory: dict[int, tuple[float, float] | None] = {}
    for subject in subjects:
        for question in questions(subject) if plan.warm else ():
            subject.prime(question.body)
    for begun in range(0, plan.warm, _BLOCK):
        for index, (subject, question) in enumerate(asked):
            for _ in range(min(_BLOCK, plan.warm - begun)):
                samples[index].append(subject.warm(question.body))
                step("Warm requests", shown(subject))
            memory[index] = subject.memory()
    for subject in subjects:
        subject.rest()
    return [
        _warm(subject, question.tokens, samples[index], memory[index])
        for index, (subject, question) in enumerate(asked)
        if samples[index]
    ]


def throughputs(subjects: Sequence[Subject], questions: Questions, plan: Plan, step: Step) -> list[Throughput]:
    """Each step of concurrency for every served subject; one after the other, as each takes the whole machine."""
    results = []
    for concurrency in plan.concurrency:
        for subject in subjects:
            if subject.variant == "served":
                results.append(throughput(subject, questions(subject)[0].body, concurrency, plan.seconds))
                subject.rest()
                step("Throughput", shown(subject))
    return results


def _cold(subject: Subject, samples: Sequence[ColdStart]) -> ColdStarts:
    return ColdStarts(
        architecture=subject.architecture,
        model=subject.model,
        variant=subject.variant,
        samples_ms=[round(sample.milliseconds, 1) for sample in samples],
        phases={
            phase: [round(sample.phases[phase], 1) for sample in samples]
            for phase in PHASES
            if any(sample.phases[phase] for sample in samples)
        },
        billed_ms=[sample.billed_ms for sample in samples if sample.billed_ms is not None],
        memory_mb=[round(sample.memory_mb, 1) for sample in samples if sample.memory_mb is not None],
        fetched=subject.fetched,
        init_ms=[round(sample.init_ms, 1) for sample in samples if sample.init_ms is not None],
    )


def _warm(
    subject: Subject, tokens: int, samples: Sequence[WarmRequest], memory: tuple[float, float] | None
) -> WarmRequests:
    return WarmRequests(
        architecture=subject.architecture,
        model=subject.model,
        variant=subject.variant,
        tokens=tokens,
        samples_ms=[round(sample.milliseconds, 2) for sample in samples],
        infer_ms=[round(sample.stages["infer"], 2) for sample in samples if "infer" in sample.stages],
        duration_ms=[round(sample.duration_ms, 2) for sample in samples if sample.duration_ms is not None],
        memory_mb=round(memory[0], 1) if memory else None,
        pss_mb=round(memory[1], 1) if memory else None,
    )
