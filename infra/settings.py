"""The stack's configuration, typed and checked before anything is registered.

`Pulumi.yaml` declares the same keys for the Pulumi CLI, which checks their shapes; what a value means is checked
here. Values that are objects are in `infra.options`, values that contradict each other in `infra.conflicts`. What the
models' bundles contain is read in `infra.bundles`, and what fits into a function is computed in `infra.sizes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .conflicts import find_conflict
from .options import Alarms, Domain, Jwt, Rollout, Scaling
from .section import ConfigError, Section, limits, parse, sentences

Architecture = Literal["efs", "s3", "oci"]
Engine = Literal["onnx", "torch"]
Cpu = Literal["x86_64", "arm64"]
Precision = Literal["fp32", "int8"]
Auth = Literal["none", "iam", "jwt"]
FunctionUrlAuth = Literal["iam", "none"]
Task = Literal[
    "question-answering",
    "text-classification",
    "token-classification",
    "feature-extraction",
    "fill-mask",
    "zero-shot-classification",
]

# AWS rebuilds it with fixes under the same tag; the Dockerfile has the same default.
BASE_IMAGE = "public.ecr.aws/lambda/python:3.13"

# CloudWatch Logs accepts these periods and no others (PutRetentionPolicy, retentionInDays).
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]  # fmt: skip


class ModelSource(Section):
    """One model of the stack: its name in requests, and where it comes from."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
        json_schema_extra=limits(
            "1 to 32 lower-case letters, digits and inner hyphens",
            "the name becomes part of S3 keys, folder names and requests",
        ),
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=limits(
            "a Hugging Face model id such as distilbert/distilbert-base-uncased-distilled-squad, or a folder",
            "the bundle is prepared from it",
        ),
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=limits("a commit, tag or branch of the source", "the bundle is prepared from it"),
    )
    task: Task | None = Field(
        default=None,
        json_schema_extra=limits("one of " + ", ".join(get_args(Task)), "the functions know no other task"),
    )
    bundle: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=limits("the folder of a prepared bundle", "its files are deployed as they are"),
    )

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if (self.source is None) == (self.bundle is None):
            raise PydanticCustomError(
                "origin", "needs either source or bundle, not both and not neither, so that its weights are one thing"
            )
        if self.revision is not None and self.source is None:
            raise PydanticCustomError("origin", "has a revision but no source for it to be a revision of")
        if self.task is not None and self.source is None:
            raise PydanticCustomError("origin", "has a task but no source; a prepared bundle says its task itself")
        return self


Models = Annotated[list[ModelSource], Field(min_length=1), AfterValidator(lambda models: _distinct_names(models))]


def _distinct_names(models: list[ModelSource]) -> list[ModelSource]:
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError(
            "names", "names {name} twice, and a request could not tell the two apart", {"name": repeated[0]}
        )
    return models


_MODELS = limits(
    "a list of one or more models, each with a name and a source or a bundle",
    "a function without a model answers nothing",
)
_ENGINE = limits("onnx or torch", "no other engine is built into the images")
_PRECISION = limits("fp32 or int8", "no other precision can be prepared")
_MEMORY = limits("128 to 10240 (MB)", "those are the limits of Lambda")
_TIMEOUT = limits(
    "1 to 30 (seconds)",
    "an HTTP API gives up on its integration after 30 seconds, so a longer run would be paid for and never answered",
)
_EPHEMERAL_STORAGE = limits("512 to 10240 (MB)", "those are the limits of Lambda for /tmp")
_SNAP_START = limits("true or false", "versions are published with a snapshot or without")
_PROVISIONED = limits("0 (none) to 10000 (environments)", "they are kept ready, and paid for, whether used or not")
_SCALING = limits("maximum, utilization and schedules", "provisioned concurrency can follow load and the clock")
_RESERVED = limits(
    "-1 (no reservation), 0 (every request is throttled) or the number of environments, up to 10000",
    "it is both set aside for the function and its limit",
)
_AUTH = limits("none, iam or jwt", "an HTTP API knows no other way here")
_FUNCTION_URL = limits("true or false", "a function has one URL of its own or none")
_FUNCTION_URL_AUTH = limits("iam or none", "a function URL knows no other way")


