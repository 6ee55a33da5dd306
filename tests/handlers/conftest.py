"""What the tests of the handlers share: bundles to serve from, an emulator to fetch them from, and a way to ask."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_kit import Ask, Bucket, Reply, digests, invoke, place

from handlers.serving.application import Application
from handlers.serving.stores.folder import FolderStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of bundles, `<name>/<digest>/`, with two models of random weights, `first` and `second`."""
    for name in ("first", "second"):
        place(tmp_path / "models", name)
    return tmp_path / "models"


@pytest.fixture
def application(root: Path) -> Application:
    """The application that serves what is in `root`; `first` is its default model."""
    return Application(digests(root), FolderStore(root))


@pytest.fixture
def ask(application: Application) -> Ask:
    """Asks the application: fields of the body in; status, body and headers of the reply out."""

    def ask(**fields: Any) -> Reply:
        return invoke(application, {"body": json.dumps(fields)})

    return ask


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an AWS emulator that runs for the time of the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("emulator")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env={**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(folder)},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/_ministack/health", timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"The emulator did not start:\n{log.read_text()}")
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment variables with which a process finds the emulator; they are set in this one."""
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def bucket(aws: dict[str, str]) -> Bucket:
    """An empty bucket of the test's own."""
    return Bucket(f"test-{uuid.uuid4()}", aws["AWS_ENDPOINT_URL"])
