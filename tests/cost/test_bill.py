"""Bills against sums that were done by hand, with round prices so that they can be followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.serving.stores import s3
from infra.image import _KEPT_UNTAGGED
from workbench.cost.bill import (
    GIB,
    KEPT_IMAGES,
    PART,
    RUNTIME_IMAGE,
    Bill,
    Deployment,
    Durations,
    bill,
    compare,
    gets_of,
)
from workbench.cost.prices import CostError, Prices
from workbench.cost.traffic import Traffic

PRICES = Prices(
    lambda_request=2e-7,
    lambda_gb_second={"x86_64": 2e-5, "arm64": 1e-5},
    lambda_storage_gb_second=1e-6,
    provisioned_gb_second={"x86_64": 5e-6, "arm64": 4e-6},
    provisioned_duration_gb_second={"x86_64": 1e-5, "arm64": 8e-6},
    snap_start_cache_gb_second=2e-6,
    snap_start_restore_gb=1e-4,
    http_api_request=1e-6,
    efs_storage_gb_month=0.3,
    efs_read_gb=0.03,
    efs_write_gb=0.06,
    s3_storage_gb_month=0.02,
    s3_put_request=5e-6,
    s3_get_request=4e-7,
    ecr_storage_gb_month=0.1,
    logs_ingest_gb=0.5,
    logs_storage_gb_month=0.03,
    trace_recorded=5e-6,
)
# 2 GB of memory; one model of 1 GiB in one file: the manifest and 128 parts of 8 MiB.
S3 = Deployment("s3", memory_mb=2048, bundles=((GIB,),))
# A cold start for each request: nobody asks twice within half a nanosecond.
ALWAYS_COLD = Traffic(1_000_000, idle_minutes=1e-12)
# An environment that lives for ever starts once, if at all.
NEVER_COLD = Traffic(1_000_000, idle_minutes=1e9)
HALF_A_SECOND = Durations(warm_ms=500, cold_ms=2000)


def usd(month: Bill, name: str) -> float:
    return month.item(name).usd


def test_warm_requests_are_billed_for_memory_times_time() -> None:
    month = bill(S3, HALF_A_SECOND, NEVER_COLD, PRICES)
    # 10^6 x 0.5 s x 2 GB = 10^6 GB-s at 2e-5
    assert usd(month, "Lambda, warm requests") == pytest.approx(20, rel=1e-4)
    assert usd(month, "Lambda, requests") == pytest.approx(0.2)
    assert usd(month, "HTTP API") == pytest.approx(1)
    assert usd(month, "S3, storage") == pytest.approx(0.02)
    # 10^6 x 1500 bytes = 1.397 GiB; 14 of 30 days
    assert usd(month, "Logs, written") == pytest.approx(1.397 * 0.5, rel=1e-3)
    assert usd(month, "Logs, kept") == pytest.approx(1.397 * 14 / 30 * 0.03, rel=1e-3)
    assert usd(month, "ECR, images") == pytest.approx(RUNTIME_IMAGE["onnx"] / GIB * 0.1)
    assert month.cold_share < 1e-4


def test_a_cold_start_is_billed_from_the_start_of_its_environment_and_reads_the_weights() -> None:
    month = bill(S3, HALF_A_SECOND, ALWAYS_COLD, PRICES)
    assert month.cold_share == pytest.approx(1)
    # 10^6 x 2 s x 2 GB = 4 x 10^6 GB-s at 2e-5
    assert usd(month, "Lambda, cold starts") == pytest.approx(80)
    assert usd(month, "Lambda, warm requests") == pytest.approx(0, abs=1e-6)
    # 10^6 x 129 requests at 4e-7
    assert usd(month, "S3, reads") == pytest.approx(51.6)


def test_efs_is_billed_by_what_lies_there_what_is_read_and_what_is_written() -> None:
    efs = replace(S3, architecture="efs", updates_per_month=2)
    month = bill(efs, HALF_A_SECOND, ALWAYS_COLD, PRICES)
    # the bundle and two updates of it; 10^6 x 1 GiB; two copies
    assert usd(month, "EFS, storage") == pytest.approx(3 * 0.3)
    assert usd(month, "EFS, read at cold starts") == pytest.approx(30_000)
    assert usd(month, "EFS, written by updates") == pytest.approx(0.12)
    # filled from the bucket: 129 reads and 2 writes for each update, and the bundle lies there, too
    assert usd(month, "S3, reads") == pytest.approx(2 * 129 * 4e-7)
    assert usd(month, "S3, writes") == pytest.approx(2 * 2 * 5e-6)
    assert usd(month, "S3, storage") == pytest.approx(0.02)


def test_the_image_carries_the_weights_of_oci_and_of_the_images_that_are_kept() -> None:
    oci = replace(S3, architecture="oci", updates_per_month=100)
    month = bill(oci, HALF_A_SECOND, NEVER_COLD, PRICES)
    assert usd(month, "ECR, images") == pytest.approx((RUNTIME_IMAGE["onnx"] / GIB + 6) * 0.1)
    assert not any(usd(month, name) for name in ("S3, storage", "S3, reads", "EFS, storage"))


def test_several_models_are_stored_and_one_is_loaded() -> None:
    efs = replace(S3, architecture="efs", bundles=((GIB,), (3 * GIB,)))
    month = bill(efs, HALF_A_SECOND, ALWAYS_COLD, PRICES)
    assert usd(month, "EFS, storage") == pytest.approx(4 * 0.3)
    assert usd(month, "EFS, read at cold starts") == pytest.approx(10**6 * 2 * 0.03)


def test_half_a_gigabyte_of_tmp_is_free() -> None:
    more = replace(S3, storage_mb=512 + 1024)
    assert usd(bill(S3, HALF_A_SECOND, NEVER_COLD, PRICES), "Lambda, /tmp") == 0
    # 10^6 x 0.5 s x 1 GB at 1e-6
    assert usd(bill(more, HALF_A_SECOND, NEVER_COLD, PRICES), "Lambda, /tmp") == pytest.approx(0.5, rel=1e-3)


def test_arm_has_its_own_price() -> None:
    arm = replace(S3, cpu="arm64")
    assert usd(bill(arm, HALF_A_SECOND, NEVER_COLD, PRICES), "Lambda, warm requests") == pytest.approx(10, rel=1e-4)


def test_provisioned_environments_are_billed_all_month_and_never_cold() -> None:
    ready = replace(S3, provisioned=3)
    month = bill(ready, HALF_A_SECOND, replace(ALWAYS_COLD, requests_per_month=1000), PRICES)
    # 3 x 2 GB x 730 h x 3600 s at 5e-6, and 1000 x 0.5 s x 2 GB at 1e-5
    assert usd(month, "Provisioned concurrency") == pytest.approx(78.84)
    assert usd(month, "Provisioned, requests") == pytest.approx(0.01)
    assert month.cold_share < 1e-6


def test_snap_start_is_billed_for_the_version_and_each_restore() -> None:
    month = bill(replace(S3, snap_start=True), HALF_A_SECOND, ALWAYS_COLD, PRICES)
    # 2 GB x 730 h x 3600 s at 2e-6, and 10^6 x 2 GB at 1e-4
    assert usd(month, "SnapStart, cache") == pytest.approx(10.512)
    assert usd(month, "SnapStart, restores") == pytest.approx(200)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"architecture": "efs"}, "SnapStart cannot be had with EFS"), ({"provisioned": 1}, "refuses the two together")],
)
def test_what_lambda_refuses_has_no_price(change: dict, sentence: str) -> None:
    with pytest.raises(CostError, match=sentence):
        replace(S3, snap_start=True, **change)


def test_the_total_is_the_sum_and_is_also_given_for_a_million_requests() -> None:
    month = bill(S3, HALF_A_SECOND, replace(NEVER_COLD, requests_per_month=2_000_000), PRICES)
    assert month.usd == pytest.approx(sum(item.usd for item in month.items))
    assert month.usd_per_million == pytest.approx(month.usd / 2)


def test_reads_are_counted_as_the_store_makes_them() -> None:
    assert s3._PART == PART
    assert gets_of([PART, PART + 1, 10]) == 1 + 1 + 2 + 1
    assert _KEPT_UNTAGGED + 1 == KEPT_IMAGES


def test_a_break_even_is_where_two_costs_cross() -> None:
    # 10 + n / 1000 = 2 n / 1000 at n = 10,000
    (pair,) = compare({"fixed": lambda n: 10 + n / 1000, "variable": lambda n: 2 * n / 1000})
    (even,) = pair.break_evens
    assert even.requests == pytest.approx(10_000, rel=1e-3)
    assert even.usd == pytest.approx(20, rel=1e-3)
    assert (even.below, even.above) == ("variable", "fixed")


def test_costs_that_run_side_by_side_have_no_break_even() -> None:
    (same,) = compare({"a": lambda n: n / 1000, "b": lambda n: n / 1001})
    assert (same.break_evens, same.cheaper) == ((), None)
    (dearer,) = compare({"a": lambda n: n / 1000, "b": lambda n: n / 500})
    assert (dearer.break_evens, dearer.cheaper, dearer.most) == ((), "a", pytest.approx(0.5))
