"""The models of a network keep to their figures: nginx in front of S3, a file system in user space for EFS.

They need nginx and FUSE, which `make test-networks` installs on Debian; so they are outside of `make test`.
"""

from __future__ import annotations

import http.server
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.bench.measuring.bucket_proxy import bucket_proxy, free_port
from workbench.bench.measuring.networks import EfsNetwork, S3Network
from workbench.bench.measuring.slow_files import slow_files

SIZE = 20_000_000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(SIZE))
        self.end_headers()
        self.wfile.write(bytes(SIZE))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The port of something that has one large object."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def seconds(url: str, first: int = 0, last: int = SIZE - 1) -> float:
    begin = time.monotonic()
    request = urllib.request.Request(url, headers={"range": f"bytes={first}-{last}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 206
        assert len(response.read()) == last - first + 1
    return time.monotonic() - begin


def test_a_request_takes_the_latency_and_a_connection_has_its_rate(upstream: int, tmp_path: Path) -> None:
    with bucket_proxy(S3Network(latency_ms=50, connection_mb_s=20), free_port(), upstream, tmp_path / "n") as url:
        seconds(f"{url}/bucket/key")  # fetches the object
        assert seconds(f"{url}/bucket/key", 0, 0) >= 0.05
        assert 0.95 < seconds(f"{url}/bucket/key") < 1.6
        begin = time.monotonic()
        part = SIZE // 4
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: seconds(f"{url}/bucket/key", i * part, (i + 1) * part - 1), range(4)))
        assert 0.25 < time.monotonic() - begin < 0.9  # four connections, each at the rate of one


def test_connections_share_the_total(upstream: int, tmp_path: Path) -> None:
    network = S3Network(latency_ms=50, connection_mb_s=20, total_mb_s=20)
    with bucket_proxy(network, free_port(), upstream, tmp_path / "n") as url:
        seconds(f"{url}/bucket/key")
        begin = time.monotonic()
        part = SIZE // 4
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: seconds(f"{url}/bucket/key", i * part, (i + 1) * part - 1), range(4)))
        assert time.monotonic() - begin > 0.7  # as long as one connection, less what the first ones get in advance


def test_files_come_at_the_rate_of_the_network_and_are_what_they_are(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    content = bytes(range(256)) * (SIZE // 256)
    (root / "weights").write_bytes(content)
    with slow_files(EfsNetwork(latency_ms=1, mb_s=20), root, tmp_path / "n") as seen:
        assert [path.name for path in seen.iterdir()] == ["weights"]
        for _ in range(2):  # the second time no faster: nothing stays in memory
            begin = time.monotonic()
            assert (seen / "weights").read_bytes() == content
            assert 0.95 < time.monotonic() - begin < 3
        (root / "later").write_bytes(b"added")
        assert (seen / "later").read_bytes() == b"added"
        with pytest.raises(OSError, match="Read-only"):
            (seen / "weights").write_bytes(b"")
    assert not (tmp_path / "n" / "seen").is_mount()
