"""Values of a configuration that are right each for itself and wrong together: what is refused, why, and what to do.

Each rule looks at settings alone. Names, regions, zones and sizes are checked in `infra.guards` and `infra.sizes`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from .section import conflict

if TYPE_CHECKING:
    from .settings import FunctionSettings, Settings

# SnapStart is refused with more (AWS Lambda developer guide, "Supported features and limitations" of SnapStart), and it
# is what every function has.
DEFAULT_EPHEMERAL_STORAGE_MB = 512


def find_conflict(settings: Settings) -> PydanticCustomError | None:
    """The first contradiction in the settings, or None."""
    # Before the others: which architectures there are, and what holds for each, has to be clear.
    if len(set(settings.architectures)) < len(settings.architectures):
        return conflict("architectures", "names an architecture twice", "list each of efs, s3 and oci at most once")
    return next(_conflicts(settings), None)


def _conflicts(settings: Settings) -> Iterator[PydanticCustomError]:
    for architecture, function in settings.functions.items():
        yield from _engine(architecture, function)
        yield from _snap_start(architecture, function)
        yield from _concurrency(architecture, function)
        yield from _function_url(architecture, function)
    yield from _access(settings)
    yield from _domain(settings)
    yield from _network(settings)


def _engine(architecture: str, function: FunctionSettings) -> Iterator[PydanticCustomError]:
    if (function.engine, function.precision) == ("torch", "int8"):
        yield conflict(
            "precision",
            f"is int8 for {architecture}, whose engine torch runs the weights as they were trained",
            "set engine to onnx or precision to fp32",
        )


def _snap_start(architecture: str, function: FunctionSettings) -> Iterator[PydanticCustomError]:
    if not function.snap_start:
        return
    off = f"set {architecture}.snapStart to false"
    if architecture == "efs":
        yield conflict(
            "snapStart",
            "does not go with efs: Lambda takes no snapshot of a function that mounts a file system",
            f"{off}, or deploy s3 and oci alone",
        )
    if function.provisioned_concurrency:
        yield conflict(
            "snapStart",
            f"does not go with the provisionedConcurrency of {function.provisioned_concurrency} for {architecture}: Lambda "
            "starts an environment from a snapshot or keeps it ready, not both",
            f"{off}, or provisionedConcurrency to 0",
        )
    if function.ephemeral_storage > DEFAULT_EPHEMERAL_STORAGE_MB:
        yield conflict(
            "snapStart",
            f"does not go with the ephemeralStorage of {function.ephemeral_storage} MB for {architecture}: a snapshot holds "
            f"no more than {DEFAULT_EPHEMERAL_STORAGE_MB} MB of /tmp",
            f"{off}, or ephemeralStorage to {DEFAULT_EPHEMERAL_STORAGE_MB}",
        )


def _concurrency(architecture: str, function: FunctionSettings) -> Iterator[PydanticCustomError]:
    scaling, provisioned = function.scaling, function.provisioned_concurrency
    if (scaling.maximum or scaling.schedules) and not provisioned:
        yield conflict(
            "scaling",
            f"is set although provisionedConcurrency is 0 for {architecture}, so there is nothing to scale",
            "set provisionedConcurrency to what there should be at least, or drop scaling",
        )
    if 0 < scaling.maximum < provisioned:
        yield conflict(
            "scaling",
            f"has a maximum of {scaling.maximum} below the provisionedConcurrency of {provisioned} for {architecture}",
            "raise scaling.maximum or lower provisionedConcurrency",
        )
    for planned in scaling.schedules:
        if planned.minimum > planned.maximum:
            yield conflict(
                "scaling",
                f"has a schedule ({planned.at}) with a minimum of {planned.minimum} above its maximum of "
                f"{planned.maximum}",
                "exchange the two",
            )
    most = max(provisioned, scaling.maximum, *(planned.maximum for planned in scaling.schedules), 0)
    if 0 <= function.reserved_concurrency < most:
        yield conflict(
            "reservedConcurrency",
            f"is below the {most} environments that are to be provisioned for {architecture}; Lambda provisions none beyond "
            f"the reservation of {function.reserved_concurrency}",
            f"raise reservedConcurrency to {most} or more, or provision fewer",
        )
    if function.rollout and function.provisioned_concurrency:
        yield conflict(
            f"{architecture}.rollout",
            f"is set although provisionedConcurrency is {provisioned}; Lambda provisions no alias that points to two "
            "versions",
            f"set {architecture}.provisionedConcurrency to 0 during the rollout, or drop the rollout",
        )


def _function_url(architecture: str, function: FunctionSettings) -> Iterator[PydanticCustomError]:
    if function.function_url and function.function_url_auth == "none" and function.reserved_concurrency < 1:
        yield conflict(
            "functionUrlAuth",
            f"opens the function URL of {architecture} to everyone without a reservedConcurrency; the URL has no throttling "
            "of its own, so anyone could use up the account's concurrency at your expense",
            "set functionUrlAuth to iam, or reservedConcurrency to the most you would pay for",
        )


def _access(settings: Settings) -> Iterator[PydanticCustomError]:
    auths = {architecture: function.auth for architecture, function in settings.functions.items()}
    if not settings.throttle_rate:
        for architecture, auth in auths.items():
            if auth == "none":
                yield conflict(
                    "throttleRate",
                    f"leaves the endpoint of {architecture}, whose auth is none, unthrottled, so that a stranger could make you "
                    "pay without limit",
                    "set throttleRate to 1 or more, or auth to iam or jwt",
                )
    elif settings.throttle_burst < settings.throttle_rate:
        yield conflict(
            "throttleBurst",
            "is below throttleRate, so the rate could never be reached",
            "raise it or lower throttleRate",
        )
    if "jwt" in auths.values() and not (settings.jwt.issuer and settings.jwt.audience):
        yield conflict(
            "jwt",
            "lacks issuer or audience, so any or no token would be accepted",
            "set both for auth jwt, or choose another auth",
        )
    if "jwt" not in auths.values() and (settings.jwt.issuer or settings.jwt.audience):
        used = " and ".join(sorted(set(auths.values())))
        yield conflict("jwt", f"is set but auth is {used}, so no token would be checked", "set auth to jwt or drop jwt")
    if "*" in settings.cors_origins and settings.cors_credentials:
        yield conflict(
            "corsOrigins",
            "allows every origin together with corsCredentials; browsers refuse that, and any web page could ask in the "
            "name of its visitors",
            "list the origins, or set corsCredentials to false",
        )
    if "*" in settings.cors_origins and (closed := sorted(set(auths.values()) - {"none"})):
        yield conflict("corsOrigins", f"allows every origin although auth is {closed[0]}", "list the origins")
    if settings.cors_credentials and not settings.cors_origins:
        yield conflict(
            "corsCredentials",
            "is true without corsOrigins, so no browser would send any",
            "list the origins, or set corsCredentials to false",
        )


def _domain(settings: Settings) -> Iterator[PydanticCustomError]:
    if bool(settings.domain.name) != bool(settings.domain.certificate_arn):
        missing = "certificateArn" if settings.domain.name else "name"
        yield conflict(
            "domain",
            f"lacks {missing}, and API Gateway answers under a name only with a certificate for it",
            f"set domain.{missing}, or drop domain",
        )


def _network(settings: Settings) -> Iterator[PydanticCustomError]:
    try:
        network = ipaddress.IPv4Network(settings.vpc_cidr)
    except ValueError as error:
        yield conflict("vpcCidr", f"is no IPv4 network ({error})", "give one such as 10.0.0.0/24")
        return
    if not 16 <= network.prefixlen <= 26:
        yield conflict("vpcCidr", f"has a prefix of /{network.prefixlen}", "give a network from /16 to /26")
