"""Docker Engine and a registry for the tests of images: those that this machine has, or some of their own.

Everything that they write lies in a folder of the tests', and they end with the tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START_LIMIT = 60.0  # seconds
DISK = 40_000_000_000  # bytes that an engine of the tests' own may take; what it does not take is not there

# `u` and `pw`, as htpasswd -B writes them; a registry that asks for these refuses everybody else.
CREDENTIALS = ("u", "pw")
_HTPASSWD = "u:$2b$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n"


def building_client(folder: Path) -> Path | None:
    """A folder with a `docker` in it that builds with BuildKit, made in `folder`; None where PATH has none."""
    for place in os.environ["PATH"].split(os.pathsep):
        command = Path(place, "docker")
        if command.is_file() and os.access(command, os.X_OK) and _builds(command):
            folder.mkdir(exist_ok=True)
            (folder / "docker").symlink_to(command.resolve())
            return folder
    return None


def _builds(command: Path) -> bool:
    """Whether a client can build: up to 20.10 it does so itself, from 23 on with the plugin buildx."""
    if subprocess.run([command, "buildx", "version"], capture_output=True, check=False).returncode == 0:
        return True
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    return said.startswith("Docker version ") and int(said.split()[2].split(".")[0]) < 23


def answers(host: str | None = None) -> bool:
    """Whether an engine answers, the one that the environment names or the one at `host`."""
    command = ["docker", *(("--host", host) if host else ()), "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def engine(folder: Path, size: int = DISK) -> Iterator[str]:
    """An engine with all its data in `folder`, on a disk of `size` bytes, and the URL that it listens at.

    Needs root and the command dockerd. Its builds and containers use the network of this machine: it leaves the packet filter alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The name of a socket has 107 characters at most, and an engine has some of its own below `run`.
    with tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as run:
        host = f"unix://{run}/docker.sock"
        command = [
            *("dockerd", "--host", host, "--pidfile", f"{run}/pid", "--exec-root", f"{run}/exec"),
            *("--data-root", f"{folder}/data"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        ]
        try:
            with _disk(folder / "data", size), _running(command, folder / "dockerd.log", lambda: answers(host)):
                yield host
        finally:
            _unmount(Path(run))


@contextlib.contextmanager
def _disk(folder: Path, size: int) -> Iterator[None]:
    """Makes `folder` a file system of `size` bytes, in one file: the thousands of an engine's take minutes to remove.

    Where that cannot be, it is an ordinary folder.
    """
    folder.mkdir()
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True, check=False)
    subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, check=False)
    try:
        yield
    finally:
        _unmount(folder)
        image.unlink()


def _unmount(folder: Path) -> None:
    """Unmounts what an engine has left mounted at a folder and below it, the latest first.

    Lazily: what still uses a mount, a container that is on its way out, ends a moment later.
    """
    mounts = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.is_relative_to(folder)]):
        subprocess.run(["umount", "--lazy", mount], check=False)


@contextlib.contextmanager
def registry(folder: Path, *, login: bool = False) -> Iterator[str]:
    """A registry with all its data in `folder`, and its address; with `login`, it refuses all but CREDENTIALS."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
    configuration = (
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: {address}}}\n"
    )
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD)
        configuration += f"auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}\n"
    (folder / "registry.yml").write_text(configuration)
    if shutil.which("docker-registry"):
        command = ["docker-registry", "serve", f"{folder}/registry.yml"]
    else:
        command = [
            *("docker", "run", "--rm", "--publish", f"{address}:{address.rpartition(':')[2]}"),
            *("--volume", f"{folder}:{folder}", "registry:2", f"{folder}/registry.yml"),
        ]
        container = (folder / "registry.yml").read_text().replace("127.0.0.1:", "0.0.0.0:")
        (folder / "registry.yml").write_text(container)
    with _running(command, folder / "registry.log", lambda: _serves(address)):
        yield address


def _serves(address: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_LIMIT
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                pytest.fail(f"{command[0]} did not start. The end of its log, {log}:\n{end}", pytrace=False)
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
