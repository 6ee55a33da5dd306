"""AWS Lambda on this machine: takes invocations from the emulator and runs them in execution environments.

MiniStack executes a function whose variable MINISTACK_LAMBDA_PROXY_URL is set by posting the event to that URL. What
answers there is this service. Everything in it happens on one event loop, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from io import FileIO
from pathlib import Path
from types import TracebackType

import aiohttp
from aiohttp import web

from workbench.local.lambda_service.environments import Answer, Host, Invocation
from workbench.local.lambda_service.functions import (
    LATEST,
    FunctionReader,
    ImageResolver,
    MountResolver,
    UnsupportedFunctionError,
)
from workbench.local.lambda_service.invocations import Failure, error_payload, run
from workbench.local.lambda_service.launchers import Launcher, ProcessLauncher
from workbench.local.lambda_service.pools import Pool
from workbench.local.lambda_service.reports import InvocationReport

HOST = "127.0.0.1"

# MiniStack gives up on an answer after the function's timeout. But that is this service's to enforce: the time of the
# init phase does not count, and a timeout is reported when the process is gone. An interim response, which an HTTP
# client has to skip, starts MiniStack's clock again. The shortest timeout of a function is one second.
_INTERIM_INTERVAL = 0.25  # seconds
_INTERIM_RESPONSE = b"HTTP/1.1 100 Continue\r\n\r\n"

_KEPT_REPORTS = 10_000  # of each function
_KEPT_ERRORS = 1_000  # of all functions; the emulator fetches an error as soon as it is told of it
_STOP_LIMIT = 5.0  # seconds


class LambdaService:
    """Runs the functions of the emulator at `endpoint`, from `with` to the end of its block.

    Everything it writes lies below `folder`: `logs/<function>.log`, begun anew each time, and, in `lambda/`, what the
    functions see as their task root and their `/tmp`. No process that it starts outlives it.

    Args:
        endpoint: URL of the emulator; functions get it as AWS_ENDPOINT_URL.
        folder: where its files go; made if need be.
        code: folder of the one package that the images contain: `handlers` for `handlers.efs.app.handler`.
        images: what is in an image; called on the service's thread.
        mounts: which folder stands for an access point; called on the service's thread.
        launcher: starts the functions; None for processes of this machine.
        variables: environment variables that every function gets besides its own.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        folder: Path,
        code: Path,
        images: ImageResolver,
        mounts: MountResolver,
        launcher: Launcher | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._folder = folder.resolve()
        self._code = code.resolve()
        self._images = images
        self._mounts = mounts
        self._launcher = launcher
        self._variables = dict(variables or {})
        self._port = 0
        self._pools: dict[tuple[str, str], Pool] = {}  # by the function's ARN and version
        self._retired: list[Pool] = []
        self._logs: dict[str, FileIO] = {}
        self._reports: dict[str, deque[InvocationReport]] = {}
        self._errors: dict[str, bytes] = {}  # by request id
        self._logger = logging.Logger(
            "lambda-service", logging.WARNING
        )  # belongs to no other: the terminal is the parent's
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        """What a function's MINISTACK_LAMBDA_PROXY_URL has to be."""
        return f"http://{HOST}:{self._port}/invocations"

    def reports(self, function: str) -> list[InvocationReport]:
        """The latest 10 000 invocations of `function`, the latest one last; to be called from any thread.

        An invocation is listed before its caller has the answer.
        """
        return list(self._reports.get(function, ()))

    def retire(self, function: str) -> None:
        """Makes the next request to each version of `function` a cold start; to be called from any thread.

        Idle environments are ended, and each busy one once it has answered.
        """
        if self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._retire_function(function), self._loop).result(_STOP_LIMIT)

    def __enter__(self) -> LambdaService:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once invocations are taken."""
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._main(started)), name="lambda-service", daemon=True
        )
        self._thread.start()
        started.result()

    def stop(self) -> None:
        """Ends every execution environment and the service; does nothing if it is not running."""
        if self._thread is None or self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_LIMIT)

    async def _main(self, started: Future[None]) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._open(stack)
                self._loop = asyncio.get_running_loop()
                started.set_result(None)
                await self._stopping.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        """Prepares the folders and opens the port; `stack` undoes that, the latest step first."""
        logs = self._folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(logs / "lambda-service.log", mode="w", encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._logger.addHandler(handler)
        stack.callback(handler.close)
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self._logger.error(context["message"], exc_info=context.get("exception"))
        )

        own = self._folder / "lambda"
        shutil.rmtree(own, ignore_errors=True)
        task_root = own / "task"
        task_root.mkdir(parents=True)
        (task_root / self._code.name).symlink_to(self._code, target_is_directory=True)
        stack.callback(shutil.rmtree, own, ignore_errors=True)

        lifeline, held = os.pipe()
        stack.callback(os.close, held)
        stack.callback(os.close, lifeline)
        processes = ProcessLauncher(self._folder, task_root, own / "environments", lifeline)
        self._host = Host(self._endpoint, self._launcher or processes, self._variables, self._logger)
        client = await stack.enter_async_context(aiohttp.ClientSession())
        self._reader = FunctionReader(client, self._endpoint, self._images, self._mounts)

        application = web.Application(logger=self._logger, client_max_size=0)
        application.router.add_post("/invocations", self._take)
        application.router.add_get("/errors/{request_id}", self._give_error)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.callback(self._close_logs)
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, 0).start()
        self._port = runner.addresses[0][1]
        stack.push_async_callback(self._close_pools)

    async def _close_pools(self) -> None:
        pools = (*self._pools.values(), *self._retired)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_LIMIT / 2):
                await asyncio.gather(*(pool.close() for pool in pools))

    def _close_logs(self) -> None:
        for log in self._logs.values():
            log.close()

    async def _take(self, request: web.Request) -> web.Response:
        """An invocation from the emulator: 200 and the answer, or 502 and the address of the error.

        Not the error itself, because of what the emulator makes of it; see `emulator_server`.
        """
        headers = request.headers
        name, version = headers["X-Amzn-Lambda-Function-Name"], headers["X-Amzn-Lambda-Function-Version"]
        invocation = Invocation(
            request_id=headers["X-Amzn-Lambda-Request-Id"],
            arn=headers["X-Amzn-Lambda-Function-Arn"],
            event=await request.read(),
            trace_id=headers.get("X-Amzn-Trace-Id"),
        )
        with _interim_responses(request):
            outcome = await self._invoke(invocation, name, version)
        if isinstance(outcome, Answer):
            return web.Response(body=outcome.payload, headers={"Content-Type": outcome.content_type})
        self._errors[invocation.request_id] = outcome.payload
        if len(self._errors) > _KEPT_ERRORS:
            del self._errors[next(iter(self._errors))]
        return web.Response(status=502, text=f"http://{HOST}:{self._port}/errors/{invocation.request_id}")

    async def _give_error(self, request: web.Request) -> web.Response:
        payload = self._errors.get(request.match_info["request_id"])
        if payload is None:
            raise web.HTTPNotFound
        return web.Response(body=payload, content_type="application/json")

    async def _invoke(self, invocation: Invocation, name: str, version: str) -> Answer | Failure:
        try:
            pool = await self._pool(invocation.arn, name, version)
            outcome, report = await run(invocation, pool)
        except Exception as error:
            # Not the function's failure but this machine's, as if Lambda itself were out of order.
            if not isinstance(error, UnsupportedFunctionError):
                self._logger.exception("Invocation %s of %s", invocation.request_id, name)
            return Failure(
                "error", "Local.ServiceError", error_payload("Local.ServiceError", str(error) or repr(error))
            )
        self._reports.setdefault(name, deque(maxlen=_KEPT_REPORTS)).append(report)
        return outcome

    async def _pool(self, arn: str, name: str, version: str) -> Pool:
        """The environments for what the function is now; those for what it was before are ended."""
        key = (":".join(arn.split(":")[:7]), version)
        pool = self._pools.get(key)
        # $LATEST may change at any time. A version changes only if the function is deleted and made again; that is
        # noticed when an environment has to be started, and does not cost every request a question.
        if pool is not None and pool.has_idle and version != LATEST:
            return pool
        function = await self._reader.read(arn, name, version)
        if self._stopping.is_set():
            raise UnsupportedFunctionError("The local stack is being taken down.")
        pool = self._pools.get(key)  # another request may have come here first
        if pool is None or pool.function.revision != function.revision:
            if pool is not None:
                self._retire(pool)
            pool = self._pools[key] = Pool(function, self._host, self._log(name))
        return pool

    async def _retire_function(self, name: str) -> None:
        for key in [key for key, pool in self._pools.items() if pool.function.name == name]:
            self._retire(self._pools.pop(key))

    def _retire(self, pool: Pool) -> None:
        pool.retire()
        self._retired = [retired for retired in (*self._retired, pool) if not retired.is_empty]

    def _log(self, name: str) -> FileIO:
        if name not in self._logs:
            path = self._folder / "logs" / f"{name}.log"
            path.unlink(missing_ok=True)
            # for appending: the processes write to it too
            self._logs[name] = path.open("ab", buffering=0)
        return self._logs[name]


@contextlib.contextmanager
def _interim_responses(request: web.Request) -> Iterator[None]:
    """Sends an interim response every now and then, as long as the block takes."""
    loop = asyncio.get_running_loop()

    def send() -> None:
        nonlocal timer
        if request.transport is not None:
            request.transport.write(_INTERIM_RESPONSE)
            timer = loop.call_later(_INTERIM_INTERVAL, send)

    timer = loop.call_later(_INTERIM_INTERVAL, send)
    try:
        yield
    finally:
        timer.cancel()
