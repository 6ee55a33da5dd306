"""How many requests meet a cold start: a model of when Lambda keeps an execution environment, and of when requests come.

The model, its sources and its limits are described in docs/choosing.md. Pure functions; nothing is measured here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# AWS bills and its calculator plan with months of 730 hours.
HOURS_PER_MONTH = 730
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600

# An idle environment lived 5 to 7 minutes in Mikhail Shilkov's measurement (https://mikhail.io/serverless/coldstarts/
# aws/intervals/, 2021). AWS documents no figure, and others have measured up to an hour.
IDLE_MINUTES = 6.0

# Environments beyond the one that serves less than this share of the requests are left out.
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Traffic:
    """What is asked of an endpoint: requests a month, `burst` of them at once.

    `idle_minutes` is how long Lambda keeps an environment that nobody asks.
    """

    requests_per_month: float
    burst: int = 1
    idle_minutes: float = IDLE_MINUTES

    @property
    def bursts_per_second(self) -> float:
        """Arrivals a second; without bursts, those of single requests."""
        return self.requests_per_month / self.burst / SECONDS_PER_MONTH


@dataclass(frozen=True)
class Shares:
    """Shares of the requests, 0 to 1: those that a new environment is started for, and those of provisioned ones."""

    cold: float
    provisioned: float = 0.0


def shares(traffic: Traffic, warm_s: float, cold_s: float, provisioned: int = 0) -> Shares:
    """How the requests divide up among environments.

    Bursts come as a Poisson process, and the requests of one come at once. A request goes to the first environment
    that is free, in a fixed order, the `provisioned` ones first; so the k-th gets what the k - 1 before it are too busy
    for (Erlang's loss formula). An environment that is not provisioned and that nobody has asked for `idle_minutes` is
    gone, and the next request for it is cold. `warm_s` and `cold_s` are how long a warm and a cold request keep an
    environment busy, in seconds.
    """
    rate, idle = traffic.bursts_per_second, traffic.idle_minutes * 60
    found = Shares(0.0 if provisioned else 1.0)
    if rate <= 0:
        return found
    # Cold requests are busy for longer, which makes more of them; a few rounds settle it.
    for _ in range(20):
        previous, busy = found, warm_s + found.cold * (cold_s - warm_s)
        found = _shares(rate, busy, idle, max(provisioned // traffic.burst, 0))
        if abs(found.cold - previous.cold) < 1e-12:
            break
    return found


def _shares(rate: float, busy: float, idle: float, provisioned: int) -> Shares:
    """The same for single arrivals; a burst counts as one, and needs its number of environments each time."""
    offered, lost, cold, warm, count = rate * busy, 1.0, 0.0, 0.0, 0
    while lost > _NEGLIGIBLE:
        count += 1
        overflow = offered * lost / (count + offered * lost)
        taken, lost = lost - overflow, overflow
        if count <= provisioned:
            warm += taken
        else:
            # What reaches the k-th environment is treated as Poisson, too; in truth it comes in clusters.
            cold += taken * math.exp(-rate * taken * idle)
    return Shares(cold, warm)


def traces(traffic: Traffic) -> float:
    """Traces that X-Ray records a month: the first request of each second and 5 % of the others.

    That is the sampling of active tracing (https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html).
    """
    first = SECONDS_PER_MONTH * -math.expm1(-traffic.bursts_per_second)
    return first + 0.05 * max(traffic.requests_per_month - first, 0.0)
