"""Puts the functions of `workbench.bench.baselines` beside a stack: into its emulator, executed by a service of their own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from handlers.serving.bundle import Bundle
from handlers.serving.engines import threads
from workbench.bench.measuring.subjects import LocalSubject
from workbench.bench.results import Variant
from workbench.local.asking import Asker
from workbench.local.clients import Clients
from workbench.local.lambda_service.functions import PROXY_VARIABLE, ImageTarget
from workbench.local.lambda_service.service import LambdaService

_CODE = Path(__file__).parents[1] / "baselines"
_REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/baselines"
_BUCKET = "baselines"
# Where the functions see what they are given.
_CHECKPOINT, _BUNDLE = "/opt/checkpoint", "/opt/bundle"
_TIMEOUT = 60  # seconds: a plain handler may take that long to start on a busy machine


@dataclass(frozen=True)
class Baseline:
    """A function to compare with: what it stands for, its module, its variables, and the folders that it sees.

    `uploads` are the files that it finds in its bucket, by key; `fetched` the bytes that a cold start brings over the
    network.
    """

    architecture: str
    model: str
    variant: Variant
    module: str
    variables: Mapping[str, str]
    folders: Mapping[str, Path] = field(default_factory=dict)
    uploads: Mapping[str, Path] = field(default_factory=dict)
    fetched: int = 0

    @property
    def function(self) -> str:
        """The name of the function."""
        return f"{self.variant}-{self.architecture}-{self.model}"


def plain(architecture: str, model: str, task: str, checkpoint: Path) -> Baseline:
    """A model served as one would write it, from the checkpoint in a folder."""
    files = {path.name: path for path in sorted(checkpoint.iterdir()) if path.is_file()}
    size = sum(path.stat().st_size for path in files.values())
    if architecture == "s3":
        keys = {f"{model}/{name}": path for name, path in files.items()}
        variables = {"TASK": task, "BUCKET": _BUCKET, "KEYS": " ".join(keys)}
        return Baseline("s3", model, "plain", "plain_s3", variables, uploads=keys, fetched=size)
    variables = {"TASK": task, "CHECKPOINT": _CHECKPOINT}
    folders = {_CHECKPOINT: checkpoint.resolve()}
    fetched = size if architecture == "efs" else 0
    return Baseline(architecture, model, "plain", f"plain_{architecture}", variables, folders, fetched=fetched)


def floor(model: str, bundle: Path) -> Baseline:
    """A session on the graph of a bundle, and runs of it, and nothing else."""
    variables = {"MODEL": f"{_BUNDLE}/model.onnx", "PRECISION": Bundle.read(bundle).precision}
    return Baseline("oci", model, "floor", "session", variables, {_BUNDLE: bundle.resolve()})


@contextlib.contextmanager
def deployed(
    baselines: Sequence[Baseline],
    clients: Clients,
    folder: Path,
    asker: Asker,
    memory: int,
    variables: Mapping[str, str],
) -> Iterator[list[LocalSubject]]:
    """The baselines as functions of `memory` MB in the emulator of `clients`, from `with` to the end of its block.

    `variables` are environment variables that they get besides their own.
    """
    images = {
        f"{_REPOSITORY}@sha256:{index:064x}": ImageTarget([f"baselines.{item.module}.handler"], item.folders)
        for index, item in enumerate(baselines)
    }
    service = LambdaService(
        endpoint=clients.endpoint,
        folder=folder,
        code=_CODE,
        images=images.__getitem__,
        mounts=Path,  # none of them has a file system
        variables=variables,
    )
    with service:
        if any(item.uploads for item in baselines):
            clients("s3").create_bucket(Bucket=_BUCKET)
        trust = {"Version": "2012-10-17", "Statement": []}
        role = clients("iam").create_role(RoleName="baselines", AssumeRolePolicyDocument=json.dumps(trust))
        subjects = []
        for image, item in zip(images, baselines, strict=True):
            for key, file in item.uploads.items():
                clients("s3").upload_file(Filename=str(file), Bucket=_BUCKET, Key=key)
            environment = {
                PROXY_VARIABLE: service.url,
                # Lambda gives a function processors by its memory, and libraries take as many threads; here they would
                # take all of the machine's.
                "OMP_NUM_THREADS": str(threads(memory)),
                **item.variables,
            }
            clients("lambda").create_function(
                FunctionName=item.function,
                Role=role["Role"]["Arn"],
                PackageType="Image",
                Code={"ImageUri": image},
                Environment={"Variables": environment},
                MemorySize=memory,
                Timeout=_TIMEOUT,
            )
            endpoint = _api(clients, item.function)
            subjects.append(
                LocalSubject(
                    item.architecture, item.model, item.variant, endpoint, item.function, service, asker, item.fetched
                )
            )
        yield subjects


def _api(clients: Clients, function: str) -> str:
    """The address of a new HTTP API in front of the function."""
    arn = clients("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    apis = clients("apigatewayv2")
    api = apis.create_api(Name=function, ProtocolType="HTTP")["ApiId"]
    integration = apis.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    apis.create_route(ApiId=api, RouteKey="POST /", Target=f"integrations/{integration}")
    apis.create_stage(ApiId=api, StageName="develop", AutoDeploy=True)
    port = clients.endpoint.rsplit(":", 1)[1]
    return f"http://{api}.execute-api.localhost:{port}/develop/"
