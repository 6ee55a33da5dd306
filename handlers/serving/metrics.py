"""What CloudWatch is told of each request: a line of the log in its embedded metric format, written by Powertools.

No text of a user's gets here: dimensions are the architecture, a model that the stack has, and an error's code.
"""

from __future__ import annotations

import os

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

# The dimension of requests that name no model of the stack.
NO_MODEL = "none"

_NAMESPACE = "POWERTOOLS_METRICS_NAMESPACE"


class RequestMetrics:
    """Counts and durations by architecture and model, and errors by code as well; nothing without a namespace.

    The namespace is the environment variable `POWERTOOLS_METRICS_NAMESPACE`, which the deployment sets.
    """

    def __init__(self, architecture: str) -> None:
        self._architecture = architecture
        self._metrics = EphemeralMetrics() if os.environ.get(_NAMESPACE) else None

    def answered(
        self, request_id: str, model: str, *, cold_start: bool, load_ms: float | None, infer_ms: float | None
    ) -> None:
        """Writes a request's line: durations in milliseconds, None where a stage did not take place."""
        if self._metrics is None:
            return
        self._metrics.add_metric("ColdStart", MetricUnit.Count, int(cold_start))
        if load_ms is not None:
            self._metrics.add_metric("LoadMs", MetricUnit.Milliseconds, round(load_ms, 1))
        if infer_ms is not None:
            self._metrics.add_metric("InferMs", MetricUnit.Milliseconds, round(infer_ms, 1))
        self._write(request_id, model)

    def failed(self, request_id: str, model: str, code: str) -> None:
        """Writes a line that counts an error."""
        if self._metrics is None:
            return
        self._metrics.add_dimension("code", code)
        self._metrics.add_metric("Errors", MetricUnit.Count, 1)
        self._write(request_id, model)

    def _write(self, request_id: str, model: str) -> None:
        if self._metrics is None:
            return
        self._metrics.add_dimension("architecture", self._architecture)
        self._metrics.add_dimension("model", model)
        self._metrics.add_metadata("requestId", request_id)
        self._metrics.flush_metrics()
