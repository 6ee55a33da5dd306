"""Advice on results that are known: what is chosen, why, what would change it, and that figures stand in the sentences."""

from __future__ import annotations

import re

import pytest
from measurements import MB, model, results

from workbench.bench.advice import Advice, Finding, Needs, advise
from workbench.bench.results import Results
from workbench.cost.prices import CostError, PriceTable

PRICES = PriceTable.read().of("us-east-1")
TINY = results({"efs": 205, "s3": 200, "oci": 195}, models=(model(size=3 * MB),))
# What decides between them at little traffic is the cold start, at much traffic the cost of reading EFS.
APART = results({"efs": 900, "s3": 700, "oci": 500}, network="AWS")


def given(measured: Results, needs: Needs) -> Advice:
    return advise(measured, needs, PRICES)


def chosen(measured: Results, **needs: float | bool) -> tuple[str, str, str]:
    """The architecture, the reasons and the changes at one traffic."""
    requests = needs.pop("requests", 1_000_000)
    expected = Needs(requests_per_month=(requests,), **needs)  # pyright: ignore[reportArgumentType]
    (choice,) = given(measured, expected).choices
    return choice.architecture, " ".join(choice.reasons), "; ".join(choice.changes)


def finding(advice: Advice, topic: str) -> Finding:
    return next(found for found in advice.findings if found.topic == topic)


def test_a_tiny_model_that_changes_daily_goes_to_s3() -> None:
    architecture, reasons, changes = chosen(TINY, updates_per_month=30)
    assert architecture == "s3"
    assert "cannot be told apart" in reasons
    assert "there are 30 a month" in reasons
    assert "fewer than 4 updates a month: OCI" in changes


def test_a_tiny_model_that_stays_goes_into_the_image() -> None:
    architecture, reasons, changes = chosen(TINY)
    assert architecture == "oci"
    assert "no updates a month" in reasons
    assert "4 or more updates a month: S3" in changes


def test_cold_starts_decide_where_requests_meet_them() -> None:
    architecture, reasons, _ = chosen(APART, requests=10_000)
    assert architecture == "oci"
    assert (
        "Cold starts decide: 26 % of the requests meet one, and it takes 490 ms on OCI against 891 ms on EFS" in reasons
    )


def test_an_image_from_local_disk_does_not_beat_stores_behind_a_network() -> None:
    modelled = results({"efs": 900, "s3": 700, "oci": 500}, network="near")
    architecture, reasons, _ = chosen(modelled, requests=10_000)
    assert (
        "it takes 703 ms on S3 against 891 ms on EFS; OCI is left aside, as its image came from local disk" in reasons
    )
    assert architecture == "oci"
    assert "Upkeep decides" in reasons


def test_cold_starts_do_not_decide_where_almost_no_request_meets_one() -> None:
    architecture, reasons, changes = chosen(APART, requests=1_000_000, updates_per_month=8)
    assert architecture == "s3"
    assert "Cold starts do not decide: 0.091 % of the requests meet one" in reasons
    assert re.search(r"Cost decides: a month is \$\d+\.\d\d for EFS", reasons)
    # ... and with less traffic they would.
    assert re.search(r"fewer than about [\d,]+ requests a month: OCI", changes)


def test_bursts_have_cold_starts_that_steady_traffic_has_not() -> None:
    architecture, reasons, changes = chosen(APART, burst=20, updates_per_month=8)
    assert architecture == "oci"
    assert "Cold starts decide" in reasons
    assert "requests one at a time: S3" in changes


def test_a_vpc_is_what_efs_has() -> None:
    architecture, reasons, changes = chosen(APART, vpc=True)
    assert architecture == "efs"
    assert "have to be in a VPC" in reasons
    assert "891 ms" in reasons
    assert "no need for a VPC: OCI" in changes
    assert "a VPC that the functions have to be in: EFS" in chosen(APART)[2]


def test_a_large_model_takes_too_much_memory_to_be_loaded_from_s3() -> None:
    large = results({"efs": 9000, "s3": 12_000, "oci": 10_000}, models=(model(size=6_000 * MB),), memory_mb=10_240)
    advice = given(large, Needs(requests_per_month=(10_000,)))
    assert advice.choices[0].architecture in ("efs", "oci")
    assert "S3 is out: loading 6.0 GB of models takes about 17,236 MB of memory there" in advice.choices[0].reasons[0]
    assert "S3 is out" in finding(advice, "Model size").sentence


