# pyright: reportMissingImports=false
"""A folder as through a network file system: every operation takes its time, and bytes come at a limited rate.

A file system in user space (FUSE), read-only, run as a module in a process of its own. What it models of EFS, and what not:

* Each operation takes the latency of the profile; bytes of all operations together come at its rate. Operations wait at
  the same time, as those of an NFS client do.
* A file's pages are forgotten whenever it is opened, as those of a fresh environment are not there yet.
* How far the kernel reads ahead is the kernel's default for FUSE, 128 KiB; what Lambda's NFS client does is not known.
* One mount stands for one client. Environments that run at once share it, where on AWS each has its own rate.
* Every read passes through Python, at 50 to 100 us of CPU time each on the machine that also runs the function.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.bench.measuring.errors import MeasuringError
from workbench.bench.measuring.networks import EfsNetwork

_CHILD = Path(__file__).parents[2] / "local" / "child.py"
_ROOT = Path(__file__).parents[3]
_START_LIMIT = 5.0  # seconds


@contextlib.contextmanager
def slow_files(network: EfsNetwork, root: Path, folder: Path) -> Iterator[Path]:
    """Where the files below `root` are to be seen as through the network; everything else is written below `folder`.

    Raises:
        MeasuringError: what it takes is not installed, or this user may not mount a file system.
    """
    unmount = shutil.which("fusermount3") or shutil.which("fusermount")
    if find_spec("mfusepy") is None or unmount is None:
        raise MeasuringError(
            "To measure EFS through a network takes FUSE and the package mfusepy, and they are not both installed: "
            "`make bench` installs the package, and on Debian and Ubuntu `apt-get install fuse3` the rest."
        )
    seen = folder.resolve() / "seen"
    # Left by a run that was killed; it would answer every access with an error.
    subprocess.run([unmount, "-u", "-z", str(seen)], check=False, stderr=subprocess.DEVNULL)
    seen.mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    log = folder / "fuse.log"
    arguments = (str(root.resolve()), str(seen.resolve()), str(network.latency_ms), str(network.mb_s))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", _CHILD, folder, __name__, *arguments],
            stdin=subprocess.PIPE,  # never written to: its end is how the child learns of this process's
            stdout=output,
            stderr=output,
            cwd=_ROOT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_LIMIT
        while not os.path.ismount(seen):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                raise MeasuringError(
                    "A file system in user space cannot be mounted, so EFS cannot be measured through a network here; "
                    f"leave out --network or the architecture efs. {' '.join(said)}"
                )
            time.sleep(0.02)
        yield seen
    finally:
        subprocess.run([unmount, "-u", "-z", str(seen)], check=False, stderr=subprocess.DEVNULL)
        if process.stdin is not None:
            process.stdin.close()
        process.wait(_START_LIMIT)


class Pace:
    """When an operation that moves some bytes is over: after the latency, and after the bytes before its own."""

    def __init__(self, latency_ms: float, mb_s: float) -> None:
        self._latency = latency_ms / 1000
        self._rate = mb_s * 1e6
        self._free = 0.0  # when the wire is free again, monotonic
        self._lock = threading.Lock()

    def end(self, now: float, size: int = 0) -> float:
        """The time at which an operation of `size` bytes is over that begins `now`, in seconds."""
        with self._lock:
            self._free = max(now, self._free) + size / self._rate
            return max(now + self._latency, self._free)


def main() -> None:
    import mfusepy  # pyright: ignore[reportMissingImports]

    root, seen = sys.argv[1], sys.argv[2]
    pace = Pace(float(sys.argv[3]), float(sys.argv[4]))

    def wait(begun: float, size: int = 0) -> None:
        time.sleep(max(0.0, pace.end(begun, size) - time.monotonic()))

    class SlowFiles(mfusepy.Operations):
        """Passes reads on to the folder, at the pace of the network."""

        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            wait(time.monotonic())
            del fh
            try:
                status = os.lstat(root + path)
            except OSError as error:
                raise mfusepy.FuseOSError(error.errno or errno.EIO) from error
            return {
                "st_mode": status.st_mode,
                "st_nlink": status.st_nlink,
                "st_size": status.st_size,
                "st_uid": status.st_uid,
                "st_gid": status.st_gid,
                "st_mtime": status.st_mtime_ns,
            }

        def readdir(self, path: str, fh: int) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
            wait(time.monotonic())
            del fh
            return [".", "..", *os.listdir(root + path)]  # noqa: PTH208 - FUSE deals in strings

        def open(self, path: str, flags: int) -> int:
            wait(time.monotonic())
            if flags & (os.O_WRONLY | os.O_RDWR):
                raise mfusepy.FuseOSError(errno.EROFS)
            return os.open(root + path, os.O_RDONLY)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            begun = time.monotonic()
            del path
            content = os.pread(fh, size, offset)
            wait(begun, len(content))
            return content

        def release(self, path: str, fh: int) -> int:
            del path
            os.close(fh)
            return 0

    mfusepy.FUSE(SlowFiles(), seen, foreground=True, ro=True)


if __name__ == "__main__":
    main()
