"""Throughput: as many clients as asked for, for as long, and failures counted by kind."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import cast

import pytest

from workbench.bench.measuring.aws import HttpSubject
from workbench.bench.measuring.throughput import throughput


class Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests = self.busy = self.busiest = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = cast("Server", self.server)
        self.rfile.read(int(self.headers["content-length"]))
        with server.lock:
            server.requests += 1
            number = server.requests
            server.busy += 1
            server.busiest = max(server.busy, server.busiest)
        time.sleep(0.02)
        with server.lock:
            server.busy -= 1
        # Every tenth is throttled, but none of the warm-up.
        self.send_response(HTTPStatus.TOO_MANY_REQUESTS if number > 10 and number % 10 == 0 else HTTPStatus.OK)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_requests_of_several_clients_are_counted_with_their_failures(server: Server) -> None:
    subject = HttpSubject("s3", "nlp1", f"http://127.0.0.1:{server.server_port}/")
    found = throughput(subject, {"question": "?"}, clients=3, seconds=1)
    assert server.busiest == 3
    assert found.requests == server.requests - 3  # the warm-up
    assert set(found.errors) == {"429"}
    assert found.errors["429"] == pytest.approx(found.requests / 10, abs=2)
    assert len(found.samples_ms) == found.requests - found.errors["429"]
    assert min(found.samples_ms) >= 20
    assert 1 <= found.seconds < 1.5


def test_an_endpoint_that_is_gone_is_an_error_of_its_kind() -> None:
    found = throughput(HttpSubject("s3", "nlp1", "http://127.0.0.1:9/"), {}, clients=1, seconds=0.2)
    assert set(found.errors) == {"ClientConnectorError"}
    assert found.samples_ms == []
