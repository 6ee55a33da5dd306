"""The price table: complete, dated, replaceable; and what is wrong with another is a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.cost.prices import TABLE, CostError, PriceTable


def test_the_table_has_the_regions_with_date_and_sources() -> None:
    table = PriceTable.read()
    assert set(table.regions) == {"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"}
    assert table.date.startswith("20")
    assert all("https://" in source for source in table.sources)


def test_the_prices_of_virginia_are_those_that_aws_publishes() -> None:
    prices = PriceTable.read().of("us-east-1")
    # A million requests of 1024 MB and 1 s: $16.67 and $0.20, as in the examples of https://aws.amazon.com/lambda/pricing/
    assert prices.lambda_gb_second["x86_64"] * 1e6 == pytest.approx(16.67, abs=0.01)
    assert prices.lambda_request * 1e6 == pytest.approx(0.20)
    # The page's SnapStart example: 2,678,400 GB-s cost $4.03, 74,400 GB restored $10.40.
    assert prices.snap_start_cache_gb_second * 2_678_400 == pytest.approx(4.03, abs=0.01)
    assert prices.snap_start_restore_gb * 74_400 == pytest.approx(10.40, abs=0.01)


@pytest.mark.parametrize("region", PriceTable.read().regions)
def test_what_is_not_verified_is_named_as_in_the_table(region: str) -> None:
    prices = PriceTable.read().of(region).model_dump(by_alias=True)
    for name in prices["unverified"]:
        key, _, cpu = name.partition(".")
        assert key in prices
        assert not cpu or cpu in prices[key]


def test_another_table_takes_its_place(tmp_path: Path) -> None:
    table = json.loads(TABLE.read_text())
    table["regions"] = {"mars-1": table["regions"]["us-east-1"] | {"httpApiRequest": 42}}
    (tmp_path / "prices.json").write_text(json.dumps(table))
    assert PriceTable.read(tmp_path / "prices.json").of("mars-1").http_api_request == 42


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        ("{}", "is no price table: name: Field required"),
        ('{"regions": {}}', "is no price table"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_a_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    file = tmp_path / "prices.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CostError, match=sentence):
        PriceTable.read(file)


def test_a_negative_price_is_refused(tmp_path: Path) -> None:
    table = json.loads(TABLE.read_text())
    table["regions"]["us-east-1"]["efsReadGb"] = -1
    (tmp_path / "prices.json").write_text(json.dumps(table))
    with pytest.raises(CostError, match=r"regions.us-east-1.efsReadGb: Input should be greater"):
        PriceTable.read(tmp_path / "prices.json")


def test_a_region_without_prices_is_refused_with_those_that_have_them() -> None:
    with pytest.raises(CostError, match=r"no prices for region 'mars-1'.*us-east-1.*--prices FILE"):
        PriceTable.read().of("mars-1")
