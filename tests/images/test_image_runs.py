"""Functions in containers, as Lambda runs them, from images that were pushed to a registry and pulled by digest."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, BuiltImage

import workbench.local.stack
from infra.docker_engine import DockerError, docker
from infra.image_build import ImageBuild
from infra.sample import PASSAGE, QUESTIONS
from workbench.local import containers
from workbench.local.asking import Asker, Reply
from workbench.local.containers import LABEL, Mount, run_arguments
from workbench.local.stack import LocalStack
from workbench.models.bundles import seal
from workbench.program.config import load

ANSWERS = ("1886", "Karl Benz")
ARCHITECTURES = ("efs", "s3", "oci")
MODELS = ("nlp1", "nlp2")
# What Lambda takes: https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#images-reqs
ONE_IMAGE = {
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
}
COLD_STARTS = 5
TORCH_COLD_STARTS = 3  # they take seconds
RANDOM = REPOSITORY / "tests/handlers/data/random"


class Deployed:
    """A stack that is up, and short ways to ask it."""

    def __init__(self, stack: LocalStack, outputs: Mapping[str, Any], asker: Asker) -> None:
        self.stack = stack
        self.functions: Mapping[str, str] = outputs["functions"]
        self._endpoints: Mapping[str, str] = outputs["endpoints"]
        self._asker = asker

    def ask(self, architecture: str, **fields: Any) -> Reply:
        request = {"question": QUESTIONS[0], "context": PASSAGE} | fields
        return self._asker.post(self._endpoints[architecture], json.dumps(request).encode())

    def cold_starts(self, architecture: str, count: int = COLD_STARTS) -> list[float]:
        """Milliseconds from the start of an environment to its first answer, of `count`."""
        function = self.functions[architecture]
        for _ in range(count):
            self.stack.functions.retire(function)
            assert self.ask(architecture).cold
        reports = self.stack.functions.reports(function)[-count:]
        return [report.first_answer_ms for report in reports if report.first_answer_ms]


def manifest(reference: str) -> dict[str, Any]:
    """What the registry has under a reference, whatever it is."""
    address, _, rest = reference.partition("/")
    repository, _, name = rest.partition("@") if "@" in rest else rest.rpartition(":")
    index = {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
    request = urllib.request.Request(
        f"http://{address}/v2/{repository}/manifests/{name}", headers={"Accept": ", ".join(ONE_IMAGE | index)}
    )
    with urllib.request.urlopen(request) as response:
        found: dict[str, Any] = json.load(response)
        return (
            {"mediaType": response.headers["Content-Type"]}
            | found
            | {"digest": response.headers["Docker-Content-Digest"]}
        )


def pushed_and_pulled(build: ImageBuild, registry: str) -> str:
    """Builds an image, pushes it, forgets it, and pulls what the registry has, by digest."""
    image, name = containers.build(build), f"{registry}/{build.target}:latest"
    docker("tag", image, name)
    docker("push", name)
    found = manifest(name)
    assert found["mediaType"] in ONE_IMAGE
    assert "manifests" not in found
    docker("rmi", name)
    digest = f"{registry}/{build.target}@{found['digest']}"
    docker("pull", digest)
    return digest


@contextlib.contextmanager
def up(folder: Path, config: list[str], *, containers: bool) -> Iterator[Deployed]:
    """The local stack with `config` over its own."""
    with LocalStack(load("local", config), folder, containers=containers) as stack, Asker() as asker:
        yield Deployed(stack, stack.deploy().outputs, asker)


@pytest.fixture(scope="module")
def contained(base: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The local stack in containers, of images that went through a registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbench.local.stack, "build", lambda build: pushed_and_pulled(build, registry))
        with up(tmp_path_factory.mktemp("contained"), [f"baseImage={base}"], containers=True) as deployed:
            yield deployed


@pytest.fixture(scope="module")
def plain(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The local stack in processes of this machine."""
    with up(tmp_path_factory.mktemp("plain"), [f"baseImage={base}"], containers=False) as deployed:
        yield deployed


def running() -> list[dict[str, Any]]:
    """What Docker Engine says of the containers that run functions."""
    names = docker("ps", "--quiet", "--filter", f"label={LABEL}").split()
    return json.loads(docker("inspect", *names)) if names else []


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_image_answers_as_the_local_stack_does(
    contained: Deployed, plain: Deployed, architecture: str, model: str
) -> None:
    for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
        reply = contained.ask(architecture, model_type=model, question=question, top_k=5)
        assert reply.status == 200
        assert reply.body["answer"] == answer
        assert reply.body == plain.ask(architecture, model_type=model, question=question, top_k=5).body


