"""What is measured of an invocation, and the lines that Lambda itself writes into a function's log.

All durations are taken from a monotonic clock, in milliseconds.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from workbench.local.lambda_service.functions import Function

Status = Literal["success", "error", "timeout"]


@dataclass(frozen=True)
class InvocationReport:
    """One invocation, as the REPORT line in a function's log has it.

    Attributes:
        pid: the process that handled it; of a container, the client that waits for it.
        status: `error` when the function failed in whatever way but its timeout.
        error_type: None unless it failed.
        cold: whether an execution environment was started for it.
        init_ms: from the start of the process, or of Docker's client for a container, until the runtime, the handler's
            module imported, asks for its first event. None when not cold, and when that failed and was repeated: then it is part of the duration.
        duration_ms: from handing the event over until the answer has arrived; Lambda's "Duration".
        first_answer_ms: from the start of the process until its first answer has arrived. None unless cold.
        memory_size_mb: what the function is configured with. It is enforced in a container alone.
        max_memory_mb: the most that was resident of the process so far (off Linux: at the end of the invocation).
    """

    request_id: str
    function: str
    version: str
    pid: int
    status: Status
    error_type: str | None
    cold: bool
    init_ms: float | None
    duration_ms: float
    first_answer_ms: float | None
    memory_size_mb: int
    max_memory_mb: int

    @property
    def billed_ms(self) -> int:
        """As Lambda bills a container image: init and duration, rounded up to a millisecond."""
        return math.ceil((self.init_ms or 0.0) + self.duration_ms)


def timestamp() -> str:
    """The time of day as Lambda writes it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def start_line(function: Function, request_id: str) -> str:
    if function.json_logs:
        return _platform_line("start", {"requestId": request_id, "version": function.version})
    return f"START RequestId: {request_id} Version: {function.version}\n"


def report_lines(function: Function, report: InvocationReport) -> str:
    """END and REPORT and, after a timeout, the line that says so."""
    if function.json_logs:
        metrics = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": report.billed_ms,
            "memorySizeMB": report.memory_size_mb,
            "maxMemoryUsedMB": report.max_memory_mb,
        }
        if report.init_ms is not None:
            metrics["initDurationMs"] = round(report.init_ms, 3)
        record = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
        if report.error_type is not None:
            record["errorType"] = report.error_type
        return _platform_line("report", record)
    fields = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_ms:.2f} ms",
        f"Billed Duration: {report.billed_ms} ms",
        f"Memory Size: {report.memory_size_mb} MB",
        f"Max Memory Used: {report.max_memory_mb} MB",
    ]
    if report.init_ms is not None:
        fields.append(f"Init Duration: {report.init_ms:.2f} ms")
    if report.status != "success":
        fields.append(f"Status: {report.status}")
    if report.status == "error":
        fields.append(f"Error Type: {report.error_type}")
    lines = [f"END RequestId: {report.request_id}", "\t".join(fields)]
    if report.status == "timeout":
        lines.append(f"{timestamp()} {report.request_id} Task timed out after {function.timeout}.00 seconds")
    return "".join(f"{line}\n" for line in lines)


def init_failed_line(function: Function, status: Status, seconds: float) -> str:
    """The report of an init phase that did not come to its end; `seconds` is how long it took."""
    if function.json_logs:
        metrics = {"durationMs": round(seconds * 1000, 3)}
        record = {"initializationType": "on-demand", "phase": "init", "status": status, "metrics": metrics}
        return _platform_line("initReport", record)
    return f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: {status}\n"


def _platform_line(kind: str, record: object) -> str:
    return json.dumps({"time": timestamp(), "type": f"platform.{kind}", "record": record}) + "\n"
