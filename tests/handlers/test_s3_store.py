"""Bundles from a bucket: what arrives is what was put there, or an error that names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from serving_kit import Bucket, digests, invoke, place

from handlers.serving.application import Application
from handlers.serving.bundle import MANIFEST, BundleError
from handlers.serving.stores.s3 import S3Store

PART = 8 * 1024 * 1024  # what the store fetches in one request
VALID = {"question": "Who invented the car?", "context": "Karl Benz invented the car in 1886."}


@pytest.fixture
def filled(root: Path, bucket: Bucket) -> Bucket:
    """The bucket, with the bundles of `root`."""
    bucket.fill(root)
    return bucket


def test_a_function_answers_from_the_bucket_as_from_a_folder(
    root: Path, filled: Bucket, application: Application
) -> None:
    event = {"body": json.dumps({**VALID, "top_k": 5})}
    status, body, _ = invoke(Application(digests(root), S3Store(filled.name)), event)
    assert status == 200
    assert body == invoke(application, event)[1]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 10 * PART + 12_345], ids=str)
def test_files_of_any_size_arrive_whole(tmp_path: Path, bucket: Bucket, size: int) -> None:
    content = os.urandom(size)
    bundle = place(tmp_path, "large", {"weights": content})
    bucket.fill(tmp_path)
    stored = S3Store(bucket.name).open("large", bundle.digest)
    assert stored.file("weights") == content
    assert stored.manifest == bundle


@pytest.mark.parametrize("file", [MANIFEST, "tokenizer.json", "model.onnx"])
def test_a_missing_file_is_named_and_the_model_answers_once_it_is_there(root: Path, filled: Bucket, file: str) -> None:
    digest = digests(root)["first"]
    application = Application(digests(root), S3Store(filled.name))
    filled.delete(f"bundles/first/{digest}/{file}")
    status, body, _ = invoke(application, {"body": json.dumps(VALID)})
    assert (status, body["error"]["code"]) == (503, "model_unavailable")
    assert f"its file {file} is missing" in body["error"]["message"]
    filled.fill(root)
    assert invoke(application, {"body": json.dumps(VALID)})[0] == 200


@pytest.mark.parametrize("file", ["tokenizer.json", "model.onnx"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "has SHA-256 "),
        (lambda content: content[:-1], "bytes; its manifest says"),
        (lambda content: content + b"x", "bytes; its manifest says"),
        (lambda content: b"", "cannot be fetched: "),
    ],
    ids=["one bit", "shorter", "longer", "empty"],
)
def test_an_altered_file_is_refused(root: Path, filled: Bucket, file: str, change, reason: str) -> None:
    digest = digests(root)["first"]
    content = (root / "first" / digest / file).read_bytes()
    filled.put(f"bundles/first/{digest}/{file}", change(content))
    with pytest.raises(BundleError, match=rf"^s3://{filled.name}/bundles/first/{digest}/{file} .*{reason}") as error:
        S3Store(filled.name).open("first", digest)
    assert error.value.file == file
    assert "\n" not in str(error.value)


def test_one_altered_bit_in_the_middle_of_a_large_file_is_refused(tmp_path: Path, bucket: Bucket) -> None:
    content = bytearray(3 * PART)
    bundle = place(tmp_path, "large", {"weights": bytes(content)})
    bucket.fill(tmp_path)
    content[PART + 5] = 1
    bucket.put(f"bundles/large/{bundle.digest}/weights", bytes(content))
    with pytest.raises(BundleError, match="has SHA-256"):
        S3Store(bucket.name).open("large", bundle.digest)


def test_a_manifest_of_another_bundle_is_refused(root: Path, filled: Bucket) -> None:
    first, second = digests(root)["first"], digests(root)["second"]
    filled.put(f"bundles/first/{first}/{MANIFEST}", (root / "second" / second / MANIFEST).read_bytes())
    with pytest.raises(BundleError, match=f"is that of bundle {second}") as error:
        S3Store(filled.name).open("first", first)
    assert error.value.file == MANIFEST


def test_a_bucket_that_does_not_answer_is_an_error_in_good_time(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(BundleError, match=r"bundle.json cannot be fetched: .*") as error:
        S3Store("anything").open("first", "0" * 64)
    assert error.value.file == MANIFEST


@pytest.mark.parametrize(
    ("endpoint", "unencrypted"), [("http://127.0.0.1:1", True), ("https://s3.example.com", False), ("", False)]
)
def test_without_encryption_only_an_endpoint_that_says_so_is_asked(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, unencrypted: bool
) -> None:
    options: dict[str, object] = {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr("handlers.serving.stores.s3.Bucket", lambda _, **given: options.update(given["client_options"]))
    S3Store("anything")
    assert options["allow_http"] is unencrypted
