"""The stack's configuration, typed and checked before anything is registered.

`Pulumi.yaml` declares the same keys for the Pulumi CLI, which checks their shapes; what a value means is checked
here. What the models' bundles contain is read in `infra.bundles`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args, get_origin

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

Architecture = Literal["efs", "s3", "oci"]
Engine = Literal["onnx"]
Precision = Literal["fp32"]
Auth = Literal["none", "iam", "jwt"]

# CloudWatch Logs accepts these periods and no others (PutRetentionPolicy, retentionInDays).
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]  # fmt: skip


class ConfigError(pulumi.RunError):
    """A stack configuration that cannot be deployed; the message is one sentence or more for the person who wrote it."""


def _limits(allowed: str, why: str) -> dict[str, Any]:
    """What a user is told when a value of the field is refused."""
    return {"allowed": allowed, "why": why}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=True)


class ModelSource(_Section):
    """One model of the stack: its name in requests, and where it comes from."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
        json_schema_extra=_limits(
            "1 to 32 lower-case letters, digits and inner hyphens",
            "the name becomes part of S3 keys, folder names and requests",
        ),
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=_limits(
            "a Hugging Face model id such as distilbert/distilbert-base-uncased-distilled-squad, or a folder",
            "the bundle is prepared from it",
        ),
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=_limits("a commit, tag or branch of the source", "the bundle is prepared from it"),
    )
    bundle: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=_limits("the folder of a prepared bundle", "its files are deployed as they are"),
    )

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if (self.source is None) == (self.bundle is None):
            raise PydanticCustomError(
                "origin", "needs either source or bundle, not both and not neither, so that its weights are one thing"
            )
        if self.revision is not None and self.source is None:
            raise PydanticCustomError("origin", "has a revision but no source for it to be a revision of")
        return self


Models = Annotated[list[ModelSource], Field(min_length=1), AfterValidator(lambda models: _distinct_names(models))]


def _distinct_names(models: list[ModelSource]) -> list[ModelSource]:
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError(
            "names", "names {name} twice, and a request could not tell the two apart", {"name": repeated[0]}
        )
    return models


_MODELS = _limits(
    "a list of one or more models, each with a name and a source or a bundle",
    "a function without a model answers nothing",
)
_ENGINE = _limits("onnx", "no other engine is built into the images")
_PRECISION = _limits("fp32", "no other precision can be prepared")
_MEMORY = _limits("128 to 10240 (MB)", "those are the limits of Lambda")
_TIMEOUT = _limits(
    "1 to 30 (seconds)",
    "an HTTP API gives up on its integration after 30 seconds, so a longer run would be paid for and never answered",
)


class Overrides(_Section):
    """What one architecture does differently from the stack; None means as the stack does."""

    models: Models | None = Field(default=None, json_schema_extra=_MODELS)
    engine: Engine | None = Field(default=None, json_schema_extra=_ENGINE)
    precision: Precision | None = Field(default=None, json_schema_extra=_PRECISION)
    memory: int | None = Field(default=None, ge=128, le=10240, json_schema_extra=_MEMORY)
    timeout: int | None = Field(default=None, ge=1, le=30, json_schema_extra=_TIMEOUT)


class Jwt(_Section):
    """Whose tokens `auth: jwt` accepts."""

    issuer: str | None = Field(
        default=None,
        pattern=r"^https://",
        json_schema_extra=_limits("an https URL", "API Gateway fetches the keys of the token issuer from it"),
    )
    audience: list[str] = Field(
        default_factory=list,
        json_schema_extra=_limits("a list of strings", "a token for another audience must not open this API"),
    )


class FunctionSettings(_Section):
    """The values that hold for one architecture, its overrides applied. Memory in MB, timeout in seconds."""

    models: Models
    engine: Engine
    precision: Precision
    memory: int
    timeout: int


