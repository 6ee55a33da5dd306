"""Stack configuration as the Pulumi CLI would hand it to a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.program.config import StackError, load


def test_a_stack_has_the_projects_defaults_and_its_own_values() -> None:
    config = load("dev")
    assert (config.project, config.stack, config.region) == ("ml-inference", "dev", "us-east-1")
    assert config.values["ml-inference:memory"] == "3008"
    assert [model["source"] for model in json.loads(config.values["ml-inference:models"])] == [
        "distilbert/distilbert-base-uncased-distilled-squad",
        "distilbert/distilbert-base-cased-distilled-squad",
    ]


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("memory=2048", "ml-inference:memory", "2048"),
        ("ml-inference:memory=2048", "ml-inference:memory", "2048"),
        ('architectures=["efs"]', "ml-inference:architectures", '["efs"]'),
        ('efs={"memory": 512}', "ml-inference:efs", '{"memory": 512}'),
        ("auth=iam", "ml-inference:auth", "iam"),
        ("auth=a=b", "ml-inference:auth", "a=b"),
        ("aws:region=eu-west-1", "aws:region", "eu-west-1"),
    ],
)
def test_an_override_takes_keys_with_and_without_namespace_and_json_where_it_parses(
    override: str, key: str, value: str
) -> None:
    assert load("dev", [override]).values[key] == value


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(StackError, match="--config memory is not of the form key=value"):
        load("dev", ["memory"])


def test_an_unknown_stack_lists_the_known_ones() -> None:
    with pytest.raises(StackError, match=r"no stack 'prod'.*Known stacks are dev, local"):
        load("prod")


def test_a_stack_file_without_config_is_a_stack_with_defaults(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\nconfig: {memory: {type: integer, default: 1}}\n")
    (tmp_path / "Pulumi.empty.yaml").write_text("")
    assert load("empty", folder=tmp_path).values == {"p:memory": "1"}