class Overrides(Section):
    """What one architecture does differently from the stack; None means as the stack does."""

    models: Models | None = Field(default=None, json_schema_extra=_MODELS)
    engine: Engine | None = Field(default=None, json_schema_extra=_ENGINE)
    precision: Precision | None = Field(default=None, json_schema_extra=_PRECISION)
    memory: int | None = Field(default=None, ge=128, le=10240, json_schema_extra=_MEMORY)
    timeout: int | None = Field(default=None, ge=1, le=30, json_schema_extra=_TIMEOUT)
    ephemeral_storage: int | None = Field(default=None, ge=512, le=10240, json_schema_extra=_EPHEMERAL_STORAGE)
    snap_start: bool | None = Field(default=None, json_schema_extra=_SNAP_START)
    provisioned_concurrency: int | None = Field(default=None, ge=0, le=10_000, json_schema_extra=_PROVISIONED)
    scaling: Scaling | None = Field(default=None, json_schema_extra=_SCALING)
    reserved_concurrency: int | None = Field(default=None, ge=-1, le=10_000, json_schema_extra=_RESERVED)
    auth: Auth | None = Field(default=None, json_schema_extra=_AUTH)
    function_url: bool | None = Field(default=None, json_schema_extra=_FUNCTION_URL)
    function_url_auth: FunctionUrlAuth | None = Field(default=None, json_schema_extra=_FUNCTION_URL_AUTH)
    # Versions are numbered for each function, so that a rollout is one architecture's.
    rollout: Rollout | None = Field(
        default=None, json_schema_extra=limits("stable and percent", "both say which version answers how often")
    )


class FunctionSettings(Section):
    """The values that hold for one architecture, its overrides applied.

    Memory and ephemeral storage in MB, timeout in seconds, concurrency in execution environments; -1 reserves none.
    """

    models: Models
    engine: Engine
    precision: Precision
    memory: int
    timeout: int
    ephemeral_storage: int = 512
    snap_start: bool = False
    provisioned_concurrency: int = 0
    scaling: Scaling = Scaling()
    reserved_concurrency: int = -1
    auth: Auth = "none"
    function_url: bool = False
    function_url_auth: FunctionUrlAuth = "iam"
    rollout: Rollout | None = None


