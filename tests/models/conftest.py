"""A stand-in for the hub, a checkpoint that looks like one, and a project folder to prepare models in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer, serve_hub
from stacks import PROJECT

from workbench.models import hub as hub_module


@pytest.fixture
def hub_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub without models, and without waiting between attempts."""
    monkeypatch.setattr(hub_module, "_WAITS", (0.0, 0.0, 0.0))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve_hub() as hub:
        # What the library would take from the home folder.
        monkeypatch.setattr(hub_module.constants, "HF_TOKEN_PATH", "/nonexistent/token")
        yield hub


@pytest.fixture
def files() -> dict[str, bytes]:
    """The files of a checkpoint, with weights that no framework reads; and some that are not needed."""
    config = {"model_type": "distilbert", "architectures": ["DistilBertForQuestionAnswering"], "vocab_size": 10}
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b'{"model_max_length": 384}',
        "model.safetensors": bytes(range(256)) * 4096,  # 1 MiB
        "pytorch_model.bin": b"the same again",
        "tf_model.h5": b"and again",
        "README.md": b"# A model",
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a project with the declarations of this one and a stack `dev` without models."""
    shutil.copy(PROJECT / "Pulumi.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