def test_every_architecture_runs_in_a_container_with_its_limits(contained: Deployed) -> None:
    for architecture in ARCHITECTURES:
        contained.ask(architecture)
    found = {one["Config"]["Cmd"][0]: one for one in running()}
    assert set(found) == {"handlers.efs.loader.handler", *(f"handlers.{name}.app.handler" for name in ARCHITECTURES)}
    mounts = {
        command: [(mount["Destination"], mount["RW"]) for mount in one["Mounts"]] for command, one in found.items()
    }
    assert mounts == {
        "handlers.efs.loader.handler": [("/mnt/models", True)],
        "handlers.efs.app.handler": [("/mnt/models", False)],
        "handlers.s3.app.handler": [],
        "handlers.oci.app.handler": [],
    }
    for command, one in found.items():
        host = one["HostConfig"]
        assert "@sha256:" in one["Config"]["Image"]
        assert host["ReadonlyRootfs"] is True
        assert host["Memory"] == (1769 if "loader" in command else 3008) * 2**20
        assert host["CapDrop"] == ["ALL"]
        assert one["Config"]["User"].split(":")[0] not in ("", "0")


PROBE = """
import json, os, resource
def writable(folder):
    try:
        with open(f"{folder}/probe", "wb") as file:
            file.write(b"x")
        return True
    except OSError:
        return False
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "writable": [folder for folder in ("/", "/opt", "/opt/python", "/var/task", "/var/tmp", "/dev/shm", "/tmp") if writable(folder)],
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
}))
"""


def test_a_function_may_write_to_tmp_alone_and_has_no_rights(images: Mapping[str, BuiltImage]) -> None:
    arguments = run_arguments(images["oci"].id, ["-c", PROBE], memory=512)
    arguments[1:1] = ["--entrypoint", "python3"]
    assert json.loads(docker(*arguments)) == {
        "writable": ["/tmp"],  # noqa: S108  (the container's)
        "uid": 993,
        "capabilities": 0,
        "no_new_privileges": "1",
        "files": 1024,
    }


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("x = bytearray(300 * 2**20)", {"memory": 128}),
        ("open('/tmp/x', 'wb').write(bytes(64 * 2**20))", {"memory": 512, "tmp": 32}),
    ],
    ids=["memory", "tmp"],
)
def test_the_limits_of_a_function_hold(images: Mapping[str, BuiltImage], code: str, limits: dict[str, int]) -> None:
    def run(memory: int, tmp: int = 512) -> str:
        arguments = run_arguments(images["s3"].id, ["-c", code], memory=memory, tmp=tmp)
        arguments[1:1] = ["--entrypoint", "python3"]
        return docker(*arguments)

    run(memory=1024)
    with pytest.raises(DockerError):
        run(**limits)


def test_the_weights_are_where_the_architecture_has_them(contained: Deployed) -> None:
    script = (
        "import json, os; print(json.dumps({root: len([name for _, _, names in os.walk(root) for name in names"
        " if name == 'model.onnx']) for root in ('/mnt/models', '/opt/models')}))"
    )
    for architecture in ARCHITECTURES:
        contained.ask(architecture)
    found = {}
    for one in running():
        said = docker("exec", one["Id"], "python3", "-c", script)
        found[one["Config"]["Cmd"][0]] = tuple(json.loads(said).values())
    assert found["handlers.efs.app.handler"] == (2, 0)
    assert found["handlers.s3.app.handler"] == (0, 0)
    assert found["handlers.oci.app.handler"] == (0, 2)


def test_a_function_that_is_retired_leaves_no_container(contained: Deployed) -> None:
    contained.ask("s3")
    before = {one["Id"] for one in running() if one["Config"]["Cmd"] == ["handlers.s3.app.handler"]}
    contained.stack.functions.retire(contained.functions["s3"])
    deadline = time.monotonic() + 10
    while {one["Id"] for one in running()} & before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not {one["Id"] for one in running()} & before


