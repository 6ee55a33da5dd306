"""`python -m workbench cost`, as a user types it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from workbench.commands import application
from workbench.cost.prices import CostError
from workbench.cost.stack import deployments
from workbench.program.config import load


def cost(*options: str) -> str:
    result = CliRunner().invoke(application, ["cost", "--stack", "local", *options], env={"COLUMNS": "120"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_bill_of_each_architecture_and_what_it_rests_on() -> None:
    output = cost()
    for text in ("efs", "s3", "oci", "Lambda, warm requests", "EFS, storage", "a million requests", "cold starts"):
        assert text in output
    assert "assumed: measure your model with `python -m workbench bench --json FILE`" in output
    assert "region us-east-1, as of 20" in output


def test_prices_that_are_not_verified_are_named() -> None:
    assert "Not verified for eu-west-1: provisionedGbSecond.arm64" in cost("--region", "eu-west-1")


def test_a_table_for_each_traffic_that_is_asked_for() -> None:
    output = cost("-n", "5000", "-n", "2e6")
    assert "5,000 requests a month" in output
    assert "2,000,000 requests a month" in output


def test_json_has_the_same_bills() -> None:
    (month,) = json.loads(cost("--json", "-n", "1e6", "--warm-ms", "200"))["months"]
    by_name = {item["name"]: item for item in month["bills"][0]["items"]}
    # 10^6 x 0.2 s x 3008 MB, at the price of us-east-1; less the cold starts
    assert by_name["Lambda, warm requests"]["usd"] == pytest.approx(0.2e6 * 3008 / 1024 * 0.0000166667, rel=0.01)
    assert month["bills"][0]["usd"] == pytest.approx(sum(item["usd"] for item in by_name.values()))


def test_snap_start_is_for_the_architectures_that_can_have_it() -> None:
    rows = [line for line in cost("--snap-start").splitlines() if line.strip().startswith("SnapStart, cache")]
    assert rows[0].split()[2] == "-"
    assert float(rows[0].split()[3]) > 1


def test_a_region_without_prices_is_a_sentence() -> None:
    with pytest.raises(CostError, match="no prices for region 'mars-1'"):
        cost("--region", "mars-1")


def test_a_bundle_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(CostError, match=r"The cost of stack .* cannot be estimated: .*models prepare"):
        cost("--config", "precision=int8", "--config", 'models=[{"name": "nlp9", "source": "a/b"}]')


def test_what_the_stack_configures_is_what_is_billed() -> None:
    settings = [
        "cpu=arm64",
        "ephemeralStorage=1024",
        'oci={"provisionedConcurrency": 2}',
        's3={"ephemeralStorage": 2048}',
    ]
    efs, s3, oci = deployments(load("local", settings))
    assert {deployment.cpu for deployment in (efs, s3, oci)} == {"arm64"}
    assert (efs.storage_mb, s3.storage_mb, oci.storage_mb) == (1024, 2048, 1024)
    assert (efs.provisioned, s3.provisioned, oci.provisioned) == (0, 0, 2)
    efs, s3, _ = deployments(load("local", ['s3={"snapStart": true}']))
    assert (efs.snap_start, s3.snap_start) == (False, True)
