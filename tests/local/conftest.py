"""An emulator and a Lambda service for the tests of this folder, and toy functions to run on them."""

import http.client
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from workbench.local.emulator import Emulator
from workbench.local.lambda_service.functions import ImageTarget
from workbench.local.lambda_service.service import LambdaService

FUNCTIONS = Path(__file__).with_name("functions")
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/toys@sha256:" + "0" * 64

_numbers = itertools.count()


@dataclass(frozen=True)
class Reply:
    """What a function's caller gets: `error` is what boto3 calls FunctionError."""

    error: str | None
    payload: Any


class Toys:
    """Deploys handlers of `functions` to an emulator and calls them."""

    def __init__(self, endpoint: str, url: str) -> None:
        self._port = int(endpoint.rsplit(":", 1)[1])
        self._url = url

        def client(service: str) -> Any:
            return boto3.client(
                service,
                endpoint_url=endpoint,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"max_attempts": 0}, max_pool_connections=20),
            )

        self.functions = client("lambda")
        self._apis = client("apigatewayv2")
        trust = {"Version": "2012-10-17", "Statement": []}
        self._role = client("iam").create_role(
            RoleName=f"toy{next(_numbers)}", AssumeRolePolicyDocument=json.dumps(trust)
        )["Role"]["Arn"]

    def variables(self, **variables: str) -> dict[str, Any]:
        return {"Variables": {"MINISTACK_LAMBDA_PROXY_URL": self._url, **variables}}

    def deploy(self, handler: str, variables: dict[str, str] | None = None, name: str = "", **settings: Any) -> str:
        """A new function that runs `functions.<handler>`; `settings` as CreateFunction takes them. Returns its name."""
        name = name or f"toy-{next(_numbers)}"
        settings.setdefault("ImageConfig", {"Command": [f"functions.{handler}"]})
        self.functions.create_function(
            FunctionName=name,
            Role=self._role,
            PackageType="Image",
            Code={"ImageUri": IMAGE},
            Environment=self.variables(**(variables or {})),
            **settings,
        )
        return name

    def invoke(self, name: str, event: Any = None, qualifier: str = "$LATEST") -> Reply:
        answer = self.functions.invoke(FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event or {}))
        return Reply(answer.get("FunctionError"), json.loads(answer["Payload"].read()))

    def api(self, name: str) -> str:
        """A new HTTP API in front of the function; returns its id."""
        arn = self.functions.get_function_configuration(FunctionName=name)["FunctionArn"]
        api = self._apis.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        integration = self._apis.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
        )["IntegrationId"]
        self._apis.create_route(ApiId=api, RouteKey="POST /", Target=f"integrations/{integration}")
        self._apis.create_stage(ApiId=api, StageName="develop", AutoDeploy=True)
        return api

    def post(self, api: str, body: bytes = b"{}", *, by_path: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a POST to the API, addressed by its host name or by path."""
        host = f"127.0.0.1:{self._port}" if by_path else f"{api}.execute-api.localhost:{self._port}"
        path = f"/_aws/execute-api/{api}/develop/" if by_path else "/develop/"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", path, body, {"Host": host, "Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for `/opt/models` in the image and, one folder deeper, for an access point of a file system."""
    path = tmp_path_factory.mktemp("models")
    (path / "mounted").mkdir()
    return path


@pytest.fixture(scope="session")
def emulator(folder: Path) -> Iterator[Emulator]:
    emulator = Emulator(folder, concurrency=3)
    with pytest.MonkeyPatch.context() as shell:
        # as a user's shell may have them; they must not reach a child
        shell.setenv("AWS_PROFILE", "production")
        shell.setenv("AWS_SESSION_TOKEN", "secret")
        emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture(scope="session")
def service(emulator: Emulator, folder: Path, models: Path) -> Iterator[LambdaService]:
    with LambdaService(
        endpoint=emulator.endpoint,
        folder=folder,
        code=FUNCTIONS,
        images=lambda _: ImageTarget(["functions.toys.echo"], {"/opt/models": models}),
        mounts=lambda _: models / "mounted",
    ) as service:
        yield service


@pytest.fixture(scope="session")
def toys(emulator: Emulator, service: LambdaService) -> Toys:
    return Toys(emulator.endpoint, service.url)


@pytest.fixture(scope="session")
def toys_at() -> Callable[[str, str], Toys]:
    """Toys on another emulator and service than the shared ones."""
    return Toys


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], bool]:
    """Waits until a condition holds, some seconds at most, and says whether it does."""

    def wait(condition: Callable[[], bool], limit: float = 5.0) -> bool:
        deadline = time.monotonic() + limit
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        return condition()

    return wait


@pytest.fixture(scope="session")
def alive() -> Callable[[int], bool]:
    """Whether a process is there and no zombie."""

    def check(pid: int) -> bool:
        try:
            os.kill(pid, 0)
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    return check
