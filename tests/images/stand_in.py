"""A stand-in for AWS's base image for Python, for machines that cannot pull it.

It is Debian with Python, pip and the runtime interface client, laid out as AWS's is: /lambda-entrypoint.sh starts
/var/runtime/bootstrap with the handler's name, in /var/task. Needs root and the command debootstrap.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

RELEASE = "bookworm"
PYTHON = "3.11"  # of that release
PACKAGES = ("python3", "python3-pip", "ca-certificates")
CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")

ENTRYPOINT = """#!/bin/sh
if [ $# -ne 1 ]; then
    echo "entrypoint requires the handler name to be the first argument" >&2
    exit 142
fi
export _HANDLER="$1"
exec /var/runtime/bootstrap
"""
BOOTSTRAP = """#!/bin/sh
exec python3 -m awslambdaric "$_HANDLER"
"""


def make(folder: Path, tag: str) -> None:
    """Makes the stand-in, with its files in `folder`, and imports it as the image `tag`."""
    root = folder / "root"
    _run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE, str(root))
    _take_over_how_packages_are_fetched(root)
    (root / "var/task").mkdir()
    (root / "var/runtime").mkdir()
    for path, text in {"lambda-entrypoint.sh": ENTRYPOINT, "var/runtime/bootstrap": BOOTSTRAP}.items():
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    pins = [line for line in Path("constraints.txt").read_text().splitlines() if "==" in line]
    client = [pin for pin in pins if Requirement(pin).name in CLIENT]
    _run(
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ),
        *("--no-deps", "--only-binary=:all:", "--python-version", PYTHON),
        *("--target", str(root / "usr/lib/python3/dist-packages"), *client),
    )
    for cache in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / cache)
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        settings = ("WORKDIR /var/task", "ENV LAMBDA_TASK_ROOT=/var/task", 'ENTRYPOINT ["/lambda-entrypoint.sh"]')
        changes = [word for setting in settings for word in ("--change", setting)]
        subprocess.run(["docker", "import", *changes, "-", tag], stdin=tar.stdout, check=True, capture_output=True)
    shutil.rmtree(root)


def _take_over_how_packages_are_fetched(root: Path) -> None:
    """The package indexes and the certificates of this machine: a build in the image has to reach what it reaches."""
    authorities = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copyfile(authorities, root / "etc/ssl/certs/ca-certificates.crt")
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    listed = _run(sys.executable, "-m", "pip", "config", "list")
    for name, value in (line.split("=", 1) for line in listed.splitlines() if "=" in line):
        key = name.rpartition(".")[2]
        # What lies in a folder of this machine is not there in a build.
        urls = [url for url in value.strip("'\"").split() if url.startswith("http")]
        if key in ("index-url", "extra-index-url", "proxy") and urls:
            lines.append(f"{key} = {' '.join(urls)}")
    (root / "etc/pip.conf").write_text("\n".join(lines) + "\n")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout
