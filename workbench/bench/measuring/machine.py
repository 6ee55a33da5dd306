"""What a run was measured on."""

from __future__ import annotations

import importlib.metadata
import platform
import socket
from pathlib import Path

import psutil

from handlers.serving.engines import threads
from workbench.bench.results import Machine

_PACKAGES = ("onnxruntime", "tokenizers", "numpy", "obstore", "awslambdaric", "torch", "transformers", "boto3")


def this_machine() -> Machine:
    """This machine, and the versions of what is measured, where it is installed."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Machine(
        name=socket.gethostname(),
        cpu=_cpu(),
        cores=threads(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=_system(),
        versions=versions,
    )


def _system() -> str:
    """Name and version of the system, without what a distributor or a host calls its build."""
    return f"{platform.system()} {platform.release().partition('-')[0]}"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
