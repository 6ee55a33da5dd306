"""What the tests of images share: an engine, a registry, a base image, and the images, built once.

`make test-images` runs them; they are no part of `make test`.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker_machine
import pytest
import stand_in

from handlers.serving.bundle import Bundle
from infra.bundles import LocalBundle
from infra.docker_engine import DockerError, docker
from infra.image_build import ImageBuild, image_build
from infra.settings import BASE_IMAGE
from workbench.local.containers import build

REPOSITORY = Path(__file__).parents[2]
STAND_IN = "ml-inference-stand-in:latest"
TORCH_VERSION = "2.13.0+cpu"

NO_ENGINE = (
    "These tests build and run images, and there is no Docker Engine that answers and no dockerd that could be started "
    "here. Start Docker Engine, or on Debian, as root, run `apt-get install docker.io docker-registry debootstrap`."
)
NO_BASE = (
    f"The base image {BASE_IMAGE} cannot be pulled, and a stand-in can be made only as root on Debian, with debootstrap "
    "(`apt-get install debootstrap`). Let Docker Engine reach public.ecr.aws, or pull the image by other means."
)
NO_TORCH = (
    "There is no CPU build of PyTorch for the Python of the base image. Give the index with CPU builds that pytorch.org "
    "shows: make test-images TORCH_INDEX=..."
)

_reports = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session", autouse=True)
def _in_the_repository() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        yield


@pytest.fixture(scope="session", autouse=True)
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Docker Engine: the one that answers, or one of its own, with a client that builds first on PATH."""
    folder = tmp_path_factory.mktemp("docker")
    with pytest.MonkeyPatch.context() as patch:
        if client := docker_machine.building_client(folder / "bin"):
            patch.setenv("PATH", f"{client}{os.pathsep}{os.environ['PATH']}")
        if client and docker_machine.answers():
            yield
        elif client and shutil.which("dockerd") and os.geteuid() == 0:
            with docker_machine.engine(folder) as host:
                patch.setenv("DOCKER_HOST", host)
                yield
            shutil.rmtree(folder, ignore_errors=True)  # pytest keeps the folders of its last runs
        else:
            pytest.exit(NO_ENGINE, returncode=1)


@pytest.fixture(scope="session")
def registry(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry on the loopback interface."""
    with docker_machine.registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def base(engine: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base image: AWS's where it can be had, else the stand-in."""
    for command in (("image", "inspect", BASE_IMAGE), ("pull", "--quiet", BASE_IMAGE), ("image", "inspect", STAND_IN)):
        with contextlib.suppress(DockerError):
            docker(*command)
            return command[-1]
    if not (shutil.which("debootstrap") and os.geteuid() == 0):
        pytest.exit(NO_BASE, returncode=1)
    stand_in.make(tmp_path_factory.mktemp("stand-in"), STAND_IN)
    return STAND_IN


@pytest.fixture(scope="session")
def torch_index(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An index with a CPU build of PyTorch: what TORCH_INDEX says, or one with the build that pip finds here."""
    if given := os.environ.get("TORCH_INDEX"):
        yield given
        return
    folder = tmp_path_factory.mktemp("index")
    version = docker(
        "run", "--rm", "--entrypoint", "python3", base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"
    )
    found = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
            *("--python-version", version.strip(), "--platform", "manylinux_2_28_x86_64"),
            *("--dest", folder / "torch", f"torch=={TORCH_VERSION}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        pytest.fail(f"{NO_TORCH}\n{found.stderr[-500:]}", pytrace=False)
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (as in the standard library)
        pass


@pytest.fixture(scope="session")
def demo() -> list[LocalBundle]:
    """The demo models."""
    folders = {name: Path("models/demo", name) for name in ("nlp1", "nlp2")}
    return [LocalBundle(name, folder, Bundle.read(folder)) for name, folder in folders.items()]


@dataclass(frozen=True)
class BuiltImage:
    """An image and what it was built from."""

    build: ImageBuild
    id: str
    layers: list[str]


def built(one: ImageBuild) -> BuiltImage:
    """Builds an image."""
    image = build(one)
    layers = docker("image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", image).split()
    return BuiltImage(one, image, layers)


@pytest.fixture(scope="session")
def images(base: str, demo: list[LocalBundle], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, BuiltImage]:
    """The images of the three architectures, for the engine onnx."""
    root = tmp_path_factory.mktemp("build")
    return {
        target: built(image_build(target, demo if target == "oci" else (), base_image=base, root=root))
        for target in ("efs", "s3", "oci")
    }


@pytest.fixture(scope="session")
def torch_image(base: str, torch_index: str, tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    """The image of one architecture for the engine torch."""
    root = tmp_path_factory.mktemp("build-torch")
    return built(image_build("efs", engine="torch", base_image=base, torch_index=torch_index, root=root))


@pytest.fixture(scope="session")
def base_layers(base: str) -> list[str]:
    return docker("image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", base).split()


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Adds a text to what is printed when the tests have ended."""
    return pytestconfig.stash.setdefault(_reports, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash.get(_reports, []):
        terminalreporter.write_line("\n" + text)
