"""The whole stack on this machine: the real program, deployed, and asked over HTTP as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.sample import PASSAGE, QUESTIONS
from workbench.local.asking import Asker, Reply
from workbench.local.stack import LocalStack
from workbench.local.up import aws_command
from workbench.program.config import load
from workbench.program.graph import Graph

ANSWERS = ("1886", "Karl Benz")
ARCHITECTURES = ("efs", "s3", "oci")
MODELS = ("nlp1", "nlp2")
CANARY = "xylocarp zugzwang"


class Deployed:
    """A stack that is up, with its outputs, and short ways to ask it."""

    def __init__(self, stack: LocalStack, graph: Graph, asker: Asker, folder: Path) -> None:
        self.stack = stack
        self.outputs = graph.outputs
        self.graph = graph
        self.folder = folder
        self._asker = asker

    def post(self, body: bytes, architecture: str = "oci", content_type: str = "application/json") -> Reply:
        return self._asker.post(self.outputs["endpoints"][architecture], body, content_type)

    def ask(self, architecture: str = "oci", **fields: Any) -> Reply:
        request = {"question": QUESTIONS[0], "context": PASSAGE} | fields
        return self.post(json.dumps(request).encode(), architecture)

    def restart(self, architecture: str) -> None:
        """Makes the next request to the architecture a cold start."""
        self.stack.functions.retire(self.outputs["functions"][architecture])

    def logs(self) -> str:
        return "".join(path.read_text(encoding="utf-8") for path in (self.folder / "logs").glob("*.log"))

    def efs_file(self, model: str, name: str) -> Path:
        [file] = (self.folder / "file-systems").glob(f"*/{model}/*/{name}")
        return file


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("stack")
    with LocalStack(load("local"), folder) as stack, Asker() as asker:
        yield Deployed(stack, stack.deploy(), asker, folder)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_model_of_every_architecture_answers_the_sample_questions(
    deployed: Deployed, architecture: str, model: str
) -> None:
    for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
        reply = deployed.ask(architecture, model_type=model, question=question)
        assert reply.status == 200
        assert reply.body["answer"] == answer
        assert PASSAGE[reply.body["start"] : reply.body["end"]] == answer
        assert (reply.body["model_type"], reply.body["question"]) == (model, question)
        assert 0 < reply.body["score"] <= 1


@pytest.mark.parametrize("model", MODELS)
def test_the_three_architectures_give_the_same_answers(deployed: Deployed, model: str) -> None:
    first, second, third = (deployed.ask(name, model_type=model, top_k=5).body for name in ARCHITECTURES)
    assert first == second == third
    assert len(first["answers"]) == 5


def test_the_first_request_is_cold_and_loads_and_the_second_does_neither(deployed: Deployed) -> None:
    for architecture in ARCHITECTURES:
        deployed.restart(architecture)
        cold, warm = deployed.ask(architecture), deployed.ask(architecture)
        assert (cold.cold, warm.cold) == (True, False)
        timing = dict(part.split(";dur=") for part in cold.headers["server-timing"].split(", "))
        assert set(timing) == {"imports", "load", "fetch", "session", "tokenize", "infer", "total"}
        assert float(timing["load"]) > 0
        assert "session;dur=0.0" in warm.headers["server-timing"]
        assert cold.headers["content-type"] == "application/json"
        assert cold.body == warm.body


def test_a_request_without_model_type_is_for_the_first_model(deployed: Deployed) -> None:
    assert deployed.ask().body["model_type"] == "nlp1"


def test_a_body_that_the_api_hands_over_in_base64_is_read(deployed: Deployed) -> None:
    body = json.dumps({"question": QUESTIONS[1], "context": PASSAGE}).encode()
    reply = deployed.post(body, content_type="application/octet-stream")
    assert (reply.status, reply.body["answer"]) == (200, ANSWERS[1])


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        (b"{not json", 400, "invalid_json", "JSON"),
        (b'["a list"]', 400, "invalid_json", "no object"),
        (b'{"context": "c"}', 400, "invalid_request", "question"),
        (b'{"question": "q"}', 400, "invalid_request", "context"),
        (b'{"question": 1, "context": "c"}', 400, "invalid_request", "question"),
        (b'{"question": "q", "context": "c", "top_k": 21}', 400, "invalid_request", "20"),
        (b'{"question": "q", "context": "c", "top_k": true}', 400, "invalid_request", "top_k"),
        (b'{"question": "q", "context": "c", "max_answer_length": 0}', 400, "invalid_request", "max_answer_length"),
        (b'{"question": "q", "context": "c", "topk": 2}', 400, "invalid_request", "topk"),
        (b'{"question": "q", "context": "c", "model_type": "nlp3"}', 404, "unknown_model", "nlp1"),
        (json.dumps({"question": "q", "context": "word " * 1_000_000}).encode(), 413, "too_large", ""),
    ],
    ids=lambda value: value[:60].decode() if isinstance(value, bytes) else "",
)
def test_a_wrong_request_gets_its_error_as_json(
    deployed: Deployed, body: bytes, status: int, code: str, said: str
) -> None:
    reply = deployed.post(body)
    assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert said in reply.body["error"]["message"]
    assert "Traceback" not in json.dumps(reply.body)
    assert set(reply.body) == {"error"}


def test_a_missing_file_of_a_model_is_unavailable_until_it_is_back(deployed: Deployed) -> None:
    file = deployed.efs_file("nlp2", "model.onnx")
    aside = file.with_name("aside")
    deployed.restart("efs")
    file.rename(aside)
    try:
        reply = deployed.ask("efs", model_type="nlp2")
        assert (reply.status, reply.body["error"]["code"]) == (503, "model_unavailable")
        assert "model.onnx" in reply.body["error"]["message"]
        assert deployed.ask("efs", model_type="nlp1").status == 200
    finally:
        aside.rename(file)
    assert deployed.ask("efs", model_type="nlp2").status == 200


def test_altered_weights_in_the_bucket_are_unavailable(deployed: Deployed) -> None:
    s3 = deployed.stack.clients("s3")
    [bucket] = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    [key] = [
        item["Key"]
        for item in s3.list_objects_v2(Bucket=bucket, Prefix="bundles/nlp2/")["Contents"]
        if item["Key"].endswith("model.onnx")
    ]
    right = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=right[:-1] + bytes([right[-1] ^ 1]))
    try:
        deployed.restart("s3")
        reply = deployed.ask("s3", model_type="nlp2")
        assert (reply.status, reply.body["error"]["code"]) == (503, "model_unavailable")
        assert "model.onnx" in reply.body["error"]["message"]
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=right)


def test_what_nobody_expected_is_internal_with_the_request_id_and_nothing_else(deployed: Deployed) -> None:
    # A graph that loads and then takes another input than it is given: nothing in the request or the bundle's sizes
    # shows it.
    file = deployed.efs_file("nlp1", "model.onnx")
    right = file.read_bytes()
    deployed.restart("efs")
    file.write_bytes(right.replace(b"input_ids", b"input_idz"))
    try:
        reply = deployed.ask("efs", question=f"What is {CANARY}?")
        report = deployed.stack.functions.reports(deployed.outputs["functions"]["efs"])[-1]
        assert (reply.status, reply.body["error"]["code"]) == (500, "internal")
        assert report.request_id in reply.body["error"]["message"]
        assert CANARY not in json.dumps(reply.body)
        assert "input_idz" not in json.dumps(reply.body)
    finally:
        file.write_bytes(right)
        deployed.restart("efs")


def test_no_text_of_the_user_is_in_any_log(deployed: Deployed) -> None:
    for architecture in ARCHITECTURES:
        assert deployed.ask(architecture, question=f"Who is {CANARY}?", context=f"It is {CANARY}.").status == 200
        deployed.post(b'{"question": "' + CANARY.encode(), architecture)
        deployed.ask(architecture, question=CANARY, context="c", top_k=CANARY, model_type=CANARY)
    logs = deployed.logs()
    assert "context_characters" in logs, "the requests are not in the logs at all"
    assert CANARY not in logs


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sample_request_works_as_it_is_pasted(deployed: Deployed, architecture: str) -> None:
    command = deployed.outputs["sampleRequests"][architecture]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["answer"] == ANSWERS[0]


def test_the_aws_cli_invokes_a_function_with_the_console_event(deployed: Deployed, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"body": json.dumps({"question": QUESTIONS[1], "context": PASSAGE})}))
    function = deployed.outputs["functions"]["s3"]
    command = aws_command(deployed.stack.emulator.endpoint, "us-east-1", function, event)
    # The CLI that the tests brought along, with the settings of a user who has others in mind.
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "AWS_SESSION_TOKEN": "other"}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, env=environment)
    reply, _ = json.JSONDecoder().raw_decode(done.stdout)
    assert reply["statusCode"] == 200
    assert json.loads(reply["body"])["answer"] == ANSWERS[1]


def test_the_emulator_holds_what_the_program_declared(deployed: Deployed) -> None:
    clients = deployed.stack.clients
    function = clients("lambda").get_function(FunctionName=deployed.outputs["functions"]["efs"], Qualifier="live")
    configuration = function["Configuration"]
    assert configuration["Version"] == "1"
    assert (configuration["MemorySize"], configuration["Timeout"]) == (3008, 30)
    assert configuration["FileSystemConfigs"][0]["LocalMountPath"] == "/mnt/models"
    assert len(configuration["VpcConfig"]["SubnetIds"]) == 2
    assert configuration["LoggingConfig"]["LogGroup"] == deployed.outputs["logGroups"]["efs"]
    assert function["Tags"] == {"project": "ml-inference", "stack": "local", "purpose": "ml-inference"}
    assert clients("ec2").describe_nat_gateways()["NatGateways"] == []
    [endpoint] = clients("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert len(endpoint["RouteTableIds"]) == 2
