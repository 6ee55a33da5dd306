"""What can be measured: a model on one architecture, that can be asked and, where possible, started anew.

Here are those of a stack on this machine; those on AWS are in `aws`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psutil
import urllib3

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.timing import phases, server_timing
from workbench.bench.results import Variant
from workbench.local.asking import Asker, Reply
from workbench.local.lambda_service.reports import InvocationReport
from workbench.local.lambda_service.service import LambdaService

# On a busy machine an environment may not be back from its last request in time, and another one is started, as Lambda
# would. That is no warm request, so it is asked again.
_ATTEMPTS = 5


@dataclass(frozen=True)
class ColdStart:
    """One cold start, in ms from the start of the process to its first answer, by phase; memory in MB.

    `init_ms` is None where the init phase went over Lambda's limit and was repeated, which a slow handler may do.
    """

    milliseconds: float
    init_ms: float | None
    phases: Mapping[str, float]
    billed_ms: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class WarmRequest:
    """One request to an environment that has answered before, in ms.

    `milliseconds` is what the client saw, `duration_ms` what the function took (Lambda's Duration; None where that is
    not known), `stages` what the function says itself.
    """

    milliseconds: float
    duration_ms: float | None
    stages: Mapping[str, float]


class Subject(Protocol):
    """A model on one architecture; `fetched` are the bytes that a cold start brings over the network."""

    @property
    def architecture(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def variant(self) -> Variant: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def fetched(self) -> int: ...
    @property
    def startable(self) -> bool:
        """Whether cold starts can be forced."""
        ...

    def cold(self, body: Mapping[str, Any]) -> ColdStart:
        """Starts a fresh environment with this request; raises `MeasuringError`."""
        ...

    def prime(self, body: Mapping[str, Any]) -> None:
        """Asks once without measuring, so that an environment runs and has seen this request; raises `MeasuringError`."""
        ...

    def warm(self, body: Mapping[str, Any]) -> WarmRequest:
        """Asks an environment that runs already; raises `MeasuringError`."""
        ...

    def memory(self) -> tuple[float, float] | None:
        """Resident and proportional memory of the environment that answered last, in MB; None if it is not known."""
        ...

    def rest(self) -> None:
        """Ends the environments of this subject, so that the others have the machine to themselves."""
        ...


@dataclass(frozen=True)
class LocalSubject:
    """A function of the emulator on this machine, behind its HTTP API, executed by `service`."""

    architecture: str
    model: str
    variant: Variant
    endpoint: str
    function: str
    service: LambdaService
    asker: Asker
    fetched: int = 0
    startable: bool = True

    def cold(self, body: Mapping[str, Any]) -> ColdStart:
        self.rest()
        reply, report = self._ask(body)
        if report.first_answer_ms is None:
            raise MeasuringError(f"{self} answered from an environment that was running although none was left.")
        timing = server_timing(reply.headers)
        memory = self.memory()
        return ColdStart(
            report.first_answer_ms,
            report.init_ms,
            phases(timing, report.init_ms, report.first_answer_ms),
            None,
            memory[0] if memory else report.max_memory_mb,
        )

    def prime(self, body: Mapping[str, Any]) -> None:
        self._ask(body)

    def warm(self, body: Mapping[str, Any]) -> WarmRequest:
        for _ in range(_ATTEMPTS):
            reply, report = self._ask(body)
            if not report.cold:
                return WarmRequest(reply.milliseconds, report.duration_ms, server_timing(reply.headers))
        raise MeasuringError(
            f"{self} starts an environment for every request; is the machine busy with something else?"
        )

    def memory(self) -> tuple[float, float] | None:
        with contextlib.suppress(psutil.Error, IndexError, AttributeError):
            information = psutil.Process(self.service.reports(self.function)[-1].pid).memory_full_info()
            return information.rss / 1e6, information.pss / 1e6  # proportional memory is known on Linux alone
        return None

    def rest(self) -> None:
        self.service.retire(self.function)

    def _ask(self, body: Mapping[str, Any]) -> tuple[Reply, InvocationReport]:
        before = len(self.service.reports(self.function))
        try:
            reply = self.asker.post(self.endpoint, json.dumps(body).encode())
        except urllib3.exceptions.HTTPError as error:
            raise MeasuringError(f"{self} does not answer at {self.endpoint} ({error}).") from error
        check(self, reply)
        reports = self.service.reports(self.function)
        if len(reports) == before:
            raise MeasuringError(f"{self} answered without an invocation; is another benchmark asking it?")
        return reply, reports[-1]

    def __str__(self) -> str:
        return shown(self)


def check(subject: Subject, reply: Reply) -> None:
    """Raises `MeasuringError` for a reply that is not an answer."""
    if reply.status != 200:
        raise MeasuringError(f"{shown(subject)} answered with status {reply.status}: {reply.body}")


def shown(subject: Subject) -> str:
    """The subject as people call it."""
    kind = "" if subject.variant == "served" else f" ({subject.variant})"
    return f"{subject.model} on {subject.architecture}{kind}"
