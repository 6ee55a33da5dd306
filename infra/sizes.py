"""What fits: models into memory, `/tmp` and an image, names of models into environment variables. Arithmetic alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from .bundles import LocalBundle, digests
from .section import ConfigError
from .settings import Architecture, Engine, FunctionSettings

MB = 2**20

# Lambda quotas (AWS Lambda developer guide, "Lambda quotas"): an image of 10 GB uncompressed, 4 KB of environment
# variables, names and values together.
_IMAGE_LIMIT_MB = 10 * 1024
_ENVIRONMENT_LIMIT = 4096

# What an image has besides models, in MB: the base image of AWS for Python and the packages of handlers/packages.txt, or
# torch and transformers in their place: docs/benchmarks.md has the packages, and the base is taken for 550 MB.
RUNTIME_MB = {"onnx": 700, "torch": 1400}

# Resident memory of a function with a model of next to no size, in MB. Measured on Linux x86-64 with Python 3.11: 70 with
# ONNX Runtime, 340 with torch and transformers imported.
_RESIDENT_MB = {"onnx": 70, "torch": 340}

# Peak memory until a model has answered, beyond the models' own size and in sizes of the model. Measured with a full-size
# DistilBERT in ONNX Runtime, mapped from a file and from bytes in memory: 299 and 655 MB in fp32 (253 MB of weights), 159
# and 266 MB in int8 (65 MB), where it is the most for its size.
_LOADING_FROM_FILE = 0.4
_LOADING_FROM_MEMORY = 2.0

# What the program sets besides MODELS: names of variables, a bucket's name, a folder, a namespace for metrics.
OTHER_VARIABLES = 400


def keeps_models_in_tmp(architecture: Architecture, settings: FunctionSettings) -> bool:
    """Whether a function writes its models to `/tmp` rather than hold their bytes: S3 with more `/tmp` than every function has."""
    return architecture == "s3" and settings.ephemeral_storage > 512


def memory_needed(architecture: Architecture, settings: FunctionSettings, sizes: Sequence[int]) -> int:
    """MB of memory that a function needs at least to load models of these sizes, in bytes, one after the other.

    An estimate from the measurements above; requests and their activations come on top. Each model stays loaded, and
    the largest one is taken to be loaded last.
    """
    in_memory = architecture == "s3" and not keeps_models_in_tmp(architecture, settings)
    return peak_memory(settings.engine, sizes, in_memory=in_memory)


def peak_memory(engine: Engine, sizes: Sequence[int], *, in_memory: bool) -> int:
    """MB of memory at the peak of loading models of these sizes, in bytes, from files or from bytes that are in memory."""
    return _RESIDENT_MB[engine] + round((sum(sizes) + max(sizes) * _loading(in_memory)) / MB)


def largest_model(engine: Engine, memory: int, *, in_memory: bool) -> int:
    """Bytes of the largest model that a function with `memory` MB can load, if it has no other."""
    return int((memory - _RESIDENT_MB[engine]) * MB / (1 + _loading(in_memory)))


def _loading(in_memory: bool) -> float:
    return _LOADING_FROM_MEMORY if in_memory else _LOADING_FROM_FILE


def check_sizes(architecture: Architecture, settings: FunctionSettings, bundles: Sequence[LocalBundle]) -> None:
    """Refuses models that a function of these settings could not serve.

    Raises:
        ConfigError: memory, `/tmp`, the image or the environment would be too small.
    """
    sizes = [bundle.manifest.size for bundle in bundles]
    names = ", ".join(bundle.name for bundle in bundles) if len(bundles) < 4 else f"{len(bundles)} of them"
    models = f"the models of {architecture} ({names}), {sum(sizes) // MB} MB,"
    smaller = "serve fewer models, or set ml-inference:precision to int8"
    needed = memory_needed(architecture, settings, sizes)
    if needed > settings.memory:
        tmp = (
            " (or ephemeralStorage above 512, so that their bytes do not lie in memory)" if architecture == "s3" else ""
        )
        raise ConfigError(
            f"ml-inference:memory is {settings.memory} MB, but {models} need about {needed} MB to be loaded, so Lambda "
            f"would end the function. Raise {architecture}.memory{tmp}, {smaller}."
        )
    if keeps_models_in_tmp(architecture, settings) and sum(sizes) > settings.ephemeral_storage * MB:
        raise ConfigError(
            f"ml-inference:ephemeralStorage is {settings.ephemeral_storage} MB, but {models} do not fit into it. Raise "
            f"{architecture}.ephemeralStorage, or {smaller}."
        )
    if architecture == "oci" and (image := RUNTIME_MB[settings.engine] + sum(sizes) // MB) > _IMAGE_LIMIT_MB:
        raise ConfigError(
            f"An image with {models} would have about {image} MB, and Lambda allows {_IMAGE_LIMIT_MB} MB. "
            f"{smaller.capitalize()}, or leave oci out of ml-inference:architectures."
        )
    if (used := environment_size({"MODELS": json.dumps(digests(bundles))}) + OTHER_VARIABLES) > _ENVIRONMENT_LIMIT:
        raise ConfigError(
            f"The environment variables of {architecture} would have about {used} bytes with the names and digests of "
            f"{len(bundles)} models, and Lambda allows {_ENVIRONMENT_LIMIT}. Serve fewer models in one stack, or give them "
            "shorter names."
        )


def environment_size(variables: Mapping[str, str]) -> int:
    """Bytes that environment variables take of Lambda's limit: names and values."""
    return sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
