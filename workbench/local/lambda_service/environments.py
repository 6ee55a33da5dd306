"""An execution environment: one runtime, started by a launcher, and the Runtime API it talks to.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Which environment handles which invocation, and how
failures are reported to the caller, is not decided here, and neither is what the runtime runs in: see `launchers`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from workbench.local.lambda_service.functions import Function
from workbench.local.lambda_service.launchers import Launcher, Runtime

_HOST = "127.0.0.1"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB, and this is the exact number in the
# error that Lambda gives
_RESPONSE_LIMIT = 6_291_556  # bytes

_API = "/2018-06-01/runtime"
# Where a function with SnapStart gets its credentials; on Lambda this is an address of its own.
_CREDENTIALS = "/credentials"
_CREDENTIALS_LAST = timedelta(hours=1)
# The emulator takes any.
_KEYS = {"AccessKeyId": "test", "SecretAccessKey": "test"}
_ANSWER_PATH = re.compile(rf"{_API}/invocation/([^/]+)/(response|error)")


class FunctionError(Exception):
    """The function failed.

    Attributes:
        payload: the JSON error for the caller, where the runtime gave one.
        answered: monotonic time, in seconds, at which the runtime reported the failure of an invocation. None: it
            did not, the environment is of no more use.
    """

    def __init__(
        self, error_type: str, message: str, *, payload: bytes | None = None, answered: float | None = None
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.payload = payload
        self.answered = answered


@dataclass(frozen=True)
class Invocation:
    """An event for a function, as it came from the emulator."""

    request_id: str
    arn: str
    event: bytes
    trace_id: str | None


@dataclass(frozen=True)
class Answer:
    """What a handler returned, encoded by the runtime. `answered` is the monotonic time of its arrival, in seconds."""

    payload: bytes
    content_type: str
    answered: float


@dataclass(frozen=True)
class Host:
    """What the environments of a service share.

    Attributes:
        endpoint: URL of the AWS APIs that functions are to use.
        launcher: starts their runtimes.
        variables: environment variables that every function gets besides its own.
        logger: for errors of this program, not of the functions.
    """

    endpoint: str
    launcher: Launcher
    variables: Mapping[str, str]
    logger: logging.Logger


@dataclass
class _Delivery:
    """An invocation on its way to the runtime."""

    invocation: Invocation
    deadline_ms: int  # since the epoch, as the runtime wants it
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Environment:
    """One runtime that runs `function`, from `start` until it exits or is killed.

    `on_idle` is called whenever the runtime asks for its next event after having answered one, `on_exit` when it has
    ended, for whatever reason. To be used from one event loop.
    """

    def __init__(
        self,
        function: Function,
        host: Host,
        log: int,
        on_idle: Callable[[Environment], None],
        on_exit: Callable[[Environment], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.function = function
        self.started = 0.0  # monotonic, seconds
        self.returning = False  # has answered, and will ask for its next event in an instant
        self.max_memory_mb = 0
        self._host = host
        self._log = log
        self._on_idle = on_idle
        self._on_exit = on_exit
        self._id = uuid.uuid4().hex
        self._ready: asyncio.Future[float] = loop.create_future()  # the time at which the init phase ended
        self._poll: asyncio.Future[_Delivery] | None = None
        self._delivery: _Delivery | None = None
        self._runtime: Runtime | None = None
        self._exit: asyncio.Task[None] | None = None
        self._killed = False

    @property
    def pid(self) -> int:
        return self._runtime.pid if self._runtime else 0

    async def start(self) -> None:
        """Starts the runtime; its init phase is under way when this returns."""
        # A port for each: the runtime takes no path prefix, and so no environment can reach another one's events.
        api = web.Server(self._serve, access_log=None, logger=self._host.logger)
        server = await asyncio.get_running_loop().create_server(api, _HOST, 0)
        address = "{}:{}".format(*server.sockets[0].getsockname())
        self.started = time.monotonic()
        try:
            self._runtime = await self._host.launcher.launch(
                self.function, self._id, self._variables(address), self._log
            )
        except BaseException:
            server.close()
            raise
        self._exit = asyncio.create_task(self._watch(self._runtime, server, api))

    async def init(self, limit: float) -> float:
        """Waits for the init phase to end, at most `limit` seconds, and returns how long it took, in seconds.

        Raises:
            FunctionError: the handler's module could not be imported, or the process exited.
            TimeoutError: it took longer; the process is still running.
        """
        async with asyncio.timeout(limit):
            ready = await self._ready
        self._measure_memory()
        return ready - self.started

    async def invoke(self, invocation: Invocation, limit: float) -> Answer:
        """Hands the event to the runtime and waits for its answer, at most `limit` seconds.

        To be called after `init` or `on_idle`.

        Raises:
            FunctionError: the handler raised an error, or the process exited.
            TimeoutError: it took longer; the process is still running.
        """
        if self._poll is None or self._poll.done():
            raise _exited(self._runtime.returncode if self._runtime else None)  # since then
        self._delivery = _Delivery(invocation, deadline_ms=int((time.time() + limit) * 1000))
        self._poll.set_result(self._delivery)
        try:
            async with asyncio.timeout(limit):
                return await self._delivery.answer
        finally:
            self._delivery = None
            self._measure_memory()

    def kill(self) -> None:
        """Ends the runtime and everything it started, at once; `on_exit` follows."""
        self._killed = True
        if self._runtime is not None:
            self._runtime.kill()

    async def close(self) -> None:
        """Kills the runtime and returns when nothing is left of it."""
        self.kill()
        if self._exit is not None:
            await asyncio.shield(self._exit)

    async def _watch(self, runtime: Runtime, server: asyncio.Server, api: web.Server) -> None:
        code = await runtime.wait()
        failure = _exited(code)
        if not self._ready.done():
            self._ready.set_exception(failure)
        if self._delivery is not None and not self._delivery.answer.done():
            self._delivery.answer.set_exception(failure)
        if self._poll is not None:
            self._poll.cancel()
        self._on_exit(self)
        server.close()
        await api.shutdown(0)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """The Runtime API."""
        if request.method == "GET" and request.path == f"{_API}/invocation/next":
            return await self._next()
        if request.method == "GET" and request.path == f"{_API}/restore/next":
            # No snapshot is taken here: what comes after one follows at once.
            return _accepted(200)
        if request.method == "GET" and request.path == _CREDENTIALS:
            return self._credentials(request.headers.get("Authorization", ""))
        # not request.read(): that refuses more than 1 MiB
        body = await request.content.read()
        if request.method == "POST":
            if request.path in (f"{_API}/init/error", f"{_API}/restore/error"):
                if not self._ready.done():
                    self._ready.set_exception(_reported(body))
                return _accepted()
            if path := _ANSWER_PATH.fullmatch(request.path):
                return self._answer(path[1], path[2] == "error", body, request.headers.get("Content-Type", ""))
        return _refused(404, "NotFound", f"The Runtime API has no {request.method} {request.path}.")

    def _credentials(self, token: str) -> web.Response:
        if token != self._id:
            return _refused(403, "AccessDenied", "The authorization token is not that of this environment.")
        expiration = (datetime.now(UTC) + _CREDENTIALS_LAST).isoformat(timespec="seconds").replace("+00:00", "Z")
        return web.json_response({**_KEYS, "Token": "test", "Expiration": expiration})

    async def _next(self) -> web.Response:
        if self._killed:  # the request was already on its way
            return _refused(410, "Terminated", "This environment has been ended.")
        self.returning = False
        self._poll = asyncio.get_running_loop().create_future()
        if self._ready.done():
            self._on_idle(self)
        else:
            self._ready.set_result(time.monotonic())
        delivery = await self._poll
        headers = {
            "Lambda-Runtime-Aws-Request-Id": delivery.invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(delivery.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": delivery.invocation.arn,
            "Content-Type": "application/json",
        }
        if delivery.invocation.trace_id is not None:
            headers["Lambda-Runtime-Trace-Id"] = delivery.invocation.trace_id
        return web.Response(body=delivery.invocation.event, headers=headers)

    def _answer(self, request_id: str, is_error: bool, body: bytes, content_type: str) -> web.Response:
        delivery = self._delivery
        if delivery is None or delivery.invocation.request_id != request_id or delivery.answer.done():
            return _refused(400, "InvalidRequestID", f"No invocation {request_id} is under way.")
        now = time.monotonic()
        if len(body) > _RESPONSE_LIMIT:
            message = f"Response payload size exceeded maximum allowed payload size ({_RESPONSE_LIMIT} bytes)."
            delivery.answer.set_exception(FunctionError("Function.ResponseSizeTooLarge", message))
            return _refused(413, "RequestEntityTooLarge", message)
        self.returning = True
        if is_error:
            delivery.answer.set_exception(_reported(body, answered=now))
        else:
            delivery.answer.set_result(Answer(body, content_type or "application/json", now))
        return _accepted()

    def _measure_memory(self) -> None:
        if self._runtime is not None:
            self.max_memory_mb = max(self.max_memory_mb, -(-self._runtime.peak_memory() // 2**20))

    def _variables(self, runtime_api: str) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, and where the emulator is."""
        function = self.function
        variables = {
            **self._host.variables,
            "_HANDLER": function.handler,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_FORMAT": function.log_format,
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{self._id}",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ENDPOINT_URL": self._host.endpoint,
        }
        if function.snap_start:
            # https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html: keys would be those of the snapshot.
            variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{runtime_api}{_CREDENTIALS}"
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = self._id
        else:
            variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = "on-demand"
            variables["AWS_ACCESS_KEY_ID"] = _KEYS["AccessKeyId"]
            variables["AWS_SECRET_ACCESS_KEY"] = _KEYS["SecretAccessKey"]
        if function.log_level is not None:
            variables["AWS_LAMBDA_LOG_LEVEL"] = function.log_level
        return variables


def _exited(code: int | None) -> FunctionError:
    """The failure that is an exit of the runtime: its status, negative for a signal, None if it is not known."""
    if not code:
        return FunctionError("Runtime.ExitError", "Runtime exited without providing a reason")
    if code > 0:
        return FunctionError("Runtime.ExitError", f"Runtime exited with error: exit status {code}")
    name = (signal.strsignal(-code) or f"signal {-code}").split(":")[0].lower()  # macOS: "Killed: 9"
    return FunctionError("Runtime.ExitError", f"Runtime exited with error: signal: {name}")


def _reported(body: bytes, answered: float | None = None) -> FunctionError:
    """The failure that the runtime describes in `body`."""
    try:
        error = json.loads(body)
        kind, message = str(error["errorType"]), str(error["errorMessage"])
    except (ValueError, KeyError, TypeError):
        kind, message = "Runtime.Unknown", "The runtime reported an error without describing it."
    return FunctionError(kind, message, payload=body, answered=answered)


def _accepted(status: int = 202) -> web.Response:
    return web.json_response({"status": "OK"}, status=status)


def _refused(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"errorType": kind, "errorMessage": message}, status=status)
