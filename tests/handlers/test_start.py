"""How the functions start: what the entry points import, and what they need to answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from serving_kit import REPOSITORY, Bucket, digests, place

from handlers.serving.engines import threads
from handlers.serving.engines.onnx import OnnxEngine
from handlers.serving.stores import StoredBundle
from handlers.serving.stores.folder import open_folder

# Starts a function as the Lambda runtime does, asks it, and tells what it has imported.
RUN = """
import importlib, json, sys
from types import SimpleNamespace
handler = importlib.import_module(sys.argv[1]).handler
event = {"body": json.dumps({"question": "Who?", "context": "Karl Benz", "model_type": "second"})}
reply = handler(event, SimpleNamespace(aws_request_id="1"))
print(json.dumps({"status": reply["statusCode"], "modules": sorted(sys.modules)}))
"""
# Powertools looks whether botocore is there, as it is in the base image of AWS; using it is what takes long.
HEAVY = {"torch", "transformers", "boto3", "botocore.session", "pydantic", "pulumi", "asyncio", "workbench", "infra"}


@pytest.mark.parametrize("architecture", ["efs", "s3", "oci"])
def test_a_function_answers_and_imports_nothing_heavy(root: Path, bucket: Bucket, architecture: str) -> None:
    bucket.fill(root)
    process = subprocess.run(
        [sys.executable, "-c", RUN, f"handlers.{architecture}.app"],
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "MODELS": json.dumps(digests(root)),
            "MODEL_ROOT": str(root),
            "MODEL_BUCKET": bucket.name,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout)
    assert outcome["status"] == 200
    imported = set(outcome["modules"])
    assert {"numpy", "onnxruntime", "tokenizers"} <= imported
    assert not imported & HEAVY
    assert ("obstore" in imported) == (architecture == "s3")


@pytest.mark.parametrize(
    ("memory", "vcpus"), [("128", 1), ("1769", 1), ("1770", 2), ("3008", 2), ("5307", 3), ("10240", 6)]
)
def test_a_model_runs_on_the_vcpus_that_go_with_the_memory(
    monkeypatch: pytest.MonkeyPatch, memory: str, vcpus: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)
    assert threads() == vcpus


def test_a_model_runs_on_no_more_threads_than_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "10240")
    assert threads() == 2
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    assert threads() == 2


def test_answering_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from handlers.serving.models import load_model; "
        "from handlers.serving.stores.folder import open_folder; load_model(open_folder(Path('models/demo/nlp1')))"
    )
    environment = {"HOME": str(tmp_path), "PATH": ""}
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, check=True)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(("precision", "disabled"), [("fp32", True), ("int8", False)])
def test_weights_are_copied_into_another_layout_only_where_that_is_cheap(
    tmp_path: Path, precision: str, disabled: bool
) -> None:
    bundle = place(tmp_path, "it", precision=precision)
    options = OnnxEngine(open_folder(tmp_path / "it" / bundle.digest))._session.get_session_options()
    if disabled:
        assert options.get_session_config_entry("session.disable_prepacking") == "1"
    else:
        with pytest.raises(RuntimeError, match="does not have configuration"):
            options.get_session_config_entry("session.disable_prepacking")


def test_weights_beside_the_graph_answer_from_a_folder_and_from_memory(tmp_path: Path) -> None:
    bundle = place(tmp_path, "it")
    stored = open_folder(tmp_path / "it" / bundle.digest)
    assert "model.onnx.data" in stored.files
    in_memory = StoredBundle(bundle, {name: bytearray(path.read_bytes()) for name, path in stored.files.items()})  # pyright: ignore[reportAttributeAccessIssue]
    inputs = {name: np.ones((1, 9), dtype=np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    mapped, copied = (OnnxEngine(each).run(inputs, ["start_logits"]) for each in (stored, in_memory))
    assert np.array_equal(mapped, copied)
    assert np.ptp(mapped) > 0


def test_importing_the_engine_starts_no_threads() -> None:
    code = "import handlers.serving.engines, psutil; print(psutil.Process().num_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"1"
