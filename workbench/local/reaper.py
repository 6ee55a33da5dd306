"""Removes the containers of a stack when the process that brought it up has ended, in whatever way.

Run by path, never imported: `python -P reaper.py LABEL=VALUE`. Standard input is a pipe that nobody writes to; when its
other end is gone, every container with the label is removed.
"""

from __future__ import annotations

import subprocess
import sys


def _main(label: str) -> None:
    sys.stdin.buffer.read()
    # Twice: a container may have been on its way.
    for _ in range(2):
        listed = subprocess.run(
            ["docker", "ps", "--all", "--quiet", "--filter", f"label={label}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if containers := listed.stdout.split():
            subprocess.run(["docker", "rm", "--force", *containers], capture_output=True, check=False)


_main(sys.argv[1])
