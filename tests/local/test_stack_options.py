"""Stacks with options: AWS would take every call they make, and the functions behave as the options say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.sample import PASSAGE, QUESTIONS
from workbench.local.asking import Asker
from workbench.local.stack import LocalStack
from workbench.program.config import load
from workbench.program.graph import Graph

KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
OPTIONS = {
    "architectures": ["efs", "s3", "oci"],
    "kmsKeyArn": KEY,
    "protectData": True,
    "monitoring": True,
    "alarms": {"topicArn": "arn:aws:sns:us-east-1:000000000000:ops", "p95Ms": 900},
    "corsOrigins": ["https://app.example"],
    "corsCredentials": True,
    "functionUrl": True,
    "auth": "none",
    "efs": {
        "provisionedConcurrency": 2,
        "scaling": {"maximum": 4, "schedules": [{"at": "cron(0 8 ? * MON-FRI *)", "minimum": 2, "maximum": 4}]},
    },
    "s3": {"ephemeralStorage": 1024, "reservedConcurrency": 5, "functionUrlAuth": "none"},
    "oci": {"snapStart": True, "rollout": {"stable": 1, "percent": 20}},
}


def overrides(**config: Any) -> list[str]:
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in config.items()]


class Deployed:
    """A stack with options that is up."""

    def __init__(self, stack: LocalStack, graph: Graph, asker: Asker, folder: Path) -> None:
        self.stack = stack
        self.outputs = graph.outputs
        self.folder = folder
        self.asker = asker

    def configuration(self, architecture: str) -> dict[str, Any]:
        name = self.outputs["functions"][architecture]
        return self.stack.clients("lambda").get_function_configuration(FunctionName=name, Qualifier="live")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("options")
    with LocalStack(load("local", overrides(**OPTIONS)), folder) as stack, Asker() as asker:
        yield Deployed(stack, stack.deploy(), asker, folder)


def test_the_stack_answers_as_it_does_without_options(deployed: Deployed) -> None:
    for endpoint in deployed.outputs["endpoints"].values():
        reply = deployed.asker.ask(endpoint, question=QUESTIONS[0], context=PASSAGE)
        assert (reply.status, reply.body["answer"]) == (200, "1886")


def test_a_function_with_snap_start_has_its_models_before_the_first_request(deployed: Deployed) -> None:
    """Every step that Lambda takes but the snapshot: hooks before and after it, and credentials from an address."""
    assert deployed.configuration("oci")["SnapStart"]["OptimizationStatus"] == "On"
    deployed.stack.functions.retire(deployed.outputs["functions"]["oci"])
    for model in ("nlp1", "nlp2"):
        endpoint = deployed.outputs["endpoints"]["oci"]
        reply = deployed.asker.ask(endpoint, model_type=model, question=QUESTIONS[0], context=PASSAGE)
        assert "session;dur=0.0" in reply.headers["server-timing"]


def test_models_lie_in_tmp_where_it_was_made_larger(deployed: Deployed) -> None:
    deployed.asker.ask(deployed.outputs["endpoints"]["s3"], question=QUESTIONS[0], context=PASSAGE)
    # An environment's /tmp is a folder here, and goes with the environment.
    found = list((deployed.folder / "lambda" / "environments").glob("*/models/nlp1/*/model.onnx"))
    assert len(found) == 1
    assert deployed.configuration("s3")["EphemeralStorage"] == {"Size": 1024}


def test_concurrency_is_reserved_and_provisioned(deployed: Deployed) -> None:
    functions, names = deployed.stack.clients("lambda"), deployed.outputs["functions"]
    reserved = functions.get_function_concurrency(FunctionName=names["s3"])
    assert reserved["ReservedConcurrentExecutions"] == 5
    provisioned = functions.get_provisioned_concurrency_config(FunctionName=names["efs"], Qualifier="live")
    assert provisioned["RequestedProvisionedConcurrentExecutions"] == 2


def test_function_urls_are_there_with_their_permissions(deployed: Deployed) -> None:
    functions, names = deployed.stack.clients("lambda"), deployed.outputs["functions"]
    for architecture, auth in (("efs", "AWS_IAM"), ("s3", "NONE")):
        url = functions.get_function_url_config(FunctionName=names[architecture], Qualifier="live")
        assert (url["AuthType"], url["InvokeMode"]) == (auth, "BUFFERED")
        assert url["FunctionUrl"] == deployed.outputs["functionUrls"][architecture]
    policy = json.loads(functions.get_policy(FunctionName=names["s3"], Qualifier="live")["Policy"])
    public = [it for it in policy["Statement"] if it["Principal"] == "*"]
    assert {it["Action"] for it in public} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert all(it["Condition"] for it in public), "the function itself would be public"


def test_bucket_file_system_logs_and_repositories_are_encrypted_with_the_key(deployed: Deployed) -> None:
    clients = deployed.stack.clients
    [bucket] = [bucket["Name"] for bucket in clients("s3").list_buckets()["Buckets"]]
    encryption = clients("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
    assert {it["KmsKeyId"] for it in clients("efs").describe_file_systems()["FileSystems"]} == {KEY}
    assert {it.get("kmsKeyId") for it in clients("logs").describe_log_groups()["logGroups"]} == {KEY}
    for repository in clients("ecr").describe_repositories()["repositories"]:
        assert repository["encryptionConfiguration"] == {"encryptionType": "KMS", "kmsKey": KEY}


def test_dashboard_and_alarms_are_there(deployed: Deployed) -> None:
    cloudwatch = deployed.stack.clients("cloudwatch")
    [entry] = cloudwatch.list_dashboards()["DashboardEntries"]
    body = json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
    names = set(deployed.outputs["functions"].values())
    assert all(name in json.dumps(body) for name in names)
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    assert len(alarms) == 9
    assert {alarm["Threshold"] for alarm in alarms if alarm.get("MetricName") == "Latency"} == {900}


def test_metrics_of_a_request_are_in_the_log_as_cloudwatch_reads_them(deployed: Deployed) -> None:
    deployed.stack.functions.retire(deployed.outputs["functions"]["efs"])
    endpoint = deployed.outputs["endpoints"]["efs"]
    deployed.asker.ask(endpoint, question="Where is xylocarp?", context="There is zugzwang.", model_type="nlp2")
    deployed.asker.ask(endpoint, question="Where is xylocarp?", model_type="nlp2")
    log = (deployed.folder / "logs" / f"{deployed.outputs['functions']['efs']}.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    measured = [line for line in lines if "_aws" in line][-3:]
    answered, refused, failure = measured
    assert answered["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ml-inference/local"
    assert answered["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["architecture", "model"]]
    assert (answered["architecture"], answered["model"], answered["ColdStart"]) == ("efs", "nlp2", [1.0])
    assert answered["LoadMs"][0] > 0
    assert answered["InferMs"][0] > 0
    assert refused["ColdStart"] == [0.0]
    assert "LoadMs" not in refused
    assert (failure["code"], failure["Errors"]) == ("invalid_request", [1.0])
    [answer, refusal] = [line for line in lines if line.get("logger") == "handlers.serving.application"][-2:]
    assert (answer["requestId"], answer["architecture"], answer["cold_start"]) == (answered["requestId"], "efs", True)
    assert refusal["requestId"] == refused["requestId"] == failure["requestId"]
    assert not {"xylocarp", "zugzwang"} & set(log.split())


def test_a_domain_is_made_and_leads_to_the_api(tmp_path: Path) -> None:
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-0000-0000-000000000000"
    domain = {"name": "models.example.org", "certificateArn": certificate}
    config = load("local", overrides(architectures=["oci"], domain=domain))
    with LocalStack(config, tmp_path) as stack:
        outputs = stack.deploy().outputs
        apis = stack.clients("apigatewayv2")
        [mapping] = apis.get_api_mappings(DomainName="models.example.org")["Items"]
        assert (mapping["ApiMappingKey"], mapping["Stage"]) == ("oci", "develop")
        assert apis.get_api(ApiId=mapping["ApiId"])["DisableExecuteApiEndpoint"] is True
        assert outputs["endpoints"] == {"oci": "https://models.example.org/oci"}
        assert outputs["domainTarget"]
