"""The emulator's process: MiniStack's ASGI application, served on a socket that the parent has opened.

Run as a module by `emulator.Emulator`; the argument is the number of that socket's file descriptor. What is added to
MiniStack is middleware: `FunctionErrors` and, for a deployer that knows nothing of the emulator, `ForeignDeployer`, when
the URL that executes functions and the registry's host are given as further arguments. Nothing of MiniStack's own is
replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import urllib.request
from collections.abc import Awaitable, Callable

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Scope,
)

_INVOKE = re.compile(r"/2015-03-31/functions/[^/]+/invocations")
_EXECUTE_API_HOST = re.compile(rb"[a-z0-9]+\.execute-api\.")
_EXECUTE_API_PATH = "/_aws/execute-api/"

# How MiniStack words the failure of a function that is executed elsewhere; the rest is the first 512 characters of the
# answer, which is why `lambda_service.service` answers with an address instead of the error itself.
_PROXY_FAILURE = "Proxy target "
_REFERENCE = re.compile(r"Proxy target returned HTTP 502: (http://127\.0\.0\.1:\d+/errors/[0-9a-f-]{36})")

_CREATE_FUNCTION = re.compile(r"/2015-03-31/functions/?")
_PROXY_OF = "MINISTACK_LAMBDA_PROXY_"
_AWS_REGISTRY = re.compile(rb"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")

_INTERNAL_SERVER_ERROR = b'{"message":"Internal Server Error"}'
_FETCH_TIMEOUT = 5.0  # seconds


class FunctionErrors:
    """Reports a function's failure as AWS does, where MiniStack wraps it in an error of its own.

    `Invoke` answers with the payload that the runtime gave. An HTTP API answers 500 and says nothing about the cause;
    MiniStack would answer 502 with the wrapped error as the body. All other responses pass as they are.
    """

    def __init__(self, application: ASGIFramework) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            if _INVOKE.fullmatch(scope["path"]):
                send = _Rewrite(send, _invoke_failed, _invoke_payload)
            elif _is_execute_api(scope):
                send = _Rewrite(send, _integration_failed, _integration_response)
        await self._application(scope, receive, send)


class ForeignDeployer:
    """Lets a deployer that takes the emulator for AWS, such as the Pulumi CLI, get functions that run and images that stay.

    MiniStack executes a function elsewhere when a variable of its process names the function; a function is named there
    when it is created. And MiniStack gives a repository the address that it has on AWS, although it serves the registry
    itself: answers of ECR name `registry` instead.
    """

    def __init__(self, application: ASGIFramework, functions: str, registry: str) -> None:
        self._application = application
        self._functions = functions
        self._registry = registry.encode()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            headers = {name.lower(): value for name, value in scope["headers"]}
            if scope["method"] == "POST" and _CREATE_FUNCTION.fullmatch(scope["path"]):
                receive = self._name_function(receive)
            elif headers.get(b"x-amz-target", b"").startswith(b"AmazonEC2ContainerRegistry"):
                send = _Rewrite(send, lambda _: True, self._at_registry)
        await self._application(scope, receive, send)

    def _name_function(self, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
        body = bytearray()

        async def named() -> ASGIReceiveEvent:
            event = await receive()
            if event["type"] == "http.request":
                body.extend(event["body"])
                if not event["more_body"]:
                    with contextlib.suppress(ValueError, KeyError, TypeError):  # MiniStack says what is wrong with it
                        os.environ[_PROXY_OF + json.loads(body)["FunctionName"]] = self._functions
            return event

        return named

    async def _at_registry(self, status: int, body: bytes) -> tuple[int, bytes]:
        return status, _AWS_REGISTRY.sub(self._registry, body)


class _Rewrite:
    """An ASGI `send` that holds back the responses whose start `applies` to, and sends them as `rewrite` says."""

    def __init__(
        self,
        send: ASGISendCallable,
        applies: Callable[[HTTPResponseStartEvent], bool],
        rewrite: Callable[[int, bytes], Awaitable[tuple[int, bytes]]],
    ) -> None:
        self._send = send
        self._applies = applies
        self._rewrite = rewrite
        self._start: HTTPResponseStartEvent | None = None
        self._body = bytearray()

    async def __call__(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start" and self._applies(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                status, body = await self._rewrite(self._start["status"], bytes(self._body))
                headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
                headers.append((b"content-length", str(len(body)).encode()))
                await self._send({**self._start, "status": status, "headers": headers})
                await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _invoke_failed(start: HTTPResponseStartEvent) -> bool:
    return any(name.lower() == b"x-amz-function-error" for name, _ in start["headers"])


async def _invoke_payload(status: int, body: bytes) -> tuple[int, bytes]:
    """The error that the runtime gave, where `body` refers to one."""
    if reference := _REFERENCE.fullmatch(_error_message(body)):
        with contextlib.suppress(OSError):  # the Lambda service has ended meanwhile
            body = await asyncio.to_thread(_fetch, reference[1])
    return status, body


def _integration_failed(start: HTTPResponseStartEvent) -> bool:
    return start["status"] == 502


async def _integration_response(status: int, body: bytes) -> tuple[int, bytes]:
    """Internal Server Error for a function that failed; a 502 that a handler returns itself is not touched."""
    if _error_message(body).startswith(_PROXY_FAILURE):
        return 500, _INTERNAL_SERVER_ERROR
    return status, body


def _is_execute_api(scope: HTTPScope) -> bool:
    if scope["path"].startswith(_EXECUTE_API_PATH):
        return True
    return any(name == b"host" and _EXECUTE_API_HOST.match(value) for name, value in scope["headers"])


def _error_message(body: bytes) -> str:
    try:
        error = json.loads(body)
    except ValueError:
        return ""
    message = error.get("errorMessage") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""


def _fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=_FETCH_TIMEOUT) as response:  # noqa: S310 - the pattern fixes scheme and host
        return response.read()


def main() -> None:
    # Here and not above: MiniStack, when imported, configures logging and reads its settings from the environment.
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{sys.argv[1]}"]
    config.keep_alive_timeout = 75  # seconds, as MiniStack sets for itself
    # Never shuts down by itself, and takes no signal for it: all of its state is in memory, and the parent ends it.
    application: ASGIFramework = FunctionErrors(app)
    if deployer := sys.argv[2:]:
        functions, registry = deployer
        application = ForeignDeployer(application, functions, registry)
    asyncio.run(serve(application, config, shutdown_trigger=asyncio.Event().wait))


if __name__ == "__main__":
    main()
