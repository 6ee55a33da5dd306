"""What has to hold of a deployment beyond its settings: its region, its zones, and names that AWS takes.

All of it is checked before the first resource, and each refusal is a sentence. Contradictions among settings are found in
`infra.conflicts`, models that do not fit in `infra.sizes`.
"""

from __future__ import annotations

import difflib
import re

import pulumi
import pulumi_aws as aws

from .regions import REGIONS, WITHOUT_EFS, WITHOUT_FUNCTION_URLS, WITHOUT_SNAP_START
from .section import ConfigError
from .settings import Settings

# Pulumi appends a hyphen and seven hexadecimal digits to the names that it makes physical.
_SUFFIX = len("-1234567")

# The longest name of each kind that has a tight limit, by what it adds to `<project>-<stack>`, and the limit: Lambda
# FunctionName, IAM RoleName, S3 bucket names.
_FUNCTION_NAMES = {"efs": "-efs-loader-function", "s3": "-s3-function", "oci": "-oci-function"}
_FUNCTION_NAME_LIMIT = 64
_ROLE_NAMES = {"efs": "-efs-loader-role", "s3": "-s3-role", "oci": "-oci-role"}
_ROLE_NAME_LIMIT = 64
_BUCKET_NAME = "-models"
_BUCKET_NAME_LIMIT = 63

# Repositories in ECR and buckets have no capitals, buckets no underscores, functions no dots.
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def check_stack(settings: Settings) -> str:
    """The region of the stack that is being deployed; raises `ConfigError` as `check_names` and `check_region` do."""
    check_names(pulumi.get_project(), pulumi.get_stack(), settings)
    return check_region(pulumi.Config("aws").get("region"), settings)


def check_names(project: str, stack: str, settings: Settings) -> None:
    """Refuses a stack whose physical names AWS would refuse.

    Raises:
        ConfigError: the stack's name has a character that a name on AWS must not have, or makes one too long.
    """
    prefix = f"{project}-{stack}"
    if not _NAME.fullmatch(prefix):
        raise ConfigError(
            f"The stack {stack} of project {project} makes names such as {prefix}{_BUCKET_NAME}; a bucket's name has "
            "lower-case letters, digits and single inner hyphens only. Rename the stack with `pulumi stack rename`."
        )
    names = [
        (f"{prefix}{addition}", limit, kind)
        for kind, additions, limit in (
            ("Lambda function", _FUNCTION_NAMES, _FUNCTION_NAME_LIMIT),
            ("IAM role", _ROLE_NAMES, _ROLE_NAME_LIMIT),
        )
        for architecture, addition in additions.items()
        if architecture in settings.architectures
    ]
    if set(settings.architectures) != {"oci"}:
        names.append((f"{prefix}{_BUCKET_NAME}", _BUCKET_NAME_LIMIT, "S3 bucket"))
    excess, name, limit, kind = max((len(name) + _SUFFIX - limit, name, limit, kind) for name, limit, kind in names)
    if excess > 0:
        raise ConfigError(
            f"The name of the stack, {stack}, is too long: the {kind} {name} would have {len(name) + _SUFFIX} "
            f"characters with the suffix that Pulumi adds, and AWS allows {limit}. Use a stack name of at most "
            f"{len(stack) - excess} characters (`pulumi stack rename`)."
        )


def check_region(region: str | None, settings: Settings) -> str:
    """The region, when it has what the settings ask for.

    Raises:
        ConfigError: there is none, it is unknown, a service is missing there, or a key or certificate lies elsewhere.
    """
    if not region:
        raise ConfigError("aws:region is missing; set it, for example with `pulumi config set aws:region us-east-1`.")
    if region not in REGIONS:
        close = difflib.get_close_matches(region, sorted(REGIONS), 1)
        raise ConfigError(
            f"aws:region is {region}, where Lambda, API Gateway, EFS and ECR are not all known to be"
            + (f"; did you mean {close[0]}?" if close else ".")
            + " Choose another region; if AWS has opened this one since, add it to infra/regions.py."
        )
    if "efs" in settings.architectures and region in WITHOUT_EFS:
        raise ConfigError(
            f"ml-inference:architectures has efs, but in {region} Lambda cannot mount EFS. Leave efs out or choose another "
            "region."
        )
    functions = settings.functions.items()
    snapped = [architecture for architecture, function in functions if function.snap_start]
    if snapped and region in WITHOUT_SNAP_START:
        raise ConfigError(
            f"ml-inference:snapStart is true for {' and '.join(snapped)}, but {region} has no SnapStart. Set it to false or "
            "choose another region."
        )
    addressed = [architecture for architecture, function in functions if function.function_url]
    if addressed and region in WITHOUT_FUNCTION_URLS:
        raise ConfigError(
            f"ml-inference:functionUrl is true for {' and '.join(addressed)}, but {region} has no function URLs. Set it to "
            "false or choose another region."
        )
    for key, arn in {
        "kmsKeyArn": settings.kms_key_arn,
        "domain.certificateArn": settings.domain.certificate_arn,
        "alarms.topicArn": settings.alarms.topic_arn,
    }.items():
        if arn and (there := arn.split(":")[3]) != region:
            raise ConfigError(
                f"ml-inference:{key} lies in {there}, and the stack in {region}; AWS would not find it. Name one in "
                f"{region}, or set aws:region to {there}."
            )
    return region


def check_zones(settings: Settings, provider: aws.Provider) -> None:
    """Refuses EFS in a region with fewer than two zones that this account may use.

    Raises:
        ConfigError: mount targets could not be spread over two zones.
    """
    if "efs" not in settings.architectures:
        return
    zones = aws.get_availability_zones(
        # Local Zones and Wavelength Zones have to be opted into, and have no EFS.
        filters=[aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
        state="available",
        opts=pulumi.InvokeOptions(provider=provider),
    ).names
    if len(zones) < 2:
        raise ConfigError(
            f"ml-inference:architectures has efs, which needs two availability zones; this account has {len(zones)} in "
            f"the region ({', '.join(zones) or 'none'}). Choose another region, or leave efs out."
        )
