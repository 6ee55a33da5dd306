"""Measures what runs elsewhere: the functions of a stack on AWS, or any endpoint that answers as they do.

A cold start on AWS is forced by a version of its own: a variable that nothing reads is changed, a version is published
and invoked, and what Lambda reports of that is taken. Then the version is deleted and the variable removed. The alias
that serves traffic stays where it is.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from infra.bundles import LocalBundle
from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.report_line import parse_report
from workbench.bench.measuring.run import Plan
from workbench.bench.measuring.subjects import ColdStart, Subject, WarmRequest, check, shown
from workbench.bench.measuring.timing import phases, server_timing
from workbench.bench.results import Machine, Variant
from workbench.cost.prices import PriceTable
from workbench.local.asking import Reply

# Nothing reads it: a function whose configuration is another one starts anew.
VARIABLE = "BENCH"
_TIMEOUT = 60  # seconds

# An estimate needs no other region and no other processors.
_REGION, _CPU = "us-east-1", "x86_64"
# What an invocation is taken to last for the estimate, in seconds: rather too long.
_COLD_SECONDS, _WARM_SECONDS = 5.0, 1.0


@dataclass(frozen=True)
class HttpSubject:
    """An endpoint of which no more is known than its address: it can be asked, and not be started anew."""

    architecture: str
    model: str
    endpoint: str
    fetched: int = 0
    variant: Variant = "served"
    startable: bool = False
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False), repr=False)

    def cold(self, body: Mapping[str, Any]) -> ColdStart:  # noqa: ARG002 - part of what a subject is
        raise MeasuringError(f"{shown(self)} cannot be started anew: only its address is known, not its function.")

    def prime(self, body: Mapping[str, Any]) -> None:
        self.warm(body)

    def warm(self, body: Mapping[str, Any]) -> WarmRequest:
        begin = time.perf_counter()
        try:
            response = self.pool.request(
                "POST",
                self.endpoint,
                body=json.dumps(body).encode(),
                headers={"content-type": "application/json"},
                timeout=_TIMEOUT,
            )
        except urllib3.exceptions.HTTPError as error:
            raise MeasuringError(f"{shown(self)} does not answer at {self.endpoint} ({error}).") from error
        milliseconds = (time.perf_counter() - begin) * 1000
        headers = {name.lower(): value for name, value in response.headers.items()}
        check(self, Reply(response.status, headers, response.data.decode(errors="replace"), milliseconds))
        stages = server_timing(headers)
        return WarmRequest(milliseconds, stages.get("total"), stages)

    def memory(self) -> None:
        return None

    def rest(self) -> None:
        """Lambda ends environments when it likes."""


@dataclass(frozen=True)
class AwsSubject(HttpSubject):
    """A function on AWS behind its endpoint; `functions` is a boto3 client for Lambda."""

    function: str = ""
    functions: Any = field(default=None, repr=False)
    startable: bool = True

    def cold(self, body: Mapping[str, Any]) -> ColdStart:
        try:
            return self._cold(body)
        except (ClientError, BotoCoreError) as error:
            raise MeasuringError(f"{shown(self)} cannot be started anew: {error}") from error

    def _cold(self, body: Mapping[str, Any]) -> ColdStart:
        before = self.functions.get_function_configuration(FunctionName=self.function)
        variables = before.get("Environment", {}).get("Variables", {})
        version = None
        try:
            self._configure({**variables, VARIABLE: uuid.uuid4().hex})
            version = self.functions.publish_version(FunctionName=self.function)["Version"]
            self.functions.get_waiter("published_version_active").wait(FunctionName=self.function, Qualifier=version)
            event = json.dumps({"body": json.dumps(body)}).encode()
            answer = self.functions.invoke(FunctionName=self.function, Qualifier=version, LogType="Tail", Payload=event)
            payload = json.loads(answer["Payload"].read())
            if answer.get("FunctionError") or payload.get("statusCode") != 200:
                raise MeasuringError(f"{shown(self)} failed: {payload}")
            report = parse_report(base64.b64decode(answer["LogResult"]).decode(errors="replace"))
        finally:
            self._configure(variables)
            if version is not None:
                self.functions.delete_function(FunctionName=self.function, Qualifier=version)
        if report.init_ms is None:
            raise MeasuringError(
                f"{shown(self)} was not started anew: Lambda reports no Init Duration. With provisioned concurrency or "
                "SnapStart cold starts are others, which this does not measure."
            )
        total = report.init_ms + report.duration_ms
        timing = server_timing({name.lower(): value for name, value in payload["headers"].items()})
        return ColdStart(
            total, report.init_ms, phases(timing, report.init_ms, total), report.billed_ms, report.max_memory_mb
        )

    def _configure(self, variables: Mapping[str, str]) -> None:
        self.functions.update_function_configuration(
            FunctionName=self.function, Environment={"Variables": dict(variables)}
        )
        self.functions.get_waiter("function_updated_v2").wait(FunctionName=self.function)


def stack_outputs(stack: str) -> Mapping[str, Any]:
    """The outputs of a deployed stack, as the Pulumi CLI gives them; raises `MeasuringError` when it gives none."""
    try:
        done = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--stack", stack], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise MeasuringError(
            f"To measure stack {stack} on AWS takes the Pulumi CLI, which says what was deployed, and it is not "
            f"installed. With --here the stack is brought up on this machine; --url measures an address."
        ) from error
    if done.returncode:
        raise MeasuringError(f"`pulumi stack output --stack {stack}` failed: {done.stderr.strip()}")
    outputs = json.loads(done.stdout)
    if not {"endpoints", "functions"} <= outputs.keys():
        raise MeasuringError(f"Stack {stack} is not deployed; run `pulumi up --stack {stack}` first.")
    return outputs


def stack_subjects(
    outputs: Mapping[str, Any], bundles: Mapping[str, Sequence[LocalBundle]], region: str, models: Sequence[str]
) -> list[Subject]:
    """The functions of a deployed stack; `bundles` are those of each architecture that is measured."""
    functions = boto3.client("lambda", region_name=region)
    return [
        AwsSubject(
            architecture,
            bundle.name,
            outputs["endpoints"][architecture],
            fetched=0 if architecture == "oci" else bundle.manifest.size,
            function=outputs["functions"][architecture],
            functions=functions,
        )
        for architecture, served in bundles.items()
        if architecture in outputs["functions"]
        for bundle in served
        if not models or bundle.name in models
    ]


def cost(plan: Plan, subjects: int, questions: int, memory: int) -> float:
    """Dollars that a run is estimated to cost at most, with functions of `memory` MB."""
    cold = (plan.cold + 1) * subjects if plan.cold else 0
    warm = (plan.warm + 1) * subjects * questions
    busy = sum(plan.concurrency) * plan.seconds * subjects  # seconds of all environments together
    requests = cold + warm + busy / 0.05  # no answer takes less than 50 ms
    seconds = cold * _COLD_SECONDS + warm * _WARM_SECONDS + busy + sum(plan.concurrency) * subjects * _COLD_SECONDS
    prices = PriceTable.read().of(_REGION)
    each = prices.lambda_request + prices.http_api_request
    return seconds * memory / 1024 * prices.lambda_gb_second[_CPU] + requests * each


def lambda_machine(region: str) -> Machine:
    """What is known of the machine when it is Lambda's."""
    return Machine(name=f"AWS Lambda, {region}", cpu=None, cores=None, memory_gb=None, system="AWS Lambda", versions={})
