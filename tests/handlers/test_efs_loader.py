"""The loader: bundles get from the bucket to the file system whole or not at all, whatever comes between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving_kit import REPOSITORY, Bucket, digests, invoke, place

from handlers.efs import loader
from handlers.serving.application import Application
from handlers.serving.bundle import MANIFEST, Bundle, BundleError
from handlers.serving.stores.folder import FolderStore
from handlers.serving.stores.s3 import S3Store

# A loader whose download of one file stops after the first part, as if the network hung.
HANGING = """
import sys, time
from handlers.efs import loader
from handlers.serving.stores.s3 import S3Store
download = S3Store.download
def hang(self, name, digest, file):
    for part in download(self, name, digest, file):
        yield part
        if file.path == sys.argv[2]:
            time.sleep(600)
S3Store.download = hang
import json
loader.handler(json.loads(sys.argv[1]), None)
"""
LOADER = "import json, sys; from handlers.efs import loader; print(json.dumps(loader.handler(json.loads(sys.argv[1]), None)))"


@pytest.fixture
def mount(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the loader fills, from `bucket`."""
    monkeypatch.setenv("MODEL_ROOT", str(tmp_path / "mount"))
    monkeypatch.setenv("MODEL_BUCKET", bucket.name)
    return tmp_path / "mount"


@pytest.fixture
def large(tmp_path: Path, bucket: Bucket) -> Bundle:
    """A bundle in the bucket with weights of 40 MB."""
    bundle = place(tmp_path / "source", "large", {"weights": os.urandom(40_000_000)})
    bucket.fill(tmp_path / "source")
    return bundle


def start(code: str, event: object, *arguments: str) -> subprocess.Popen[str]:
    """Starts a process that runs `code` with the event as its first argument."""
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(event), *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )


def leftovers(mount: Path) -> list[str]:
    return [path.name for path in mount.glob("*/.*")]


def test_bundles_are_loaded_once_and_served(root: Path, bucket: Bucket, mount: Path) -> None:
    bucket.fill(root)
    event = {"bundles": digests(root)}
    assert loader.handler(event, None) == {"loaded": ["first", "second"], "present": []}
    before = {path: path.stat().st_mtime_ns for path in mount.rglob("*")}
    assert loader.handler(event, None) == {"loaded": [], "present": ["first", "second"]}
    assert {path: path.stat().st_mtime_ns for path in mount.rglob("*")} == before
    assert leftovers(mount) == []
    for name, digest in digests(root).items():
        for path in (root / name / digest).iterdir():
            assert (mount / name / digest / path.name).read_bytes() == path.read_bytes()
    application = Application(digests(root), FolderStore(mount))
    assert invoke(application, {"body": json.dumps({"question": "Who?", "context": "Karl Benz"})})[0] == 200


def test_only_what_is_not_there_is_loaded(root: Path, bucket: Bucket, mount: Path) -> None:
    bucket.fill(root)
    first = {"first": digests(root)["first"]}
    loader.handler({"bundles": first}, None)
    assert loader.handler({"bundles": digests(root)}, None) == {"loaded": ["second"], "present": ["first"]}


def test_a_new_version_comes_beside_the_old_one(tmp_path: Path, bucket: Bucket, mount: Path) -> None:
    old, new = (place(tmp_path / "source", "model", precision=precision) for precision in ("fp32", "int8"))
    bucket.fill(tmp_path / "source")
    for bundle in (old, new):
        loader.handler({"bundles": {"model": bundle.digest}}, None)
    assert {path.name for path in (mount / "model").iterdir()} == {old.digest, new.digest}


