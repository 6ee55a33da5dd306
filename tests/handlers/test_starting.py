"""Functions that are started ahead of their first request: from a snapshot, or to be kept ready."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import snapshot_restore_py
from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot
from serving_kit import Bucket, digests, invoke

from handlers.serving.application import Application
from handlers.serving.bundle import BundleError
from handlers.serving.stores import StoredBundle
from handlers.serving.stores.folder import FolderStore
from handlers.serving.stores.s3 import S3Store

QUESTION = {"body": json.dumps({"question": "Who?", "context": "Karl Benz"})}


class CountingStore(FolderStore):
    """A folder of bundles that notes which were opened, and how often it was renewed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[str] = []
        self.renewed = 0

    def open(self, name: str, digest: str) -> StoredBundle:
        self.opened.append(name)
        return super().open(name, digest)

    def renew(self) -> None:
        self.renewed += 1


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function has its own hooks; here every test has."""
    monkeypatch.setattr(snapshot_restore_py, "_before_snapshot_registry", [])
    monkeypatch.setattr(snapshot_restore_py, "_after_restore_registry", [])


def start(root: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> tuple[Application, CountingStore]:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    store = CountingStore(root)
    return Application(digests(root), store), store


@pytest.mark.parametrize("kind", ["snap-start", "provisioned-concurrency"])
def test_every_model_is_loaded_when_nobody_waits_for_the_start(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    application, store = start(root, monkeypatch, kind)
    assert store.opened == ["first", "second"]
    assert invoke(application, QUESTION)[0] == 200
    assert store.opened == ["first", "second"]


def test_a_start_on_demand_loads_nothing_and_registers_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, store = start(root, monkeypatch, "on-demand")
    run_after_restore()
    assert (store.opened, store.renewed) == ([], 0)


def test_a_request_to_an_environment_that_was_kept_ready_is_no_cold_start(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, cold in (("provisioned-concurrency", "false"), ("snap-start", "true"), ("on-demand", "true")):
        application, _ = start(root, monkeypatch, kind)
        assert invoke(application, QUESTION)[2]["x-cold-start"] == cold


@pytest.mark.parametrize("kind", ["snap-start", "provisioned-concurrency"])
def test_a_start_without_a_model_fails_and_says_which_file(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (root / "second" / digests(root)["second"] / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"second/.*/model\.onnx cannot be read"):
        start(root, monkeypatch, kind)


def test_after_a_restore_the_store_is_renewed_and_random_numbers_are_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store = start(root, monkeypatch, "snap-start")
    run_before_snapshot()
    snapshot = random.getstate()
    assert store.renewed == 0
    numbers = []
    for _ in range(2):  # two environments from one snapshot
        random.setstate(snapshot)
        run_after_restore()
        numbers.append(random.getstate())
    assert store.renewed == 2
    assert numbers[0] != numbers[1]


class Vault(BaseHTTPRequestHandler):
    """Hands out credentials for a token, as an address in an execution environment does."""

    asked: list[str] = []  # noqa: RUF012  (one server at a time)

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Authorization", ""))
        body = {
            "AccessKeyId": "test",
            "SecretAccessKey": "test",
            "Token": "session",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        self.send_response(200 if self.asked[-1] == "token" else 403)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the library's)
        pass


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An address with credentials, and an environment without keys. The tokens that it was asked with."""
    Vault.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Vault) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token")
        yield Vault.asked
        server.shutdown()


def test_with_a_snapshot_the_bucket_is_read_with_the_credentials_of_the_address(
    root: Path, bucket: Bucket, vault: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.fill(root)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = S3Store(bucket.name)
    store.open("first", digests(root)["first"])
    assert vault == ["token"]
    store.renew()
    store.open("first", digests(root)["first"])
    assert vault == ["token", "token"], "the credentials of the snapshot were used again"


def test_credentials_that_are_refused_are_an_error_of_the_file_that_was_asked_for(
    root: Path, bucket: Bucket, vault: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another")
    with pytest.raises(BundleError, match=r"bundle\.json cannot be fetched"):
        S3Store(bucket.name).manifest("first", digests(root)["first"])
    assert set(vault) == {"another"}


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_bundle_that_goes_to_a_folder_is_checked_on_the_way(
    root: Path, bucket: Bucket, tmp_path: Path, file: str
) -> None:
    bucket.fill(root)
    digest = digests(root)["first"]
    stored = S3Store(bucket.name, tmp_path / "tmp").open("first", digest)
    path = stored.file(file)
    assert isinstance(path, Path)
    assert path == tmp_path / "tmp" / "first" / digest / file
    assert path.read_bytes() == (root / "first" / digest / file).read_bytes()

    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    bucket.put(f"bundles/first/{digest}/{file}", bytes(content))
    with pytest.raises(BundleError) as error:
        S3Store(bucket.name, tmp_path / "tmp").open("first", digest)
    assert error.value.file == file
