"""What Lambda reports of an invocation is read from text and from JSON."""

from __future__ import annotations

import json

import pytest

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.report_line import LambdaReport, parse_report

ID = "8f507cfc-2b8a-4d61-a2c4-63e64d1aea1d"
START = f"START RequestId: {ID} Version: 7\nEND RequestId: {ID}\n"
REPORT = f"REPORT RequestId: {ID}\tDuration: 152.34 ms\tBilled Duration: 653 ms\tMemory Size: 3008 MB\tMax Memory Used: 181 MB"


def test_the_text_of_a_cold_start() -> None:
    tail = f"{START}{REPORT}\tInit Duration: 500.61 ms\t\nXRAY TraceId: 1-5e34\tSegmentId: 0f\tSampled: true\t\n"
    assert parse_report(tail) == LambdaReport(500.61, 152.34, 653, 181)


def test_the_text_of_a_warm_request_has_no_init_duration() -> None:
    assert parse_report(f"{START}{REPORT}\t\n") == LambdaReport(None, 152.34, 653, 181)


def test_the_report_of_a_function_with_json_logs() -> None:
    metrics = {
        "durationMs": 152.34,
        "billedDurationMs": 653,
        "memorySizeMB": 3008,
        "maxMemoryUsedMB": 181,
        "initDurationMs": 500.61,
    }
    lines = [
        'half of a line, cut off by the limit of 4 KB"}',
        json.dumps({"level": "INFO", "message": "answered with status 200"}),
        json.dumps({"time": "t", "type": "platform.report", "record": {"requestId": ID, "metrics": metrics}}),
    ]
    assert parse_report("\n".join(lines)) == LambdaReport(500.61, 152.34, 653, 181)
    del metrics["initDurationMs"]
    lines[-1] = json.dumps({"type": "platform.report", "record": {"metrics": metrics}})
    assert parse_report("\n".join(lines)).init_ms is None


@pytest.mark.parametrize("tail", ["", START, "REPORT that is none", "[1]"])
def test_a_tail_without_a_report_is_a_sentence(tail: str) -> None:
    with pytest.raises(MeasuringError, match=r"has no REPORT\. Lambda leaves it out below the system log level INFO"):
        parse_report(tail)
