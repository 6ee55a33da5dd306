"""The application that the three architectures serve: a Lambda handler around models from a store."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from handlers.serving import BEGUN
from handlers.serving.bundle import BundleError
from handlers.serving.errors import STATUS, RequestError
from handlers.serving.events import read_body, response
from handlers.serving.metrics import NO_MODEL, RequestMetrics
from handlers.serving.models import Models
from handlers.serving.requests import MODEL, parse_model
from handlers.serving.starting import is_kept_ready, start_ahead
from handlers.serving.stores import Store

logger = logging.getLogger(__name__)
if "AWS_LAMBDA_LOG_LEVEL" not in os.environ:  # with it the operator has chosen, and the runtime has set the level
    logger.setLevel(logging.INFO)


# What `server-timing` says of a request. `load` is `fetch`, in which the store gives the bundle, and `session`, in which
# engine and tokenizer are made from it.
_STAGES = ("load", "fetch", "session", "tokenize", "infer")


class LambdaContext(Protocol):
    """What the application needs of the context of an invocation."""

    aws_request_id: str


@dataclass
class _Request:
    """What is noted of a request while it is answered: for the log and for the headers. Never text of the user's."""

    id: str
    cold_start: bool
    imports: float  # ms that the function's imports took when it was started
    loads: bool = False
    facts: dict[str, str | int] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_STAGES, 0.0))
    begun: float = field(default_factory=perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] += (perf_counter() - begin) * 1000

    def headers(self) -> dict[str, str]:
        durations = {**self.milliseconds, "total": (perf_counter() - self.begun) * 1000}
        if self.cold_start:
            durations["imports"] = self.imports
        return {
            "server-timing": ", ".join(f"{stage};dur={dur:.1f}" for stage, dur in durations.items()),
            "x-cold-start": str(self.cold_start).lower(),
        }


class Application:
    """A Lambda handler that answers requests to models.

    No model is loaded before it is asked for, not even the default one: a function whose first request is for another
    model would wait for both, and pay for the memory of both. Unless nobody waits: see `serving.starting`.
    """

    def __init__(self, digests: Mapping[str, str], store: Store, architecture: str = "unknown") -> None:
        """`digests` maps the name of each model to the digest of its bundle; the first one is the default model.

        `architecture` is what log and metrics call the place that the models come from.
        """
        self._architecture = architecture
        self._models = Models(digests, store)
        self._metrics = RequestMetrics(architecture)
        self._cold = not is_kept_ready()
        self._imports = (perf_counter() - BEGUN) * 1000
        start_ahead(self._models, store)

    def __call__(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """The response to one event; an error is a response, too, and never an exception."""
        request = _Request(context.aws_request_id, self._cold, self._imports)
        self._cold = False
        try:
            result = response(200, self._answer(event, request), request.headers())
        except (SystemExit, KeyboardInterrupt):
            raise
        except RequestError as error:
            return self._refuse(request, error, logging.INFO)
        except BundleError as error:
            request.facts.update(file=error.file, reason=str(error))
            sentence = (
                f"Model {request.facts['model']!r} cannot be loaded: its file {error.file} is missing, damaged, or "
                f"not for this image. The log of request {context.aws_request_id} says more."
            )
            return self._refuse(request, RequestError("model_unavailable", sentence), logging.ERROR)
        except BaseException as error:  # a panic of the tokenizers library is no Exception
            sentence = f"The request failed inside the service. Report it with its id, {context.aws_request_id}."
            return self._refuse(request, RequestError("internal", sentence), logging.ERROR, error)
        self._log(request, 200, logging.INFO)
        self._measure(request)
        return result

    def _answer(self, event: object, request: _Request) -> Any:
        """The body of the reply."""
        fields = read_body(event)
        name = parse_model(fields, self._models.names)
        request.facts.update(model=name)
        with request.stage("load"), request.stage("fetch"):
            task = self._models.task(name)
        try:
            parsed = task.parse({**fields, MODEL: name})
        except RequestError as error:
            if error.code == "invalid_request":
                error.message += f" A request to {name} looks like this: {json.dumps(task.EXAMPLE)}"
            raise
        request.facts.update(parsed.facts)
        request.loads = not self._models.is_loaded(name)
        with request.stage("load"):
            model = self._models.get(name, request.stage)
        with request.stage("tokenize"):
            work = model.prepare(parsed)
        request.facts.update(work.facts)
        with request.stage("infer"):
            return model.reply(parsed, work)

    def _refuse(
        self, request: _Request, error: RequestError, level: int, cause: BaseException | None = None
    ) -> dict[str, Any]:
        request.facts.update(code=error.code)
        self._log(request, STATUS[error.code], level, cause)
        self._measure(request, error.code)
        body = {"error": {"code": error.code, "message": error.message}}
        return response(STATUS[error.code], body, request.headers())

    def _log(self, request: _Request, status: int, level: int, cause: BaseException | None = None) -> None:
        """Writes the one line that the log has for each request; in JSON, all that is noted is fields of it."""
        facts = {
            "status": status,
            "architecture": self._architecture,
            "cold_start": request.cold_start,
            **request.facts,
            **{f"{stage}_ms": round(duration, 1) for stage, duration in request.milliseconds.items()},
        }
        # The message of an exception can quote what it failed on, which may be a question or a context. Its type and
        # the lines of code that it passed through are logged, and another message.
        withheld = _WithheldError(f"{type(cause).__name__}, whose message is withheld: it may quote the request")
        exception = (type(cause), withheld, cause.__traceback__) if cause else None
        logger.log(level, "answered with status %d", status, extra=facts, exc_info=exception)

    def _measure(self, request: _Request, code: str | None = None) -> None:
        """Writes what CloudWatch makes metrics of: a line, and one more for an error."""
        model = str(request.facts.get("model", NO_MODEL))
        load_ms, infer_ms = request.milliseconds["load"], request.milliseconds["infer"]
        self._metrics.answered(
            request.id,
            model,
            cold_start=request.cold_start,
            load_ms=load_ms if request.loads else None,
            infer_ms=infer_ms or None,
        )
        if code:
            self._metrics.failed(request.id, model, code)


class _WithheldError(Exception):
    """Stands in the log for an exception whose message may hold text of a user."""
