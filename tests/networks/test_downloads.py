"""Weights from a bucket through a modelled network: sooner than by downloads one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from handlers.serving.bundle import Bundle
from handlers.serving.stores.s3 import S3Store
from workbench.bench.measuring.bucket_proxy import bucket_proxy, free_port
from workbench.bench.measuring.networks import S3Network
from workbench.local.emulator import Emulator
from workbench.models.bundles import seal

SIZE = 120_000_000
# What AWS documents for a connection, see docs/benchmarks.md, and a quick first byte.
NETWORK = S3Network(latency_ms=20, connection_mb_s=90)
BUCKET = "models"


def bundle(folder: Path) -> Bundle:
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(os.urandom(700_000))
    (folder / "model.onnx").write_bytes(os.urandom(40_000))
    (folder / "model.onnx.data").write_bytes(os.urandom(SIZE))
    source = {"model": "none", "revision": "0"}
    fields: dict[str, Any] = {"task": "question-answering", "engine": "onnx", "precision": "fp32", "max_length": 384}
    return seal(folder, name="it", source=source, **fields)


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That of a bundle in a bucket which lies behind the network; the environment leads there."""
    with Emulator(tmp_path / "emulator") as emulator:
        upstream = int(emulator.endpoint.rpartition(":")[2])
        with bucket_proxy(NETWORK, free_port(), upstream, tmp_path / "proxy") as url:
            variables = {
                "ENDPOINT_URL": url,
                "ACCESS_KEY_ID": "test",
                "SECRET_ACCESS_KEY": "test",
                "REGION": "us-east-1",
            }
            for name, value in variables.items():
                monkeypatch.setenv(f"AWS_{name}", value)
            client = boto3.client("s3", endpoint_url=emulator.endpoint, region_name="us-east-1")
            client.create_bucket(Bucket=BUCKET)
            made = bundle(tmp_path / "bundle")
            for path in (tmp_path / "bundle").iterdir():
                client.upload_file(str(path), BUCKET, f"bundles/it/{made.digest}/{path.name}")
            yield made.digest


def test_the_store_is_sooner_than_one_download_after_the_other(digest: str) -> None:
    client = boto3.client("s3", region_name="us-east-1")

    def one_by_one() -> float:
        begin = time.monotonic()
        for name in ("bundle.json", "tokenizer.json", "model.onnx", "model.onnx.data"):
            client.get_object(Bucket=BUCKET, Key=f"bundles/it/{digest}/{name}")["Body"].read()
        return time.monotonic() - begin

    def stored() -> float:
        begin = time.monotonic()
        opened = S3Store(BUCKET).open("it", digest)
        assert len(opened.file("model.onnx.data")) == SIZE  # pyright: ignore[reportArgumentType] - no path, but bytes
        return time.monotonic() - begin

    one_by_one()  # the proxy keeps what it has fetched once
    stored()
    ratios = [one_by_one() / stored() for _ in range(3)]
    print("sequential downloads against the store:", *(f"{ratio:.1f}" for ratio in ratios))
    assert sorted(ratios)[1] >= 1.5
