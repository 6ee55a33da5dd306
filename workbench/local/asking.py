"""Asks an endpoint of the local stack over HTTP, through the data plane of its API."""

from __future__ import annotations

import json
import time
import urllib.parse
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import urllib3

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """An HTTP reply and how long it took, from sending the request to having read the body, in ms."""

    status: int
    headers: dict[str, str]
    body: Any
    milliseconds: float

    @property
    def cold(self) -> bool:
        """Whether the function says that it was started for this request."""
        return self.headers.get("x-cold-start") == "true"


class Asker:
    """Posts to endpoints such as `http://<api-id>.execute-api.localhost:4566/develop/`.

    Not every system resolves names below `localhost`, so it connects to the loopback address and gives the name as
    the Host header, which is what the API's data plane goes by.
    """

    def __init__(self) -> None:
        self._pools: dict[int, urllib3.HTTPConnectionPool] = {}

    def __enter__(self) -> Asker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pool in self._pools.values():
            pool.close()

    def post(self, endpoint: str, body: bytes, content_type: str = "application/json", timeout: float = 60) -> Reply:
        """The reply to a POST of `body`; `timeout` in seconds.

        Raises:
            urllib3.exceptions.HTTPError: there is no answer.
        """
        url = urllib.parse.urlsplit(endpoint)
        port = url.port or 80
        pool = self._pools.setdefault(port, urllib3.HTTPConnectionPool(HOST, port, maxsize=32, retries=False))
        start = time.perf_counter()
        reply = pool.request(
            "POST", url.path, body=body, headers={"host": url.netloc, "content-type": content_type}, timeout=timeout
        )
        milliseconds = (time.perf_counter() - start) * 1000
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Reply(reply.status, headers, json.loads(reply.data) if reply.data else None, milliseconds)

    def ask(self, endpoint: str, **fields: Any) -> Reply:
        """The reply to a request with these fields: `model_type`, `question`, `context` and so on."""
        return self.post(endpoint, json.dumps(fields).encode())