def test_three_gigabytes_fit_and_cold_starts_are_what_they_cost() -> None:
    measured = results(
        {"efs": 9000, "s3": 14_000, "oci": 6000}, models=(model(size=3_000 * MB),), memory_mb=10_240, resident_mb=7000
    )
    advice = given(measured, Needs(requests_per_month=(20_000,)))
    assert advice.choices[0].architecture == "oci"
    assert "The model has 3.0 GB" in finding(advice, "Model size").sentence
    assert "359 requests" in finding(advice, "Number of models").sentence


def test_an_image_of_more_than_ten_gigabytes_cannot_be_deployed() -> None:
    many = tuple(model(f"nlp{number}", size=2_000 * MB) for number in range(6))
    advice = given(results({"efs": 2000, "s3": 2500, "oci": 1000}, models=many, memory_mb=10_240), Needs())
    assert all(choice.architecture != "oci" for choice in advice.choices)
    reasons = " ".join(advice.choices[0].reasons)
    assert "OCI is out: an image with 12.0 GB of weights would be over Lambda's 10.7 GB" in reasons


def test_a_cold_start_that_the_api_does_not_wait_for_is_out() -> None:
    slow = results({"s3": 35_000, "oci": 2000})
    assert "S3 is out: a cold start takes" in chosen(slow)[1]


def test_a_model_that_fits_nowhere_is_recommended_nowhere() -> None:
    huge = results({"efs": 20_000, "s3": 25_000, "oci": 15_000}, models=(model(size=12_000 * MB),), memory_mb=10_240)
    architecture, reasons, changes = chosen(huge)
    assert architecture == "none"
    assert "OCI is out" in reasons
    assert "EFS is out: a model of 12.0 GB is more than the 10,240 MB of memory" in reasons
    assert "smaller model" in reasons
    assert "nothing that was tried" in changes


def test_a_vpc_without_efs_is_admitted() -> None:
    architecture, reasons, _ = chosen(results({"s3": 700, "oci": 500}), vpc=True, requests=10_000)
    assert architecture == "oci"
    assert "0 of those that were measured and fit are in one" in reasons


def test_local_disk_is_no_evidence_for_networks() -> None:
    measured = results({"efs": 300, "s3": 900, "oci": 500}, network="local disk")
    advice = given(measured, Needs(requests_per_month=(10_000,)))
    assert advice.choices[0].architecture == "oci"
    assert "without the networks of EFS and S3" in advice.choices[0].reasons[0]
    assert any("without their networks" in caveat for caveat in advice.caveats)
    assert any("which these results leave out" in change for change in advice.choices[0].changes)


def test_a_single_architecture_leaves_nothing_to_choose() -> None:
    architecture, reasons, changes = chosen(results({"s3": 700}))
    assert architecture == "s3"
    assert "all that was measured" in reasons
    assert "once they are measured" in changes


def test_results_without_warm_requests_are_refused_with_a_sentence() -> None:
    with pytest.raises(CostError, match=r"no warm requests of efs.*bench --architectures efs"):
        given(APART.model_copy(update={"warm": []}), Needs())


def test_memory_that_is_nearly_used_up_is_said() -> None:
    advice = given(results({"s3": 700, "oci": 500}, resident_mb=2900), Needs())
    assert "That is 97 %: configure more" in finding(advice, "Memory").change


@pytest.mark.parametrize("measured", [TINY, APART])
@pytest.mark.parametrize("needs", [Needs(), Needs(vpc=True, updates_per_month=30, burst=10)])
def test_every_finding_has_a_figure_and_says_what_would_change_it(measured: Results, needs: Needs) -> None:
    for found in given(measured, needs).findings:
        assert re.search(r"\d", found.sentence), found.topic
        assert found.change.endswith(".")
        assert found.sentence.endswith(".")


def test_few_samples_and_unverified_prices_are_admitted() -> None:
    prices = PriceTable.read().of("eu-central-1")
    caveats = " ".join(advise(results({"s3": 700, "oci": 500}, samples=3), Needs(), prices).caveats)
    assert "only 3 cold starts" in caveats
    assert "efsReadGb" in caveats
