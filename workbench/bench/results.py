"""What a benchmark has found, as it is kept in a JSON file: samples, not summaries, so that a reader can summarise anew.

Measuring is done elsewhere, and so is drawing conclusions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

FORMAT = 1

# Networks that are no profile: of functions on this machine without one, of a stack on AWS, and of any other endpoint.
LOCAL_DISK, ON_AWS, OF_ENDPOINTS = "local disk", "AWS", "that of the endpoints"

# served: by this program. plain: by a handler as one would write it, with transformers and torch. floor: what no handler
# can do without, an empty handler, a session and one run of it.
Variant = Literal["served", "plain", "floor"]

# In the order in which they happen. `process` is the start of the runtime before any code of the handler, `other` what
# none of the phases accounts for.
PHASES = ("process", "imports", "fetch", "session", "tokenize", "infer", "other")


class ResultsError(Exception):
    """A file that has no results of a benchmark in it."""


class _Record(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Machine(_Record):
    """Where it was measured. `memory_gb` is that of the whole machine; None for what cannot be known of AWS."""

    name: str
    cpu: str | None
    cores: int | None
    memory_gb: float | None
    system: str
    versions: dict[str, str]


class ModelFacts(_Record):
    """A model that was measured; `size` in bytes is that of its bundle's files."""

    name: str
    source: str
    task: str
    engine: str
    precision: str
    size: int
    digest: str


class ColdStarts(_Record):
    """Cold starts of one model on one architecture: from the start of a process to its first answer, in ms.

    `phases` has one value for each sample and phase of `PHASES` that was seen. `billed_ms` is empty where nobody bills.
    `memory_mb` is the resident memory after the first answer, `fetched` the bytes that came over the network. `init_ms`
    is how long it took until the runtime asked for its first event (on AWS, the Init Duration).
    """

    architecture: str
    model: str
    variant: Variant
    samples_ms: list[float]
    phases: dict[str, list[float]]
    billed_ms: list[float] = []
    memory_mb: list[float] = []
    fetched: int = 0
    init_ms: list[float] = []


class WarmRequests(_Record):
    """Requests to environments that have answered before, one at a time, in ms; end to end as a client sees them.

    `duration_ms` is what the function took of that, from having the event to having answered (on AWS, the Duration),
    `infer_ms` what it says that the model took. `memory_mb` is the resident memory afterwards, and `pss_mb` the same
    with what other processes share counted in proportion; both None where they are not known.
    """

    architecture: str
    model: str
    variant: Variant
    tokens: int | None
    samples_ms: list[float]
    infer_ms: list[float] = []
    duration_ms: list[float] = []
    memory_mb: float | None = None
    pss_mb: float | None = None


class Overhead(_Record):
    """A model's handler in a process of its own, without a runtime around it, in ms.

    `handler_ms` is the whole handler, from event to response; `engine_ms` the part of it in which the engine ran;
    `raw_ms` runs of the engine's session alone on the same tokens, in turns with the former.
    """

    model: str
    tokens: int
    handler_ms: list[float]
    engine_ms: list[float]
    raw_ms: list[float]


class Throughput(_Record):
    """Requests by `concurrency` clients at once for `seconds`; `samples_ms` are the latencies of those that succeeded."""

    architecture: str
    model: str
    concurrency: int
    seconds: float
    requests: int
    errors: dict[str, int]
    samples_ms: list[float]


class Results(_Record):
    """One run of the benchmark.

    `memory_mb` is that of the functions as configured, `network` the profile of the stores ("local disk" without one),
    `stack` the name of the stack or the URL that was measured.
    """

    format: Literal[1] = FORMAT
    created: str
    command: str
    stack: str
    network: str
    memory_mb: int
    machine: Machine
    models: list[ModelFacts]
    cold: list[ColdStarts]
    warm: list[WarmRequests]
    throughput: list[Throughput] = []
    overhead: list[Overhead] = []

    @classmethod
    def read(cls, file: Path) -> Self:
        """The results in `file`; raises `ResultsError` when they are missing, damaged or of another format."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as error:
            raise ResultsError(f"{file} cannot be read ({error.strerror}).") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its content"
            raise ResultsError(
                f"{file} has no results of a benchmark: {where}: {first['msg']}. Write one with "
                "`python -m workbench bench --json FILE`."
            ) from error

    def write(self, file: Path) -> None:
        """Writes the results to `file`, in a form that version control can compare."""
        file.write_text(self.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
