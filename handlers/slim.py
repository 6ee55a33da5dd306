"""Runs while an image is built, and is no part of it: leaves of a layer what serving needs, ready to import.

`python3 slim.py LAYER`, where LAYER holds files at the paths that they will have in the image, removes what no function
imports, compiles the rest, and gives everything the same modes and times, so that the same versions make the same layer
on every machine. It fails where the base image is for other processors than the build, TARGETARCH: the image would be
labelled for processors that cannot run it.
"""

from __future__ import annotations

import compileall
import os
import platform
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

PACKAGES = Path("opt/python")

# As patterns below the packages. Only what is never imported at serving time, or has nothing to import.
UNUSED = (
    "bin",  # commands
    "**/*.a",  # what extensions are built with
    "**/*.h",
    "**/tests",
    "onnxruntime/quantization",  # tools that prepare models
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "torch/include",  # headers, CMake files and programs, to build and to test extensions
    "torch/share",
    "torch/test",
    "torch/bin/*",
    "torch/lib/*test*",
)
# torch looks for it when it is imported.
KEPT = "torch/bin/torch_shm_manager"


def slim(layer: Path) -> None:
    """Removes, compiles and normalises what lies below `layer`."""
    packages = layer / PACKAGES
    for pattern in UNUSED:
        for path in sorted(packages.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path != packages / KEPT:
                path.unlink(missing_ok=True)
    # The file system of a function is read-only: what is not compiled here is compiled anew at each cold start. And what
    # is never edited need not be compared with its source at each import.
    compiled = compileall.compile_dir(
        layer, ddir="/", quiet=1, workers=0, maxlevels=100, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    # Packages may bring sources for other versions of Python. The handlers may not: they would fail at the first request.
    if not compiled and not packages.exists():
        sys.exit("A module of the handlers cannot be compiled, see above; mend it and build again.")
    for path in (*layer.rglob("*"), layer):
        _normalise(path)


def _normalise(path: Path) -> None:
    """Sets mode and times, unless they are right: to touch a file of a lower layer is to copy it."""
    found = path.lstat()
    # Lambda runs a function as a user who owns none of its files.
    mode = 0o755 if path.is_dir() or found.st_mode & 0o100 else 0o644
    if found.st_mode & 0o777 != mode:
        path.chmod(mode)
    if found.st_mtime != 0:
        os.utime(path, (0, 0))


def check_processors(target: str) -> None:
    """Ends the build unless Python runs on the processors `target`, in the words of container images."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if machine != target:
        sys.exit(f"The build is for {target}, but it is built on an image for other processors ({machine}).")


if __name__ == "__main__":
    check_processors(os.environ["TARGETARCH"])
    slim(Path(sys.argv[1]))
