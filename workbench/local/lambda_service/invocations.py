"""Runs one invocation: through the phases that it has on Lambda, to an answer or a failure, a report and log lines.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from workbench.local.lambda_service.environments import Answer, Environment, FunctionError, Invocation
from workbench.local.lambda_service.pools import Pool
from workbench.local.lambda_service.reports import (
    InvocationReport,
    Status,
    init_failed_line,
    report_lines,
    start_line,
)

_INIT_LIMIT = 10.0  # seconds; on Lambda, of every function that has no provisioned concurrency


@dataclass(frozen=True)
class Failure:
    """A failed invocation: `payload` is the JSON error that its caller gets."""

    status: Status
    error_type: str
    payload: bytes


async def run(invocation: Invocation, pool: Pool) -> tuple[Answer | Failure, InvocationReport]:
    """Handles `invocation` in an environment of `pool`, a warm one if there is one.

    Returns when the outcome is certain: after a timeout, that is when the process is gone.
    """
    function = pool.function
    environment = await pool.warm()
    cold = environment is None
    init_ms: float | None = None
    if environment is None:
        environment, init_ms = await _init_phase(pool)
    spawned = environment.started
    pool.write(start_line(function, invocation.request_id))
    begun = time.monotonic()
    answered: float | None = None
    outcome: Answer | Failure
    try:
        if cold and init_ms is None:
            # Lambda repeats a failed init phase, once, as a part of the invocation and of its time.
            environment = await pool.start()
            await environment.init(function.timeout)
        outcome = await environment.invoke(invocation, begun + function.timeout - time.monotonic())
        answered = outcome.answered
    except FunctionError as error:
        payload = error.payload or error_payload(error.error_type, f"RequestId: {invocation.request_id} Error: {error}")
        outcome = Failure("error", error.error_type, payload)
        answered = error.answered
    except TimeoutError:
        message = f"RequestId: {invocation.request_id} Error: Task timed out after {function.timeout}.00 seconds"
        outcome = Failure("timeout", "Sandbox.Timedout", error_payload("Sandbox.Timedout", message))
    ended = time.monotonic() if answered is None else answered
    if answered is None:
        await environment.close()
    report = InvocationReport(
        request_id=invocation.request_id,
        function=function.name,
        version=function.version,
        pid=environment.pid,
        status=outcome.status if isinstance(outcome, Failure) else "success",
        error_type=outcome.error_type if isinstance(outcome, Failure) else None,
        cold=cold,
        init_ms=init_ms,
        duration_ms=(ended - begun) * 1000,
        first_answer_ms=(answered - spawned) * 1000 if cold and answered is not None else None,
        memory_size_mb=function.memory_size,
        max_memory_mb=environment.max_memory_mb,
    )
    pool.write(report_lines(function, report))
    return outcome, report


async def _init_phase(pool: Pool) -> tuple[Environment, float | None]:
    """A new environment and the milliseconds that its init phase took; None when that failed and nothing is left."""
    environment = await pool.start()
    status: Status
    try:
        return environment, await environment.init(_INIT_LIMIT) * 1000
    except FunctionError:
        status = "error"
    except TimeoutError:
        status = "timeout"
    pool.write(init_failed_line(pool.function, status, time.monotonic() - environment.started))
    await environment.close()
    return environment, None


def error_payload(error_type: str, message: str) -> bytes:
    """An error in the form in which Lambda gives one to the caller of a function."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()
