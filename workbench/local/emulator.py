"""The AWS emulator of the local stack: starts MiniStack in a process of its own and ends it.

What runs inside that process is `emulator_server`.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"

_ROOT = Path(__file__).parents[2]
_CHILD = Path(__file__).with_name("child.py")
_START_LIMIT = 30.0  # seconds; it takes about one
_STOP_LIMIT = 5.0  # seconds until it is killed
_LOG_LINES = 20  # of its log, in an error


class EmulatorError(Exception):
    """The emulator could not be started. The message is a sentence for the user."""


class Emulator:
    """MiniStack on the loopback interface, from `with` to the end of its block.

    Everything it writes lies below `folder`; its log is `logs/emulator.log` there. It holds its state in memory, sees
    none of the user's environment variables, and ends when this process ends, in whatever way that happens.

    Args:
        folder: where its files go; made if need be.
        port: the TCP port; None or 0 picks a free one.
        concurrency: executions of all functions together that may be under way at once, the account's limit on AWS.
            A request past it is throttled.
        functions: the URL that executes every function, for a deployer that does not tell the emulator so itself, such
            as the Pulumi CLI. Repositories are then at the emulator's own registry, for Docker to push to.

    Raises:
        EmulatorError: the port is taken, or the emulator ended or did not answer in time.
    """

    def __init__(
        self, folder: Path, port: int | None = None, concurrency: int = 10, functions: str | None = None
    ) -> None:
        if concurrency < 1:
            # MiniStack takes 0 for no limit at all
            raise ValueError(f"concurrency is {concurrency}; at least one execution must be possible.")
        self.folder = folder.resolve()
        self.log = self.folder / "logs" / "emulator.log"
        self.concurrency = concurrency
        self._requested_port = port or 0
        self._functions = functions
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The URL of every AWS API of the emulator."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("The emulator has not been started.")
        return self._process.pid

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once the emulator answers."""
        # Opened here and handed over: a taken port shows at once, and nobody can take it in between.
        with self._listen() as listener:
            self.port = listener.getsockname()[1]
            self.log.parent.mkdir(parents=True, exist_ok=True)
            descriptor = listener.fileno()
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", _CHILD, self.folder, "workbench.local.emulator_server"),
                        str(descriptor),
                        *([self._functions, f"{HOST}:{self.port}"] if self._functions else ()),
                    ],
                    stdin=subprocess.PIPE,  # never written to: its end is how the child learns of this process's
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=_ROOT,
                    env=self._environment(),
                    pass_fds=[descriptor],
                    start_new_session=True,  # Ctrl-C in the terminal is for this process, which ends the child in order
                )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the emulator; does nothing if it is not running."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._requested_port))
            listener.listen()
        except OSError as error:
            listener.close()
            port = self._requested_port
            if error.errno == errno.EADDRINUSE:
                raise EmulatorError(
                    f"Port {port} of this machine is taken by another program; "
                    f"end it, or choose another port with `--port`, for example `--port {port + 1}`."
                ) from error
            if error.errno == errno.EACCES:
                raise EmulatorError(
                    f"Port {port} may not be opened without special rights; choose one from 1024 on with `--port`."
                ) from error
            raise
        return listener

    def _environment(self) -> dict[str, str]:
        own = self.folder / "emulator"
        folders = {name: own / name for name in ("home", "tmp", "s3", "state")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folders["home"]),
            "TMPDIR": str(folders["tmp"]),
            "NO_PROXY": "*",  # the functions it calls are on this machine, whatever the system's settings say
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "S3_DATA_DIR": str(folders["s3"]),
            "STATE_DIR": str(folders["state"]),
            "LAMBDA_ACCOUNT_CONCURRENCY": str(self.concurrency),
            # It would open a port for MQTT, and remove containers of another MiniStack that may run on this machine.
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": f"unix://{own}/no-docker",
        }

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _START_LIMIT
        while True:
            if self._process is not None and (code := self._process.poll()) is not None:
                raise EmulatorError(f"The AWS emulator ended while starting (exit status {code}).{self._end_of_log()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(HOST, self.port, timeout=max(0.1, deadline - time.monotonic()))
                with contextlib.closing(connection):
                    connection.request("GET", "/_ministack/health")
                    if connection.getresponse().status == http.client.OK:
                        return
            if time.monotonic() > deadline:
                raise EmulatorError(
                    f"The AWS emulator did not answer within {_START_LIMIT:.0f} seconds.{self._end_of_log()}"
                )
            time.sleep(0.05)

    def _end_of_log(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([f" The end of its log, {self.log}:", *lines]) if lines else f" Its log, {self.log}, is empty."
