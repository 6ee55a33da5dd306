"""The stack's configuration: what is accepted, and what is refused with which sentence."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest
import yaml

from infra.section import ConfigError
from infra.settings import Settings

MODELS = [{"name": "nlp1", "source": "distilbert/distilbert-base-uncased-distilled-squad"}]


def settings(**config: Any) -> Settings:
    """The settings of a stack with one model and `config`, each value as Pulumi hands it over."""
    given = {"models": MODELS} | config
    return Settings.from_config(
        {
            f"ml-inference:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in given.items()
            if value is not None
        }
        | {"aws:region": "us-east-1"},
        "ml-inference",
    )


def test_a_stack_with_nothing_but_models_gets_every_architecture_and_safe_defaults() -> None:
    defaults = settings()
    assert defaults.architectures == ["efs", "s3", "oci"]
    assert (defaults.memory, defaults.timeout, defaults.auth, defaults.cors_origins) == (3008, 30, "none", [])


def test_the_cli_is_told_the_same_keys_types_and_defaults_as_the_program_checks() -> None:
    with open("Pulumi.yaml", encoding="utf-8") as file:  # noqa: PTH123  (relative to the project, as everywhere)
        declared = yaml.safe_load(file)["config"]
    fields = {field.alias: field for field in Settings.model_fields.values()}
    assert set(declared) == set(fields)
    for key, entry in declared.items():
        assert entry["description"]
        field = fields[key]
        # A key without a default is one that the Pulumi CLI insists on.
        assert ("default" not in entry) == field.is_required(), key
        if "default" in entry:
            default = settings().model_dump(by_alias=True, mode="json", exclude_none=True)[key]
            if isinstance(entry["default"], dict):
                default = {name: value for name, value in default.items() if value}
            assert entry["default"] == default, key
            kind = {str: "string", int: "integer", list: "array", dict: "object"}[type(entry["default"])]
            assert entry["type"] == kind, key


@pytest.mark.parametrize(
    ("config", "sentences"),
    [
        ({"models": None}, ["ml-inference:models is missing", "a list of one or more models"]),
        ({"cpu": "amd64"}, ['ml-inference:cpu is "amd64"', "x86_64 or arm64"]),
        ({"baseImage": ""}, ["ml-inference:baseImage is", "an image with Python"]),
        ({"torchIndex": "pytorch"}, ['ml-inference:torchIndex is "pytorch"', "the URL of a package index"]),
        ({"models": []}, ["ml-inference:models is []"]),
        ({"models": [{"name": "nlp1"}]}, ["ml-inference:models[0] needs either source or bundle"]),
        (
            {"models": [{"name": "nlp1", "source": "a/b", "bundle": "c"}]},
            ["ml-inference:models[0] needs either source or bundle"],
        ),
        ({"models": [{"name": "NLP 1", "source": "a/b"}]}, ['ml-inference:models[0].name is "NLP 1"', "lower-case"]),
        ({"models": MODELS * 2}, ["ml-inference:models names nlp1 twice"]),
        (
            {"models": [{**MODELS[0], "revison": "main"}]},
            ["models[0].revison is not a setting; did you mean revision?"],
        ),
        ({"models": [{**MODELS[0], "task": "translation"}]}, ['models[0].task is "translation"', "fill-mask"]),
        ({"models": [{"name": "nlp1", "bundle": "x", "task": "fill-mask"}]}, ["models[0] has a task but no source"]),
        ({"models": [{"name": "nlp1", "bundle": "x", "revision": "main"}]}, ["models[0] has a revision but no source"]),
        ({"architectures": []}, ["ml-inference:architectures is []", "non-empty list of efs, s3 and oci"]),
        ({"architectures": ["efs", "gcs"]}, ['ml-inference:architectures[1] is "gcs"', "efs, s3 and oci"]),
        ({"architectures": "efs"}, ['ml-inference:architectures is "efs"']),
        ({"architectures": ["s3", "s3"]}, ["ml-inference:architectures", "twice"]),
        ({"memory": 64}, ["ml-inference:memory is 64", "128 to 10240", "Lambda"]),
        ({"memory": 10241}, ["ml-inference:memory is 10241", "128 to 10240"]),
        ({"memory": "much"}, ['ml-inference:memory is "much"', "128 to 10240"]),
        ({"memory": True}, ["ml-inference:memory is true", "128 to 10240"]),
        ({"timeout": 31}, ["ml-inference:timeout is 31", "1 to 30", "HTTP API"]),
        ({"efs": {"memory": 1}}, ["ml-inference:efs.memory is 1", "128 to 10240"]),
        ({"efs": {"memroy": 512}}, ["ml-inference:efs.memroy is not a setting; did you mean memory?"]),
        ({"memroy": 512}, ["ml-inference:memroy is not a setting; did you mean memory?", "ignored"]),
        ({"logRetentionDays": 2}, ["ml-inference:logRetentionDays is 2", "one of 1, 3, 5", "14"]),
        ({"engine": "tensorflow"}, ['ml-inference:engine is "tensorflow"', "onnx"]),
        ({"engine": "torch", "precision": "int8"}, ["ml-inference:precision", "is int8 for efs", "engine to onnx"]),
        ({"engine": "torch", "s3": {"precision": "int8"}}, ["ml-inference:precision", "is int8 for s3"]),
        ({"precision": "int4"}, ['ml-inference:precision is "int4"', "fp32"]),
        ({"auth": "basic"}, ['ml-inference:auth is "basic"', "none, iam or jwt"]),
        ({"auth": "jwt"}, ["ml-inference:jwt lacks issuer or audience"]),
        ({"auth": "jwt", "jwt": {"issuer": "http://x", "audience": ["a"]}}, ["ml-inference:jwt.issuer", "https"]),
        ({"jwt": {"issuer": "https://x", "audience": ["a"]}}, ["ml-inference:jwt", "auth is none"]),
        ({"auth": "iam", "corsOrigins": ["*"]}, ["ml-inference:corsOrigins", "every origin"]),
        ({"throttleRate": 0}, ["ml-inference:throttleRate is 0", "1 to 10000"]),
        ({"throttleBurst": 5}, ["ml-inference:throttleBurst (5)", "below throttleRate"]),
        ({"vpcCidr": "10.0.0.0/28"}, ["ml-inference:vpcCidr", "/28", "/16 to /26"]),
        ({"vpcCidr": "10.0.0.1/24"}, ["ml-inference:vpcCidr", "is no IPv4 network"]),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_with_the_key_the_value_and_what_is_allowed(
    config: dict[str, Any], sentences: list[str]
) -> None:
    with pytest.raises(ConfigError) as refusal:
        settings(**config)
    for sentence in sentences:
        assert sentence in str(refusal.value)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        settings(memory=1, timeout=99)
    assert str(refusal.value).count("\n") == 1


def test_an_architecture_overrides_the_stack_and_leaves_the_others_alone() -> None:
    chosen = settings(memory=1024, s3={"memory": 512, "models": [{"name": "other", "bundle": "x"}]})
    assert chosen.for_architecture("s3").memory == 512
    assert [model.name for model in chosen.for_architecture("s3").models] == ["other"]
    assert chosen.for_architecture("efs").memory == 1024
    assert [model.name for model in chosen.for_architecture("efs").models] == ["nlp1"]


def test_keys_of_other_namespaces_are_not_ours_to_check() -> None:
    config = {"ml-inference:models": json.dumps(MODELS), "aws:profile": "me", "other:memroy": "1"}
    assert Settings.from_config(types.MappingProxyType(config), "ml-inference").memory == 3008
