"""The stack's configuration: what is accepted, and what is refused with which sentence."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest
import yaml

from infra.section import ConfigError
from infra.settings import FunctionSettings, Overrides, Settings

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
            kind = {bool: "boolean", str: "string", int: "integer", list: "array", dict: "object"}[
                type(entry["default"])
            ]
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
        ({"throttleRate": -1}, ["ml-inference:throttleRate is -1", "1 to 10000"]),
        ({"throttleBurst": 5}, ["ml-inference:throttleBurst (5)", "below throttleRate"]),
        ({"vpcCidr": "10.0.0.0/28"}, ["ml-inference:vpcCidr", "/28", "/16 to /26"]),
        ({"vpcCidr": "10.0.0.1/24"}, ["ml-inference:vpcCidr", "is no IPv4 network"]),
        ({"ephemeralStorage": 511}, ["ml-inference:ephemeralStorage is 511", "512 to 10240"]),
        ({"s3": {"ephemeralStorage": 10241}}, ["ml-inference:s3.ephemeralStorage is 10241", "512 to 10240"]),
        ({"efs": {"timeout": 31}}, ["ml-inference:efs.timeout is 31", "1 to 30", "HTTP API"]),
        ({"reservedConcurrency": -2}, ["ml-inference:reservedConcurrency is -2", "-1 (no reservation)"]),
        ({"provisionedConcurrency": -1}, ["ml-inference:provisionedConcurrency is -1", "0 (none)"]),
        ({"snapStart": "yes"}, ['ml-inference:snapStart is "yes"', "true or false"]),
        (
            {"snapStart": True},
            ["ml-inference:snapStart (true) does not go with efs", "mounts", "set efs.snapStart to false"],
        ),
        (
            {"architectures": ["oci"], "snapStart": True, "provisionedConcurrency": 1},
            ["ml-inference:snapStart", "provisionedConcurrency of 1 for oci", "not both", "oci.snapStart to false"],
        ),
        (
            {"s3": {"snapStart": True, "ephemeralStorage": 513}},
            ["ml-inference:snapStart", "ephemeralStorage of 513 MB for s3", "ephemeralStorage to 512"],
        ),
        ({"scaling": {"maximum": 5}}, ["ml-inference:scaling", "provisionedConcurrency is 0 for efs", "drop scaling"]),
        (
            {"provisionedConcurrency": 6, "scaling": {"maximum": 5}},
            ["ml-inference:scaling", "maximum of 5 below the provisionedConcurrency of 6", "raise scaling.maximum"],
        ),
        (
            {"provisionedConcurrency": 1, "scaling": {"schedules": [{"at": "8 am", "minimum": 1, "maximum": 1}]}},
            ['ml-inference:scaling.schedules[0].at is "8 am"', "cron(...)"],
        ),
        (
            {
                "provisionedConcurrency": 1,
                "scaling": {"schedules": [{"at": "cron(0 8 * * ? *)", "minimum": 3, "maximum": 2}]},
            },
            ["ml-inference:scaling", "minimum of 3 above its maximum of 2"],
        ),
        (
            {"provisionedConcurrency": 2, "reservedConcurrency": 3, "scaling": {"maximum": 4}},
            ["ml-inference:reservedConcurrency (3) is below the 4 environments", "raise reservedConcurrency to 4"],
        ),
        ({"scaling": {"utilization": 95}}, ["ml-inference:scaling.utilization is 95", "0.1 to 0.9"]),
        (
            {"provisionedConcurrency": 1, "oci": {"rollout": {"stable": 3, "percent": 10}}},
            ["ml-inference:oci.rollout", "two versions", "oci.provisionedConcurrency to 0"],
        ),
        ({"oci": {"rollout": {"stable": 3, "percent": 100}}}, ["ml-inference:oci.rollout.percent is 100", "remove"]),
        ({"rollout": {"stable": 3, "percent": 10}}, ["ml-inference:rollout is not a setting"]),
        ({"throttleRate": 0}, ["ml-inference:throttleRate (0)", "efs, whose auth is none", "auth to iam or jwt"]),
        (
            {"throttleRate": 0, "auth": "iam", "s3": {"auth": "none"}},
            ["ml-inference:throttleRate (0)", "s3, whose auth is none"],
        ),
        ({"s3": {"auth": "jwt"}}, ["ml-inference:jwt lacks issuer or audience"]),
        (
            {"corsOrigins": ["*"], "corsCredentials": True},
            ["ml-inference:corsOrigins", "together with corsCredentials", "list the origins"],
        ),
        ({"corsCredentials": True}, ["ml-inference:corsCredentials (true) is true without corsOrigins"]),
        ({"efs": {"auth": "iam"}, "corsOrigins": ["*"]}, ["ml-inference:corsOrigins", "although auth is iam"]),
        ({"domain": {"name": "models.example.org"}}, ["ml-inference:domain", "lacks certificateArn", "drop domain"]),
        ({"domain": {"name": "https://models.example.org"}}, ["ml-inference:domain.name", "a host name such as"]),
        (
            {"functionUrl": True, "functionUrlAuth": "none"},
            ["ml-inference:functionUrlAuth", "no throttling of its own", "reservedConcurrency to the most"],
        ),
        ({"kmsKeyArn": "alias/mine"}, ['ml-inference:kmsKeyArn is "alias/mine"', "not of an alias"]),
        ({"alarms": {"topicArn": "ops"}}, ['ml-inference:alarms.topicArn is "ops"', "SNS topic"]),
        ({"alarms": {"p95Ms": 0}}, ["ml-inference:alarms.p95Ms is 0", "1 to 30000"]),
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


def test_every_option_of_a_function_can_be_overridden() -> None:
    """What holds for a function, holds for one architecture if it is said there."""
    assert set(FunctionSettings.model_fields) == set(Overrides.model_fields)
    chosen = settings(
        auth="iam",
        provisionedConcurrency=2,
        s3={"auth": "none", "provisionedConcurrency": 0, "snapStart": True},
        oci={"reservedConcurrency": 7, "functionUrl": True, "scaling": {"maximum": 3}},
    ).functions
    assert [(it.auth, it.provisioned_concurrency, it.snap_start) for it in chosen.values()] == [
        ("iam", 2, False),
        ("none", 0, True),
        ("iam", 2, False),
    ]
    assert (chosen["oci"].reserved_concurrency, chosen["oci"].function_url, chosen["oci"].scaling.maximum) == (
        7,
        True,
        3,
    )
    assert chosen["oci"].scaling.utilization == 70


def test_no_throttling_is_accepted_where_every_caller_is_known() -> None:
    assert settings(throttleRate=0, auth="iam").throttle_rate == 0


def test_every_origin_is_accepted_where_nobody_has_to_say_who_asks() -> None:
    assert settings(corsOrigins=["*"]).cors_origins == ["*"]


def test_keys_of_other_namespaces_are_not_ours_to_check() -> None:
    config = {"ml-inference:models": json.dumps(MODELS), "aws:profile": "me", "other:memroy": "1"}
    assert Settings.from_config(types.MappingProxyType(config), "ml-inference").memory == 3008
