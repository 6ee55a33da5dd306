"""The settings of a function, which the deployment writes into its environment variables.

Each is read when a function starts. A missing or wrong one raises `ValueError`, which fails the start with a sentence
in the log rather than every request with an error.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def models() -> dict[str, str]:
    """`MODELS`: the digest of the bundle of each model, the default model first."""
    text = _required("MODELS")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"MODELS is not JSON ({error}); set it to an object of model names and digests.") from error
    return parse_models(value, "MODELS")


def model_root() -> Path:
    """`MODEL_ROOT`: the folder with bundles at `<name>/<digest>/`."""
    return Path(_required("MODEL_ROOT"))


def model_tmp() -> Path | None:
    """`MODEL_TMP` where it is set: the folder that models are fetched into, if they are not to be held in memory."""
    folder = os.environ.get("MODEL_TMP")
    return Path(folder) if folder else None


def model_bucket() -> str:
    """`MODEL_BUCKET`: the bucket with bundles at `bundles/<name>/<digest>/`."""
    return _required("MODEL_BUCKET")


def parse_models(value: object, where: str) -> dict[str, str]:
    """Model names and bundle digests, of a shape that can be part of a path; `where` they come from is for errors."""
    if (
        not isinstance(value, dict)
        or not value
        or not all(
            isinstance(name, str) and _NAME.fullmatch(name) and isinstance(digest, str) and _DIGEST.fullmatch(digest)
            for name, digest in value.items()
        )
    ):
        raise ValueError(
            f"{where} must be an object that maps at least one model name (letters, digits, '.', '_', '-') to the "
            "digest of its bundle (64 hexadecimal digits)."
        )
    return value


def _required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ValueError(f"The environment variable {variable} is not set; the deployment of this function sets it.")
    return value