class Settings(Section):
    """The whole stack's configuration; units as in `FunctionSettings`, rates in requests a second."""

    architectures: list[Architecture] = Field(
        default_factory=lambda: list(get_args(Architecture)),
        min_length=1,
        json_schema_extra=limits(
            "a non-empty list of efs, s3 and oci, each at most once", "a stack of nothing deploys nothing"
        ),
    )
    models: Models = Field(json_schema_extra=_MODELS)
    engine: Engine = Field(default="onnx", json_schema_extra=_ENGINE)
    precision: Precision = Field(default="fp32", json_schema_extra=_PRECISION)
    # New accounts cannot have more than 3008 MB per function until they ask for it.
    memory: int = Field(default=3008, ge=128, le=10240, json_schema_extra=_MEMORY)
    timeout: int = Field(default=30, ge=1, le=30, json_schema_extra=_TIMEOUT)
    ephemeral_storage: int = Field(default=512, ge=512, le=10240, json_schema_extra=_EPHEMERAL_STORAGE)
    snap_start: bool = Field(default=False, json_schema_extra=_SNAP_START)
    provisioned_concurrency: int = Field(default=0, ge=0, le=10_000, json_schema_extra=_PROVISIONED)
    scaling: Scaling = Field(default=Scaling(), json_schema_extra=_SCALING)
    reserved_concurrency: int = Field(default=-1, ge=-1, le=10_000, json_schema_extra=_RESERVED)
    cpu: Cpu = Field(
        default="x86_64", json_schema_extra=limits("x86_64 or arm64", "Lambda runs on no other processors")
    )
    base_image: str = Field(
        default=BASE_IMAGE,
        min_length=1,
        json_schema_extra=limits(
            "an image with Python and Lambda's runtime interface client", "the functions' images are built on it"
        ),
    )
    torch_index: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        json_schema_extra=limits("the URL of a package index", "images for the engine torch get PyTorch from it"),
    )
    log_retention_days: RetentionDays = Field(
        default=14,
        json_schema_extra=limits(
            "one of " + ", ".join(map(str, get_args(RetentionDays))),
            "CloudWatch Logs keeps logs for these periods only",
        ),
    )
    throttle_rate: int = Field(
        default=10,
        ge=0,
        le=10_000,
        json_schema_extra=limits(
            "1 to 10000 (requests a second), or 0 for no limit but the account's",
            "10000 is an account's default quota in API Gateway",
        ),
    )
    throttle_burst: int = Field(
        default=20,
        ge=1,
        le=5_000,
        json_schema_extra=limits("1 to 5000 (requests)", "5000 is an account's default quota in API Gateway"),
    )
    auth: Auth = Field(default="none", json_schema_extra=_AUTH)
    jwt: Jwt = Field(
        default=Jwt(), json_schema_extra=limits("issuer and audience", "auth jwt checks tokens against them")
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        json_schema_extra=limits("a list of origins such as https://example.org", "browsers compare origins as text"),
    )
    cors_credentials: bool = Field(
        default=False, json_schema_extra=limits("true or false", "browsers send cookies and logins along or do not")
    )
    domain: Domain = Field(
        default=Domain(), json_schema_extra=limits("name and certificateArn", "API Gateway needs both for a domain")
    )
    function_url: bool = Field(default=False, json_schema_extra=_FUNCTION_URL)
    function_url_auth: FunctionUrlAuth = Field(default="iam", json_schema_extra=_FUNCTION_URL_AUTH)
    kms_key_arn: str = Field(
        default="",
        pattern=r"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+)?$",
        json_schema_extra=limits(
            "the ARN of a KMS key, not of an alias; empty for AWS-managed encryption",
            "CloudWatch Logs and the roles' policies name the key itself",
        ),
    )
    protect_data: bool = Field(
        default=False, json_schema_extra=limits("true or false", "bucket and file system can be deleted or cannot")
    )
    monitoring: bool = Field(
        default=False, json_schema_extra=limits("true or false", "dashboard and alarms are there or are not")
    )
    alarms: Alarms = Field(
        default=Alarms(),
        json_schema_extra=limits("topicArn, errorPercent, p95Ms and throttles", "`monitoring` watches these"),
    )
    vpc_cidr: str = Field(
        default="10.0.0.0/24",
        json_schema_extra=limits(
            "an IPv4 network from /16 to /26",
            "AWS allows a VPC of /16 to /28, and two subnets of at least /27 leave Lambda addresses to grow into",
        ),
    )
    efs: Overrides = Field(
        default=Overrides(), json_schema_extra=limits("an object", "it overrides the stack's values")
    )
    s3: Overrides = Field(default=Overrides(), json_schema_extra=limits("an object", "it overrides the stack's values"))
    oci: Overrides = Field(
        default=Overrides(), json_schema_extra=limits("an object", "it overrides the stack's values")
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if found := find_conflict(self):
            raise found
        return self

    def _overrides(self, architecture: Architecture) -> Overrides:
        return {"efs": self.efs, "s3": self.s3, "oci": self.oci}[architecture]

    def for_architecture(self, architecture: Architecture) -> FunctionSettings:
        """The stack's values with the overrides of `architecture` applied."""
        overrides = self._overrides(architecture).model_dump(exclude_none=True)
        stack = self.model_dump(include=set(FunctionSettings.model_fields))
        return FunctionSettings.model_validate(stack | overrides)

    @property
    def functions(self) -> dict[Architecture, FunctionSettings]:
        """What holds for each of the stack's architectures, in their order."""
        return {architecture: self.for_architecture(architecture) for architecture in self.architectures}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], project: str) -> Self:
        """The settings that the configuration of a stack gives.

        `config` maps keys, with their namespace, to the strings that Pulumi keeps (JSON for what is not a string) or
        to values; keys of other namespaces are left alone.

        Raises:
            ConfigError: a key is unknown, a value has the wrong type or is not allowed, or values contradict each other.
        """
        prefix = f"{project}:"
        own = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
        values = parse(cls, own)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError("\n".join(sentences(cls, prefix, values, error))) from error


def stack_settings() -> Settings:
    """The settings of the stack that is being deployed; raises `ConfigError` as `Settings.from_config` does."""
    return Settings.from_config({**get_config_env(), **CONFIG.get()}, pulumi.get_project())
