"""The dashboard that puts the architectures side by side, as plain data. Where its figures come from is said here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .api import STAGE

PERIOD_S = 300
PERCENTILES = ("p50", "p95", "p99")

# List prices of us-east-1 in dollars, November 2026 (the pricing pages of AWS Lambda and of Amazon API Gateway): a gigabyte
# second of the first tier by processor, a request to Lambda and one to an HTTP API.
_GB_SECOND = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
_REQUEST = 0.20e-6 + 1.00e-6

_WIDTH = 24  # columns of a dashboard
_HEIGHT = 6


@dataclass(frozen=True, kw_only=True)
class Watched:
    """An architecture as CloudWatch knows it: names and ids are physical ones."""

    architecture: str
    models: Sequence[str]
    function_name: str
    api_id: str
    log_group_name: str


def dashboard_body(region: str, namespace: str, cpu: str, watched: Sequence[Watched]) -> str:
    """The body of the dashboard, in the structure that PutDashboard takes, as JSON that is the same on every run.

    `cpu` is what Lambda calls the functions' processors, `x86_64` or `arm64`.
    """
    rows = [
        [_starts(region, watched), _cost(region, cpu, watched)],
        [_latency(region, watched, percentile) for percentile in PERCENTILES],
        [
            _metric(region, "Server errors (5xx)", "Sum", [_api(it, "5xx") for it in watched]),
            _metric(region, "Throttled invocations", "Sum", [_function(it, "Throttles") for it in watched]),
            _metric(region, "Environments at work", "Maximum", [_function(it, "ConcurrentExecutions") for it in watched]),
        ],
        [
            _metric(region, "Cold starts", "Sum", [_own(namespace, it, "ColdStart", m) for it in watched for m in it.models]),
            _metric(region, "Loading a model, ms", "p95", [_own(namespace, it, "LoadMs", m) for it in watched for m in it.models]),
            _metric(region, "Inference, ms", "p95", [_own(namespace, it, "InferMs", m) for it in watched for m in it.models]),
            _errors_by_code(region, namespace),
        ],
    ]  # fmt: skip
    widgets = [
        {
            **widget,
            "x": column * (_WIDTH // len(row)),
            "y": line * _HEIGHT,
            "width": _WIDTH // len(row),
            "height": _HEIGHT,
        }
        for line, row in enumerate(rows)
        for column, widget in enumerate(row)
    ]
    return json.dumps({"widgets": widgets}, sort_keys=True)


def _api(it: Watched, metric: str) -> list[Any]:
    return ["AWS/ApiGateway", metric, "ApiId", it.api_id, "Stage", STAGE, {"label": it.architecture}]


def _function(it: Watched, metric: str) -> list[Any]:
    return ["AWS/Lambda", metric, "FunctionName", it.function_name, {"label": it.architecture}]


def _own(namespace: str, it: Watched, metric: str, model: str) -> list[Any]:
    """A metric that the handlers write: `handlers.serving.metrics` has names, units and dimensions."""
    label = {"label": f"{it.architecture} {model}"}
    return [namespace, metric, "architecture", it.architecture, "model", model, label]


def _latency(region: str, watched: Sequence[Watched], percentile: str) -> dict[str, Any]:
    """What callers wait for, the start of an environment included, which Lambda's own metric of durations leaves out."""
    return _metric(region, f"Latency at the API, {percentile}, ms", percentile, [_api(it, "Latency") for it in watched])


def _metric(region: str, title: str, stat: str, metrics: Sequence[list[Any]]) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": region,
            "view": "timeSeries",
            "stacked": False,
            "stat": stat,
            "period": PERIOD_S,
            "metrics": list(metrics),
        },
    }


def _errors_by_code(region: str, namespace: str) -> dict[str, Any]:
    search = f"SEARCH('{{\"{namespace}\",architecture,code,model}} MetricName=\"Errors\"', 'Sum', {PERIOD_S})"
    return _metric(region, "Errors by code", "Sum", [[{"expression": search, "id": "errors"}]])


def _starts(region: str, watched: Sequence[Watched]) -> dict[str, Any]:
    """CloudWatch has no metric of init durations; the reports that Lambda writes into the log have them."""
    return _query(
        region,
        watched,
        "Starts of environments: init, or restore of a snapshot, ms",
        "fields coalesce(record.metrics.initDurationMs, record.metrics.restoreDurationMs) as start "
        '| filter type = "platform.report" and ispresent(start) '
        "| stats count(*) as starts, pct(start, 50) as p50, pct(start, 95) as p95, pct(start, 99) as p99 by @log",
    )


def _cost(region: str, cpu: str, watched: Sequence[Watched]) -> dict[str, Any]:
    return _query(
        region,
        watched,
        "Estimated cost in dollars: Lambda and HTTP API, list prices of us-east-1, without storage and logs",
        'filter type = "platform.report" '
        "| stats count(*) as requests, "
        f"sum(record.metrics.billedDurationMs * record.metrics.memorySizeMB) / 1024 / 1000 * {_GB_SECOND[cpu]:.10f} "
        f"+ count(*) * {_REQUEST:.7f} as dollars by @log",
    )


def _query(region: str, watched: Sequence[Watched], title: str, query: str) -> dict[str, Any]:
    sources = " | ".join(f"SOURCE '{it.log_group_name}'" for it in watched)
    properties = {"title": title, "region": region, "view": "table", "query": f"{sources} | {query}"}
    return {"type": "log", "properties": properties}