class Settings(_Section):
    """The whole stack's configuration. Memory in MB, timeout in seconds, rates in requests a second."""

    architectures: list[Architecture] = Field(
        default_factory=lambda: list(get_args(Architecture)),
        min_length=1,
        json_schema_extra=_limits(
            "a non-empty list of efs, s3 and oci, each at most once", "a stack of nothing deploys nothing"
        ),
    )
    models: Models = Field(json_schema_extra=_MODELS)
    engine: Engine = Field(default="onnx", json_schema_extra=_ENGINE)
    precision: Precision = Field(default="fp32", json_schema_extra=_PRECISION)
    # New accounts cannot have more than 3008 MB per function until they ask for it.
    memory: int = Field(default=3008, ge=128, le=10240, json_schema_extra=_MEMORY)
    timeout: int = Field(default=30, ge=1, le=30, json_schema_extra=_TIMEOUT)
    log_retention_days: RetentionDays = Field(
        default=14,
        json_schema_extra=_limits(
            "one of " + ", ".join(map(str, get_args(RetentionDays))), "CloudWatch Logs keeps logs for these periods only"
        ),
    )
    throttle_rate: int = Field(
        default=10,
        ge=1,
        le=10_000,
        json_schema_extra=_limits(
            "1 to 10000 (requests a second)", "10000 is an account's default quota in API Gateway"
        ),
    )
    throttle_burst: int = Field(
        default=20,
        ge=1,
        le=5_000,
        json_schema_extra=_limits("1 to 5000 (requests)", "5000 is an account's default quota in API Gateway"),
    )
    auth: Auth = Field(
        default="none", json_schema_extra=_limits("none, iam or jwt", "an HTTP API knows no other way here")
    )
    jwt: Jwt = Field(
        default=Jwt(), json_schema_extra=_limits("issuer and audience", "auth jwt checks tokens against them")
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        json_schema_extra=_limits("a list of origins such as https://example.org", "browsers compare origins as text"),
    )
    vpc_cidr: str = Field(
        default="10.0.0.0/24",
        json_schema_extra=_limits(
            "an IPv4 network from /16 to /26",
            "AWS allows a VPC of /16 to /28, and two subnets of at least /27 leave Lambda addresses to grow into",
        ),
    )
    efs: Overrides = Field(
        default=Overrides(), json_schema_extra=_limits("an object", "it overrides the stack's values")
    )
    s3: Overrides = Field(
        default=Overrides(), json_schema_extra=_limits("an object", "it overrides the stack's values")
    )
    oci: Overrides = Field(
        default=Overrides(), json_schema_extra=_limits("an object", "it overrides the stack's values")
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(set(self.architectures)) < len(self.architectures):
            raise _conflict("architectures", "names an architecture twice", "list each of efs, s3 and oci at most once")
        if self.throttle_burst < self.throttle_rate:
            raise _conflict(
                "throttleBurst",
                "is below throttleRate, so the rate could never be reached",
                "raise it or lower throttleRate",
            )
        if self.auth == "jwt" and not (self.jwt.issuer and self.jwt.audience):
            raise _conflict(
                "jwt",
                "lacks issuer or audience, so any or no token would be accepted",
                "set both for auth jwt, or choose another auth",
            )
        if self.auth != "jwt" and (self.jwt.issuer or self.jwt.audience):
            raise _conflict(
                "jwt", f"is set but auth is {self.auth}, so no token would be checked", "set auth to jwt or drop jwt"
            )
        if "*" in self.cors_origins and self.auth != "none":
            raise _conflict("corsOrigins", f"allows every origin although auth is {self.auth}", "list the origins")
        try:
            network = ipaddress.IPv4Network(self.vpc_cidr)
        except ValueError as error:
            raise _conflict("vpcCidr", f"is no IPv4 network ({error})", "give one such as 10.0.0.0/24") from error
        if not 16 <= network.prefixlen <= 26:
            raise _conflict("vpcCidr", f"has a prefix of /{network.prefixlen}", "give a network from /16 to /26")
        return self

    def _overrides(self, architecture: Architecture) -> Overrides:
        return {"efs": self.efs, "s3": self.s3, "oci": self.oci}[architecture]

    def for_architecture(self, architecture: Architecture) -> FunctionSettings:
        """The stack's values with the overrides of `architecture` applied."""
        overrides = self._overrides(architecture).model_dump(exclude_none=True)
        stack = self.model_dump(include=set(FunctionSettings.model_fields))
        return FunctionSettings.model_validate(stack | overrides)

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
        values = {key: _parse(value, cls._field(key)) for key, value in own.items()}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError("\n".join(_sentence(prefix, values, detail) for detail in error.errors())) from error

    @classmethod
    def _field(cls, key: str) -> FieldInfo | None:
        return next((field for field in cls.model_fields.values() if field.alias == key), None)


def _conflict(key: str, problem: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("conflict", "{problem}: {remedy}", {"key": key, "problem": problem, "remedy": remedy})


def _parse(value: Any, field: FieldInfo | None) -> Any:
    """A configuration value as Python data: Pulumi hands every value over as a string, objects and numbers as JSON."""
    if not isinstance(value, str) or field is None or _is_text(field):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _is_text(field: FieldInfo) -> bool:
    kind = field.annotation
    return kind is str or (get_origin(kind) is Literal and all(isinstance(value, str) for value in get_args(kind)))


def _sentence(prefix: str, values: Mapping[str, Any], detail: ErrorDetails) -> str:
    """One problem as a sentence: the key, what was given, what is allowed and why."""
    context = detail.get("ctx", {})
    if detail["type"] == "conflict":
        return f"{prefix}{context['key']}{_given(values, (context['key'],))} {detail['msg']}."
    path, section, field = detail["loc"], Settings, None
    walked: list[str | int] = []
    for step in path:
        if isinstance(step, str) and section is not None:
            known = {field.alias or name: field for name, field in section.model_fields.items()}
            if step not in known:
                close = difflib.get_close_matches(step, known, 1)
                return (
                    f"{_key(prefix, [*walked, step])} is not a setting"
                    + (f"; did you mean {close[0]}?" if close else ".")
                    + f" Allowed are {', '.join(known)}: an unknown one would be ignored without a word."
                )
            field = known[step]
            section = _section_of(field)
        walked.append(step)
    key = _key(prefix, walked)
    if detail["type"] in ("origin", "names"):
        return f"{key} {detail['msg']}."
    limits = field.json_schema_extra if field is not None and isinstance(field.json_schema_extra, dict) else {}
    problem = "is missing" if detail["type"] == "missing" else f"is {json.dumps(detail['input'], default=str)}"
    return f"{key} {problem}; allowed: {limits.get('allowed', detail['msg'])}, because {limits.get('why', 'nothing else can be deployed')}."


def _given(values: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value = values.get(path[0])
    return f" ({json.dumps(value, default=str)})" if value is not None else ""


def _key(prefix: str, path: list[str | int]) -> str:
    first, *rest = path
    return f"{prefix}{first}" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)


def _section_of(field: FieldInfo) -> type[_Section] | None:
    """The section that the values of a field, or the items of its list, belong to."""
    pending = [field.annotation]
    while pending:
        kind = pending.pop()
        if isinstance(kind, type) and issubclass(kind, _Section):
            return kind
        pending.extend(get_args(kind))
    return None


def stack_settings() -> Settings:
    """The settings of the stack that is being deployed; raises `ConfigError` as `Settings.from_config` does."""
    return Settings.from_config({**get_config_env(), **CONFIG.get()}, pulumi.get_project())
