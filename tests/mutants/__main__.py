"""`make test-mutants`: puts one fault after the other into a copy of the program, and reports which ones no test finds.

The faults are in faults.yaml. Each is given to the one test that is there to find it, in a process that is forked off this one: what takes time
in a test is to import the SDKs, and these are the same for every fault.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What the program and its preview import, from elsewhere; nothing of the project itself.
import grpc  # noqa: F401
import pulumi_aws
import pulumi_awsx  # noqa: F401
import pulumi_docker  # noqa: F401
import pydantic  # noqa: F401
import pytest
import yaml

for _module in ("apigatewayv2", "appautoscaling", "cloudwatch", "ec2", "ecr", "efs", "iam", "lambda_", "s3", "vpc"):
    getattr(pulumi_aws, _module)  # the SDK imports a module when it is first asked for

PROJECT = Path(__file__).parents[2]
PROGRAM = (
    "__main__.py",
    "Pulumi.yaml",
    "Pulumi.dev.yaml",
    "Pulumi.local.yaml",
    "pyproject.toml",
    "infra",
    "handlers",
    "policy",
    "workbench",
    "models/demo",
    "tests",
)

FAULTS = Path(__file__).with_name("faults.yaml")

_LIMIT = 120  # seconds for the tests over one fault; one that makes them hang is found, too
_PARALLEL = 2
# pytest's exit codes: all passed; an error of its own, of the command line, or nothing to run. A test that fails is 1.
_SURVIVED, _NOT_RUN = (0,), (3, 4, 5)


@dataclass(frozen=True)
class Mutant:
    """An edit of a file, `old` as `new` where it occurs first; what is wrong then, and the test that has to find it."""

    file: str
    old: str
    new: str
    fault: str
    test: str


def main(only: Sequence[str]) -> int:
    """Runs the faults whose file or sentence holds one of the texts in `only`, or all; returns the exit code."""
    mutants = [Mutant(**fault) for fault in yaml.safe_load(FAULTS.read_text("utf-8"))]
    chosen = [mutant for mutant in mutants if not only or any(text in f"{mutant.file} {mutant.fault}" for text in only)]
    if outdated := [mutant for mutant in chosen if mutant.old not in (PROJECT / mutant.file).read_text("utf-8")]:
        for mutant in outdated:
            print(f"{mutant.file} no longer holds {mutant.old!r} ({mutant.fault}).")
        print(f"Give these faults their place in today's code, in {FAULTS.relative_to(PROJECT)}.")
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [_copy(Path(folder) / str(number)) for number in range(_PARALLEL)]
        sound = sorted({mutant.test for mutant in chosen})
        if code := _result(_fork(copies[0], sound)):
            print(f"The tests fail without any fault put in (exit code {code} of pytest), so they could not show one.")
            return 1
        results = _run_all(chosen, copies)
    survivors = [mutant for mutant, code in results if code in _SURVIVED]
    missing = [mutant for mutant, code in results if code in _NOT_RUN]
    found = len(results) - len(survivors) - len(missing)
    print(f"{found} of {len(results)} faults found in {time.monotonic() - began:.0f} s.")
    for mutant in missing:
        print(f"{mutant.test} could not be run, which is there to find that {mutant.fault}; does it exist?")
    for mutant in survivors:
        print(f"{mutant.test} does not find that {mutant.fault}: {mutant.file}, {mutant.old!r} as {mutant.new!r}.")
    return 1 if survivors or missing else 0


def _run_all(mutants: Iterable[Mutant], copies: list[Path]) -> list[tuple[Mutant, int]]:
    """The exit code of pytest over each mutant, as many at a time as there are copies."""
    waiting, free, running = list(mutants), list(copies), {}
    results = []
    while waiting or running:
        while waiting and free:
            mutant, copy = waiting.pop(0), free.pop()
            source = (copy / mutant.file).read_text("utf-8")
            (copy / mutant.file).write_text(source.replace(mutant.old, mutant.new, 1), "utf-8")
            running[_fork(copy, [mutant.test])] = (mutant, copy, source, time.monotonic())
        pid, status = os.wait()
        mutant, copy, source, began = running.pop(pid)
        (copy / mutant.file).write_text(source, "utf-8")
        free.append(copy)
        code = os.waitstatus_to_exitcode(status)
        results.append((mutant, code))
        word = "survived" if code in _SURVIVED else "not run " if code in _NOT_RUN else "found   "
        print(f"{word} {time.monotonic() - began:5.1f} s  {mutant.file}: {mutant.fault}", flush=True)
    return results


def _copy(folder: Path) -> Path:
    for name in PROGRAM:
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            shutil.copy(source, target)
    return folder


def _fork(copy: Path, tests: Sequence[str]) -> int:
    """The process that runs `tests` in a copy of the program, and ends with pytest's exit code."""
    sys.stdout.flush()
    # What is imported here is not looked through again by the garbage collector of each process.
    gc.freeze()
    if pid := os.fork():
        return pid
    code = 3
    try:
        signal.alarm(_LIMIT)
        with (copy / "log.txt").open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.chdir(copy)
        sys.path[0] = str(copy)
        # A file of the same size and second as before would be taken for what it was compiled to before.
        sys.dont_write_bytecode = True
        # Of the plugins that are installed, the tests need one.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        code = int(pytest.main(["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "pytest_timeout", *tests]))
    finally:
        os._exit(code)


def _result(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