def test_cold_starts_in_containers_beside_those_in_processes(
    contained: Deployed, plain: Deployed, images: Mapping[str, BuiltImage], report: Callable[[str], None]
) -> None:
    arguments = run_arguments(images["s3"].id, [], memory=3008)
    arguments[1:1] = ["--entrypoint", "true"]
    alone = []
    for _ in range(COLD_STARTS):
        begun = time.monotonic()
        docker(*arguments)
        alone.append((time.monotonic() - begun) * 1000)
    lines = [f"Cold start, ms from start to first answer, median of {COLD_STARTS} (least to most); demo model nlp1:"]
    for architecture in ARCHITECTURES:
        here, there = contained.cold_starts(architecture), plain.cold_starts(architecture)
        assert len(here) == len(there) == COLD_STARTS
        lines.append(f"  {architecture:4} in a container {_spread(here)}   in a process {_spread(there)}")
    lines.append(f"  a container that does nothing, from `docker run` to its end: {_spread(alone)}")
    report("\n".join(lines))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):5.0f} ({min(values):.0f} to {max(values):.0f})"


OWNER = """
import sys, time
from pathlib import Path
from workbench.local.containers import ContainerLauncher
from workbench.local.images import FileSystems
folder = Path(sys.argv[1])
with ContainerLauncher(folder, FileSystems(folder)):
    print("up", flush=True)
    time.sleep(60)
"""


def test_the_containers_of_a_stack_that_was_killed_go_with_it(images: Mapping[str, BuiltImage], tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path], stdout=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    labels = {LABEL: str(tmp_path.resolve())}
    arguments = run_arguments(images["s3"].id, ["60"], memory=128, labels=labels)
    arguments[1:1] = ["--detach", "--entrypoint", "sleep"]
    container = docker(*arguments).strip()
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 15
    while docker("ps", "--quiet", "--no-trunc", "--filter", f"id={container}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={container}") == ""


# As tests/handlers/make_random_model.py makes the weights of tests/handlers/data/random, which has them as ONNX.
CHECKPOINT = """
import torch
from safetensors.torch import save_file
from transformers import DistilBertConfig, DistilBertForQuestionAnswering
torch.manual_seed(1)
config = DistilBertConfig(vocab_size={vocabulary}, max_position_embeddings=128, dim=32, hidden_dim=64, n_layers=2,
                          n_heads=2, initializer_range=0.4)
model = DistilBertForQuestionAnswering(config)
save_file(model.state_dict(), "/mnt/models/model.safetensors")
config.to_json_file("/mnt/models/config.json", use_diff=False)
"""


@pytest.fixture(scope="module")
def checkpoint(torch_image: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for the engine torch, of the weights that the bundle `random` of the other tests has as ONNX."""
    folder = tmp_path_factory.mktemp("checkpoint")
    folder.chmod(0o777)  # for the user in the container
    tokenizer = (RANDOM / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(tokenizer)
    code = CHECKPOINT.format(vocabulary=len(json.loads(tokenizer)["model"]["vocab"]))
    mounts = [Mount(folder, "/mnt/models", writable=True)]
    arguments = run_arguments(torch_image.id, ["-c", code], memory=3008, mounts=mounts)
    arguments[1:1] = ["--entrypoint", "python3"]
    docker(*arguments)
    seal(
        folder,
        name="random",
        task="question-answering",
        engine="torch",
        precision="fp32",
        source={"id": "random", "revision": "1"},
        max_length=128,
    )
    return folder


def test_an_image_for_torch_answers_as_one_for_onnx(
    checkpoint: Path,
    base: str,
    registry: str,
    torch_index: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: Callable[[str], None],
) -> None:
    monkeypatch.setattr(workbench.local.stack, "build", lambda build: pushed_and_pulled(build, registry))

    def oci(bundle: Path, *config: str) -> list[str]:
        models = json.dumps([{"name": "random", "bundle": str(bundle)}])
        return ['architectures=["oci"]', f"models={models}", f"baseImage={base}", *config]

    torch = oci(checkpoint, "engine=torch", f"torchIndex={torch_index}")
    pairs = json.loads((REPOSITORY / "tests/handlers/data/question_answering.json").read_text())["pairs"][:6]
    with (
        up(tmp_path / "torch", torch, containers=True) as ours,
        up(tmp_path / "onnx", oci(RANDOM), containers=False) as theirs,
    ):
        for pair in pairs:
            reply, expected = ours.ask("oci", **pair), theirs.ask("oci", **pair)
            assert (reply.status, expected.status) == (200, 200)
            assert reply.body | {"score": 0} == expected.body | {"score": 0}
            assert reply.body["score"] == pytest.approx(expected.body["score"], abs=1e-4)
        starts = ours.cold_starts("oci", TORCH_COLD_STARTS)
        report(f"Cold start with the engine torch, ms, in a container, a tiny model: {_spread(starts)}")