@pytest.mark.parametrize("file", [MANIFEST, "tokenizer.json", "model.onnx"])
def test_a_damaged_source_is_refused_and_what_is_there_stays(
    root: Path, bucket: Bucket, mount: Path, file: str
) -> None:
    bucket.fill(root)
    second = digests(root)["second"]
    content = bytearray((root / "second" / second / file).read_bytes())
    content[len(content) // 2] ^= 1
    bucket.put(f"bundles/second/{second}/{file}", bytes(content))
    with pytest.raises(BundleError) as error:
        loader.handler({"bundles": digests(root)}, None)
    assert error.value.file == file
    assert not (mount / "second" / second).exists()
    FolderStore(mount).open("first", digests(root)["first"])

    bucket.fill(root)
    assert loader.handler({"bundles": digests(root)}, None) == {"loaded": ["second"], "present": ["first"]}


def test_a_damaged_bundle_is_replaced(root: Path, bucket: Bucket, mount: Path) -> None:
    bucket.fill(root)
    loader.handler({"bundles": digests(root)}, None)
    first = mount / "first" / digests(root)["first"]
    (first / "model.onnx").write_bytes(b"")
    assert loader.handler({"bundles": digests(root)}, None) == {"loaded": ["first"], "present": ["second"]}
    FolderStore(mount).open("first", first.name)


def test_two_loaders_at_once_load_it_once(large: Bundle, mount: Path) -> None:
    event = {"bundles": {"large": large.digest}}
    processes = [start(LOADER, event) for _ in range(2)]
    outcomes = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(outcomes, key=str) == [
        {"loaded": ["large"], "present": []},
        {"loaded": [], "present": ["large"]},
    ]
    assert FolderStore(mount).open("large", large.digest).manifest == large
    assert leftovers(mount) == []


def test_after_a_kill_the_next_run_goes_on_from_there(
    large: Bundle, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"bundles": {"large": large.digest}}
    partial = mount / "large" / f".{large.digest}.partial"
    process = start(HANGING, event, "weights")
    deadline = time.monotonic() + 60
    while not (partial / "weights").exists() or not (partial / "weights").stat().st_size:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert not (mount / "large" / large.digest).exists()
    assert not (partial / MANIFEST).exists()

    fetched = []
    download = S3Store.download
    monkeypatch.setattr(
        S3Store,
        "download",
        lambda self, name, digest, file: fetched.append(file.path) or download(self, name, digest, file),
    )
    assert loader.handler(event, None) == {"loaded": ["large"], "present": []}
    assert fetched == ["weights"]
    assert FolderStore(mount).open("large", large.digest).manifest == large
    assert leftovers(mount) == []


def test_what_a_killed_run_left_of_a_file_is_not_trusted(large: Bundle, tmp_path: Path, mount: Path) -> None:
    partial = mount / "large" / f".{large.digest}.partial"
    shutil.copytree(tmp_path / "source" / "large" / large.digest, partial)
    (partial / "weights").write_bytes(bytes(40_000_000))
    (mount / "large" / f".{'0' * 64}.partial").mkdir()
    loader.handler({"bundles": {"large": large.digest}}, None)
    source = tmp_path / "source" / "large" / large.digest
    assert (mount / "large" / large.digest / "weights").read_bytes() == (source / "weights").read_bytes()
    assert leftovers(mount) == []


def test_a_loader_waits_for_the_one_that_is_at_work_and_not_for_one_that_was_killed(large: Bundle, mount: Path) -> None:
    event = {"bundles": {"large": large.digest}}
    at_work = start(HANGING, event, "weights")
    while not (mount / "large" / f".{large.digest}.partial" / "weights").exists():
        assert at_work.poll() is None
        time.sleep(0.02)
    waiting = start(LOADER, event)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    at_work.kill()
    at_work.communicate(timeout=10)
    output, _ = waiting.communicate(timeout=60)
    assert json.loads(output) == {"loaded": ["large"], "present": []}


@pytest.mark.parametrize(
    "event",
    [{}, {"bundles": {}}, {"bundles": ["nlp1"]}, {"bundles": {"nlp1": "1"}}, {"bundles": {"../nlp1": "0" * 64}}],
)
def test_an_event_that_names_no_bundles_is_refused(mount: Path, event: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="bundles, in the event, must be an object that maps"):
        loader.handler(event, None)
    assert not mount.exists()
