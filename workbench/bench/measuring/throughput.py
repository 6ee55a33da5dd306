"""Many requests at once: so many clients, each of which asks again as soon as it has its answer."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
from collections import Counter
from collections.abc import Mapping
from typing import Any

import aiohttp

from workbench.bench.measuring.subjects import Subject
from workbench.bench.results import Throughput
from workbench.local.asking import HOST

_LIMIT = 60.0  # seconds that one request may take
# However fast the answers, a step has no more requests than this.
MOST_REQUESTS = 20_000
# Rounds of requests before it counts, at most, until every client has met a running environment.
_WARM_UP = 5


def throughput(subject: Subject, body: Mapping[str, Any], clients: int, seconds: float) -> Throughput:
    """What `clients` at once get out of a subject in `seconds`, after a warm-up that starts its environments."""
    return asyncio.run(_throughput(subject, json.dumps(body).encode(), clients, seconds))


async def _throughput(subject: Subject, body: bytes, clients: int, seconds: float) -> Throughput:
    url, headers = _address(subject.endpoint)
    samples: list[float] = []
    errors: Counter[str] = Counter()
    timeout = aiohttp.ClientTimeout(total=_LIMIT)
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:

        async def ask() -> tuple[float, str | None, bool]:
            begin = time.perf_counter()
            try:
                async with session.post(url, data=body) as response:
                    await response.read()
                    error = None if response.status == 200 else str(response.status)
                    cold = response.headers.get("x-cold-start") == "true"
            except (aiohttp.ClientError, TimeoutError) as problem:
                error, cold = type(problem).__name__, False
            return (time.perf_counter() - begin) * 1000, error, cold

        async def client(end: float) -> None:
            while time.monotonic() < end and len(samples) + errors.total() < MOST_REQUESTS:
                milliseconds, error, _ = await ask()
                if error is None:
                    samples.append(milliseconds)
                else:
                    errors[error] += 1

        for _ in range(_WARM_UP):
            if not any(cold for _, _, cold in await asyncio.gather(*(ask() for _ in range(clients)))):
                break
        begin = time.monotonic()
        await asyncio.gather(*(client(begin + seconds) for _ in range(clients)))
        # To the last answer, as requests that were sent in time are counted when they come back late.
        took = time.monotonic() - begin
    return Throughput(
        architecture=subject.architecture,
        model=subject.model,
        concurrency=clients,
        seconds=round(took, 3),
        requests=len(samples) + errors.total(),
        errors=dict(errors),
        samples_ms=[round(sample, 2) for sample in samples],
    )


def _address(endpoint: str) -> tuple[str, dict[str, str]]:
    """Where to connect to, and the headers: names below `localhost` are not resolved on every system (see `asking`)."""
    headers = {"content-type": "application/json"}
    parts = urllib.parse.urlsplit(endpoint)
    if not (parts.hostname or "").endswith(".localhost"):
        return endpoint, headers
    return f"{parts.scheme}://{HOST}:{parts.port or 80}{parts.path}", {**headers, "host": parts.netloc}
