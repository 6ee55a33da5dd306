"""Networks: profiles that can be used and that say where they come from, and a pace that adds up."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.bench.measuring.bucket_proxy import bucket_proxy
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.networks import S3Network, profile, profiles
from workbench.bench.measuring.slow_files import Pace


def test_every_profile_says_what_it_stands_for() -> None:
    assert list(profiles()) == ["documented", "narrow", "near"]
    for name, found in profiles().items():
        assert profile(name) == found
        assert found.sources or "assum" in found.says
        assert str(found).startswith(f"{name} (S3: {found.s3.latency_ms} ms, 90 MB/s a connection")


def test_an_operation_takes_the_latency_and_its_bytes_the_rate() -> None:
    pace = Pace(latency_ms=10, mb_s=100)
    assert pace.end(now=1.0) == pytest.approx(1.01)  # no bytes: the latency
    assert pace.end(now=2.0, size=100_000) == pytest.approx(2.01)  # 1 ms of bytes lies within the latency
    assert pace.end(now=3.0, size=5_000_000) == pytest.approx(3.05)
    # While those are still coming: latencies pass at the same time, bytes one after the other.
    assert pace.end(now=3.0, size=1_000_000) == pytest.approx(3.06)
    assert pace.end(now=3.0) == pytest.approx(3.06)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("workbench.bench.measuring.bucket_proxy._MODULES", ())
    with (
        pytest.raises(MeasuringError, match="apt-get install nginx-light libnginx-mod-http-echo"),
        bucket_proxy(S3Network(latency_ms=1, connection_mb_s=1), 1, 2, tmp_path),
    ):
        pass
