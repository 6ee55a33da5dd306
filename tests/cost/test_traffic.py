"""The share of cold starts: known ends, and a simulation that does by events what the formula does by shares."""

from __future__ import annotations

import math
import random

import pytest

from workbench.cost.traffic import SECONDS_PER_MONTH, Traffic, shares, traces


def simulated(traffic: Traffic, busy_s: float, arrivals: int) -> float:
    """The share of cold starts when requests go to the first free environment, and idle ones end."""
    luck = random.Random(1)  # noqa: S311 - a simulation, and the same one each time
    now, cold = 0.0, 0
    free_at: list[float] = []
    for _ in range(arrivals):
        now += luck.expovariate(traffic.bursts_per_second)
        for place, since in enumerate(free_at):
            if since <= now:
                cold += now - since > traffic.idle_minutes * 60
                free_at[place] = now + busy_s
                break
        else:
            cold += 1
            free_at.append(now + busy_s)
    return cold / arrivals


@pytest.mark.parametrize("requests", [1_000, 10_000, 100_000, 1_000_000, 20_000_000])
@pytest.mark.parametrize("busy_s", [0.1, 2.0])
def test_the_model_agrees_with_a_simulation(requests: int, busy_s: float) -> None:
    traffic = Traffic(requests)
    model = shares(traffic, busy_s, busy_s).cold
    # Overflow comes in clusters, which makes fewer cold starts than the model says; it errs to the careful side.
    assert model == pytest.approx(simulated(traffic, busy_s, 200_000), rel=0.35, abs=3e-4)


def test_a_single_environment_is_cold_when_nobody_asked_for_the_idle_time() -> None:
    traffic = Traffic(SECONDS_PER_MONTH / 600, idle_minutes=10)  # one in ten minutes, on average
    assert shares(traffic, 1e-9, 1e-9).cold == pytest.approx(math.exp(-1))


def test_cold_starts_become_rare_as_traffic_grows() -> None:
    found = [shares(Traffic(10**power), 0.1, 1).cold for power in range(2, 9)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.95
    assert found[-1] < 1e-4


def test_a_burst_needs_its_environments_all_at_once() -> None:
    assert shares(Traffic(100_000, burst=10), 0.1, 0.1).cold == shares(Traffic(10_000), 0.1, 0.1).cold


def test_slow_cold_starts_cause_more_of_them() -> None:
    assert shares(Traffic(1_000_000), 0.1, 20).cold > shares(Traffic(1_000_000), 0.1, 0.1).cold


def test_provisioned_environments_take_what_they_can() -> None:
    split = shares(Traffic(20_000_000), 0.1, 1, provisioned=1)
    # Offered load 0.761: Erlang's formula for one place loses 0.761 / 1.761 of it.
    assert split.provisioned == pytest.approx(1 - 0.761 / 1.761, abs=1e-2)
    assert shares(Traffic(20_000_000), 0.1, 1, provisioned=20).cold < 1e-9
    assert shares(Traffic(0), 0.1, 1, provisioned=1).cold == 0


def test_without_traffic_every_request_would_be_cold() -> None:
    assert shares(Traffic(0), 0.1, 1).cold == 1


def test_few_requests_are_all_traced_and_many_by_one_in_twenty() -> None:
    assert traces(Traffic(1000)) == pytest.approx(1000, rel=1e-3)
    busy = 1000 * SECONDS_PER_MONTH
    assert traces(Traffic(busy)) == pytest.approx(SECONDS_PER_MONTH + 0.05 * (busy - SECONDS_PER_MONTH))
