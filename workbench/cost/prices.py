"""Prices of the AWS services that a stack uses, per region, read from a table that a user can replace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError
from pydantic.alias_generators import to_camel

Cpu = Literal["x86_64", "arm64"]

TABLE = Path(__file__).parent / "prices.json"


class CostError(Exception):
    """Costs that cannot be computed; the message is a sentence for the person who asked."""


class _Record(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Prices(_Record):
    """Prices of one region in US dollars for each unit in the name: a request, a GB, a GB-second, a GB-month.

    A GB is 2**30 bytes, as AWS bills it. `unverified` names the prices for which no source was found.
    """

    lambda_request: NonNegativeFloat
    lambda_gb_second: Mapping[Cpu, NonNegativeFloat]
    lambda_storage_gb_second: NonNegativeFloat
    provisioned_gb_second: Mapping[Cpu, NonNegativeFloat]
    provisioned_duration_gb_second: Mapping[Cpu, NonNegativeFloat]
    snap_start_cache_gb_second: NonNegativeFloat
    snap_start_restore_gb: NonNegativeFloat
    http_api_request: NonNegativeFloat
    efs_storage_gb_month: NonNegativeFloat
    efs_read_gb: NonNegativeFloat
    efs_write_gb: NonNegativeFloat
    s3_storage_gb_month: NonNegativeFloat
    s3_put_request: NonNegativeFloat
    s3_get_request: NonNegativeFloat
    ecr_storage_gb_month: NonNegativeFloat
    logs_ingest_gb: NonNegativeFloat
    logs_storage_gb_month: NonNegativeFloat
    trace_recorded: NonNegativeFloat
    unverified: tuple[str, ...] = ()


class PriceTable(_Record):
    """Prices of several regions, where they come from and of which day they are."""

    name: str
    date: str
    sources: tuple[str, ...]
    note: str = ""
    regions: Mapping[str, Prices] = Field(min_length=1)

    @classmethod
    def read(cls, file: Path = TABLE) -> Self:
        """The table in `file`; raises `CostError` when it is missing or is no price table."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as error:
            raise CostError(f"The price table {file} cannot be read ({error.strerror}).") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its content"
            raise CostError(
                f"{file} is no price table: {where}: {first['msg']}. {TABLE.name} in workbench/cost shows the format."
            ) from error

    def of(self, region: str) -> Prices:
        """The prices of `region`; raises `CostError` for one that is not in the table."""
        try:
            return self.regions[region]
        except KeyError:
            raise CostError(
                f"There are no prices for region {region!r}; the table of {self.date} has {', '.join(self.regions)}. "
                "Give a table that has it with --prices FILE, or one of these with --region."
            ) from None
