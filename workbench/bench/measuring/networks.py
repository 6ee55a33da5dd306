"""Networks that are not this machine's: what stands between a function and its store, by a profile.

The profiles, with the sources of their figures, are in `workbench/bench/networks.json`. Between functions and S3 stands
nginx (`bucket_proxy`), between functions and EFS a file system in user space (`slow_files`).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from workbench.bench.measuring.errors import MeasuringError

FILE = Path(__file__).parents[1] / "networks.json"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Network(_Part):
    """Whole milliseconds until a request is answered, megabytes a second for one connection and, if limited, for all."""

    latency_ms: int = Field(ge=1)
    connection_mb_s: float = Field(gt=0)
    total_mb_s: float | None = Field(default=None, gt=0)


class EfsNetwork(_Part):
    """Milliseconds that every operation takes, and megabytes a second of one client, that is one environment."""

    latency_ms: float = Field(ge=0)
    mb_s: float = Field(gt=0)


class Profile(_Part):
    """A network: its figures, what they stand for, and where they come from."""

    name: str
    says: str
    sources: list[str]
    s3: S3Network
    efs: EfsNetwork

    def __str__(self) -> str:
        total = f", {self.s3.total_mb_s:g} in total" if self.s3.total_mb_s else ""
        return (
            f"{self.name} (S3: {self.s3.latency_ms:g} ms, {self.s3.connection_mb_s:g} MB/s a connection{total}; "
            f"EFS: {self.efs.latency_ms:g} ms, {self.efs.mb_s:g} MB/s)"
        )


def profiles(file: Path = FILE) -> dict[str, Profile]:
    """The profiles there are, by name."""
    return {profile.name: profile for profile in TypeAdapter(list[Profile]).validate_json(file.read_bytes())}


def profile(name: str) -> Profile:
    """The profile of that name; raises `MeasuringError` when there is none."""
    known = profiles()
    if name not in known:
        raise MeasuringError(f"There is no network {name!r}; there are {', '.join(known)}.")
    return known[name]
