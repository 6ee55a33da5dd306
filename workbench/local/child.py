"""Runs a module in a process that ends when the process that started it does.

Run by path, never imported: `python -P child.py FOLDER MODULE [ARGUMENT...]` behaves as `python -m MODULE ARGUMENT...`
with two differences. Standard input is taken to be a pipe that nobody writes to; when its other end is gone, because
the parent closed it or ended in whatever way, this process and everything it started are killed. And FOLDER, which is
not read, marks the process as belonging to the stack in that folder, so that `processes` finds it again.

Standard library only, and little of it: this runs first in every execution environment, and its time counts as init.
"""

from __future__ import annotations

import _thread
import os
import runpy
import signal
import sys

_STDIN = 0


def _end_with(lifeline: int) -> None:
    """Waits for the end of the pipe `lifeline`, then kills this process and its group.

    A pipe and not a signal at the parent's death (`PR_SET_PDEATHSIG`): that exists on Linux only.
    """
    os.read(lifeline, 1)
    try:
        os.killpg(os.getpid(), signal.SIGKILL)  # the parent made this process the leader of a group of its own
    finally:
        os._exit(1)


def _main() -> None:
    lifeline = os.dup(_STDIN)  # a copy that is not inherited by what the module may start
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, _STDIN)
    os.close(null)
    _thread.start_new_thread(_end_with, (lifeline,))
    sys.argv = sys.argv[2:]
    # As `python -m` does; `-P` kept this file's own folder out. Importing pathlib would take longer than all of this.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


_main()
