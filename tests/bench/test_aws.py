"""Measuring on AWS: what is called and in what order, with AWS's own API models in place of an account."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from workbench.bench.measuring import aws
from workbench.bench.measuring.elsewhere import elsewhere
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.run import Plan
from workbench.program.config import load

FUNCTION = "ml-inference-dev-s3-function"
REPORT = (
    "REPORT RequestId: 1\tDuration: 200.00 ms\tBilled Duration: 701 ms\tMemory Size: 3008 MB\tMax Memory Used: 181 MB"
)
COLD = f"{REPORT}\tInit Duration: 500.61 ms\t\n"
BODY = {"question": "Who?", "context": "Ada wrote it."}
OWN = {"MODELS": "{}", "MODEL_BUCKET": "bucket"}


@pytest.fixture
def stubber() -> Iterator[Stubber]:
    client = boto3.client("lambda", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield stubber


def subject(stubber: Stubber) -> aws.AwsSubject:
    return aws.AwsSubject("s3", "nlp1", "https://example.org/", function=FUNCTION, functions=stubber.client)


def configured(stubber: Stubber, variables: Any) -> None:
    """Expects the function's variables to be set, and the wait for that."""
    stubber.add_response(
        "update_function_configuration", {}, {"FunctionName": FUNCTION, "Environment": {"Variables": variables}}
    )
    stubber.add_response(
        "get_function", {"Configuration": {"LastUpdateStatus": "Successful"}}, {"FunctionName": FUNCTION}
    )


def invoked(stubber: Stubber, payload: Any, tail: str, **more: Any) -> None:
    """Expects a new version to be published and invoked, and gives it this answer."""
    stubber.add_response("get_function_configuration", {"Environment": {"Variables": OWN}}, {"FunctionName": FUNCTION})
    configured(stubber, {**OWN, "BENCH": ANY})
    stubber.add_response("publish_version", {"Version": "8"}, {"FunctionName": FUNCTION})
    stubber.add_response(
        "get_function_configuration", {"State": "Active"}, {"FunctionName": FUNCTION, "Qualifier": "8"}
    )
    text = json.dumps(payload).encode()
    stubber.add_response(
        "invoke",
        {
            "Payload": StreamingBody(io.BytesIO(text), len(text)),
            "LogResult": base64.b64encode(tail.encode()).decode(),
            **more,
        },
        {
            "FunctionName": FUNCTION,
            "Qualifier": "8",
            "LogType": "Tail",
            "Payload": json.dumps({"body": json.dumps(BODY)}).encode(),
        },
    )
    configured(stubber, OWN)
    stubber.add_response("delete_function", {}, {"FunctionName": FUNCTION, "Qualifier": "8"})


ANSWER = {
    "statusCode": 200,
    "headers": {
        "server-timing": "fetch;dur=80.0, session;dur=20.0, infer;dur=90.0, total;dur=195.0, imports;dur=300.0"
    },
    "body": "{}",
}


def test_a_cold_start_is_a_version_of_its_own_and_leaves_nothing_behind(stubber: Stubber) -> None:
    invoked(stubber, ANSWER, COLD)
    cold = subject(stubber).cold(BODY)
    stubber.assert_no_pending_responses()
    assert cold.milliseconds == pytest.approx(700.61)
    assert (cold.init_ms, cold.billed_ms, cold.memory_mb) == (500.61, 701, 181)
    assert cold.phases["imports"] == 300
    assert cold.phases["process"] == pytest.approx(200.61)
    assert cold.phases["other"] == pytest.approx(10)


@pytest.mark.parametrize(
    ("payload", "tail", "more", "sentence"),
    [
        ({**ANSWER, "statusCode": 503}, COLD, {}, "nlp1 on s3 failed: "),
        ({"errorType": "Runtime.ExitError"}, COLD, {"FunctionError": "Unhandled"}, "nlp1 on s3 failed: "),
        (ANSWER, REPORT, {}, "Lambda reports no Init Duration"),
        (ANSWER, "", {}, "has no REPORT"),
    ],
)
def test_a_cold_start_that_fails_leaves_nothing_behind(
    stubber: Stubber, payload: Any, tail: str, more: Any, sentence: str
) -> None:
    invoked(stubber, payload, tail, **more)
    with pytest.raises(MeasuringError, match=sentence):
        subject(stubber).cold(BODY)
    stubber.assert_no_pending_responses()


def test_a_refusal_of_aws_is_a_sentence(stubber: Stubber) -> None:
    stubber.add_client_error("get_function_configuration", "AccessDeniedException", "not yours")
    with pytest.raises(MeasuringError, match=r"nlp1 on s3 cannot be started anew: .*not yours"):
        subject(stubber).cold(BODY)


def test_an_address_alone_cannot_be_started_anew() -> None:
    with pytest.raises(MeasuringError, match="only its address is known"):
        aws.HttpSubject("s3", "nlp1", "https://example.org/").cold(BODY)


def test_the_estimate_of_the_cost_is_that_of_the_calls() -> None:
    # One subject, one question, 1024 MB: a warm-up and nine cold starts of 5 s, eleven warm requests of 1 s, and one
    # client for 10 s (at most 200 requests) after a cold start of 5 s: 76 GB-s and 221 requests.
    price = aws.cost(Plan(cold=9, warm=10, concurrency=(1,), seconds=10), subjects=1, questions=1, memory=1024)
    assert price == pytest.approx(76 * 0.0000166667 + 221 * 1.2e-6)
    assert aws.cost(Plan(0, 0, (), 1), 0, 1, 1024) == 0


def test_without_the_pulumi_cli_it_says_what_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        MeasuringError, match=r"takes the Pulumi CLI.*With --here the stack is brought up on this machine"
    ):
        aws.stack_outputs("dev")


@pytest.mark.parametrize("auth", ["iam", "oci"])
def test_a_stack_that_asks_for_credentials_is_refused_before_anything_is_asked(auth: str) -> None:
    settings = ["auth=iam"] if auth == "iam" else ['oci={"auth": "iam"}']
    with pytest.raises(MeasuringError, match=r"has auth iam for .*oci, and requests are sent without credentials"):
        elsewhere(load("local", settings), [], [], [])
