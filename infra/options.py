"""Options that are objects: what a custom domain, scaling, a rollout and alarms are made of, and what each value may be.

The settings they belong to are in `infra.settings`; which of them contradict each other is said in `infra.conflicts`.
"""

from __future__ import annotations

from pydantic import Field

from .section import Section, limits


class Jwt(Section):
    """Whose tokens `auth: jwt` accepts."""

    issuer: str | None = Field(
        default=None,
        pattern=r"^https://",
        json_schema_extra=limits("an https URL", "API Gateway fetches the keys of the token issuer from it"),
    )
    audience: list[str] = Field(
        default_factory=list,
        json_schema_extra=limits("a list of strings", "a token for another audience must not open this API"),
    )


class Domain(Section):
    """The name under which the endpoints are reached, `https://<name>/<architecture>`."""

    name: str | None = Field(
        default=None,
        pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$",
        max_length=253,
        json_schema_extra=limits("a host name such as models.example.org", "API Gateway answers under that name"),
    )
    certificate_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+$",
        json_schema_extra=limits(
            "the ARN of a certificate in ACM", "API Gateway proves with it that the name is yours"
        ),
    )


class ScheduledCapacity(Section):
    """The range in which provisioned concurrency moves from a point in time on, until the next such point."""

    at: str = Field(
        pattern=r"^(cron|at)\(.+\)$",
        json_schema_extra=limits(
            "cron(...) or at(...), such as cron(0 8 ? * MON-FRI *)", "Application Auto Scaling reads it in this form"
        ),
    )
    timezone: str = Field(
        default="UTC",
        pattern=r"^[A-Za-z0-9_+/-]+$",
        json_schema_extra=limits("a time zone such as Europe/Vienna", "the time in `at` is that of the zone"),
    )
    minimum: int = Field(
        ge=0, le=10_000, json_schema_extra=limits("0 to 10000 (environments)", "that many are kept at least")
    )
    maximum: int = Field(
        ge=0, le=10_000, json_schema_extra=limits("0 to 10000 (environments)", "that many are kept at most")
    )


class Scaling(Section):
    """How provisioned concurrency follows load (up to `maximum`, at `utilization` percent in use) or the clock."""

    maximum: int = Field(
        default=0,
        ge=0,
        le=10_000,
        json_schema_extra=limits("0 (does not follow load) to 10000 (environments)", "they are paid for by the second"),
    )
    utilization: int = Field(
        default=70,
        ge=10,
        le=90,
        json_schema_extra=limits("10 to 90 (percent)", "Lambda takes a target from 0.1 to 0.9"),
    )
    schedules: list[ScheduledCapacity] = Field(
        default_factory=list,
        json_schema_extra=limits("a list of {at, timezone, minimum, maximum}", "each changes the range at its time"),
    )


class Rollout(Section):
    """A new version on trial: it answers `percent` of the requests, and the version `stable` all others."""

    stable: int = Field(
        ge=1,
        json_schema_extra=limits(
            "the number of a published version", "`aws lambda get-alias --name live` shows which one answers now"
        ),
    )
    percent: int = Field(
        ge=0,
        le=99,
        json_schema_extra=limits(
            "0 to 99 (percent)", "at 100 there is nothing to roll out: remove `rollout`, and the alias moves"
        ),
    )


class Alarms(Section):
    """When `monitoring` raises an alarm, and whom it tells."""

    topic_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$",
        json_schema_extra=limits("the ARN of an SNS topic", "CloudWatch publishes to it when an alarm changes"),
    )
    error_percent: int = Field(
        default=5,
        ge=0,
        le=100,
        json_schema_extra=limits("0 to 100 (percent)", "it is the share of requests that get a status of 5xx"),
    )
    p95_ms: int = Field(
        default=5000,
        ge=1,
        le=30_000,
        json_schema_extra=limits("1 to 30000 (milliseconds)", "an HTTP API gives up after 30 seconds"),
    )
    throttles: int = Field(
        default=0,
        ge=0,
        json_schema_extra=limits("0 or more (in five minutes)", "a request that Lambda throttles gets no answer"),
    )
