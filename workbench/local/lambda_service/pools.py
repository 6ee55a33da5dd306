"""The execution environments of one version of a function: reused when warm, one more when all are busy."""

from __future__ import annotations

import asyncio
from collections import deque
from io import RawIOBase

from workbench.local.lambda_service.environments import Environment, Host
from workbench.local.lambda_service.functions import Function

# How long a request waits for an environment that has answered and will ask for its next event in an instant.
_RETURN_LIMIT = 0.05  # seconds


class Pool:
    """The environments that run `function` as it was configured when the pool was made.

    Has no limit of its own: the emulator throttles before a request gets here. To be used from one event loop.
    """

    def __init__(self, function: Function, host: Host, log: RawIOBase) -> None:
        self.function = function
        self._log = log
        self._host = host
        self._all: set[Environment] = set()
        self._idle: list[Environment] = []  # the most recently used one last
        self._waiting: deque[asyncio.Future[Environment]] = deque()
        self._retired = False
        self._closed = False

    @property
    def has_idle(self) -> bool:
        return bool(self._idle)

    @property
    def is_empty(self) -> bool:
        return not self._all

    def write(self, lines: str) -> None:
        """Writes into the function's log, where the output of its code goes too."""
        self._log.write(lines.encode())

    async def warm(self) -> Environment | None:
        """The idle environment that was used last, or None if one has to be started."""
        if self._idle:
            return self._idle.pop()
        if len(self._waiting) < sum(environment.returning for environment in self._all):
            returned: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
            self._waiting.append(returned)
            await asyncio.wait((returned,), timeout=_RETURN_LIMIT)
            if not returned.done():
                self._waiting.remove(returned)
            elif returned.result() in self._all:  # it has not ended at once
                return returned.result()
        return None

    async def start(self) -> Environment:
        """A new environment, its init phase under way."""
        environment = Environment(self.function, self._host, self._log.fileno(), self._returned, self._exited)
        await environment.start()
        self._all.add(environment)
        if self._closed:
            environment.kill()
        return environment

    def retire(self) -> None:
        """Ends the idle environments, and each other one once it has answered."""
        self._retired = True
        for environment in self._idle:
            environment.kill()
        self._idle.clear()

    async def close(self) -> None:
        """Ends all environments, busy or not, and returns when nothing is left of them."""
        self._retired = self._closed = True
        await asyncio.gather(*(environment.close() for environment in tuple(self._all)))

    def _returned(self, environment: Environment) -> None:
        if self._retired:
            environment.kill()
            return
        if self._waiting:
            self._waiting.popleft().set_result(environment)
        else:
            self._idle.append(environment)

    def _exited(self, environment: Environment) -> None:
        self._all.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
