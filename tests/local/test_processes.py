"""No process outlives its stack, whatever happens to the stack's owner."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from workbench.local import processes

if TYPE_CHECKING:
    from conftest import Toys

Alive = Callable[[int], bool]
Until = Callable[[Callable[[], bool]], bool]

STACK_OWNER = Path(__file__).with_name("stack_owner.py")


@dataclass
class Stack:
    """A stack that another process owns, with an idle and a busy execution environment."""

    owner: subprocess.Popen[str]
    endpoint: str
    pids: list[int]
    """All but the owner's: emulator, environments, and a child that a handler has started."""


@pytest.fixture
def stack_in(toys_at: Callable[[str, str], "Toys"], until: Until, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    with contextlib.ExitStack() as cleanup:

        def start(folder: Path, *arguments: str) -> Stack:
            owner = cleanup.enter_context(
                subprocess.Popen([sys.executable, STACK_OWNER, folder, *arguments], stdout=subprocess.PIPE, text=True)
            )
            cleanup.callback(owner.kill)
            assert owner.stdout is not None
            endpoint, url, emulator = owner.stdout.readline().split()
            toys = toys_at(endpoint, url)
            idle = toys.invoke(toys.deploy("toys.echo")).payload["pid"]
            note = tmp_path / "pids"
            hanging = toys.deploy("toys.hang_with_child", Timeout=60)
            # without waiting for an answer, which will not come
            toys.functions.invoke(FunctionName=hanging, InvocationType="Event", Payload=json.dumps({"pids": str(note)}))
            assert until(lambda: note.exists() and len(note.read_text().split()) == 2)
            return Stack(owner, endpoint, [int(emulator), idle, *map(int, note.read_text().split())])

        yield start


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to end"])
def test_nothing_outlives_the_owner(
    stack_in: Callable[..., Stack], tmp_path: Path, alive: Alive, until: Until, end: signal.Signals
) -> None:
    stack = stack_in(tmp_path / "local")
    assert all(alive(pid) for pid in stack.pids)

    stack.owner.send_signal(end)
    stack.owner.wait()

    assert until(lambda: not any(alive(pid) for pid in stack.pids))
    assert processes.running(tmp_path / "local") is None
    assert processes.children(tmp_path / "local") == []


def test_second_owner_is_refused_and_told_who_the_first_is(stack_in: Callable[..., Stack], tmp_path: Path) -> None:
    folder = tmp_path / "local"
    stack = stack_in(folder)

    with pytest.raises(processes.AlreadyRunningError) as refused, processes.claim(folder, "another"):
        pass
    with pytest.raises(processes.AlreadyRunningError):
        processes.clean_up(folder)

    assert str(refused.value) == (
        f"Stack toys is up already at {stack.endpoint} (process {stack.owner.pid}); end it with Ctrl-C in its terminal "
        "or with `python -m workbench local down`."
    )
    assert len(processes.children(folder)) == 3


@pytest.mark.parametrize("arguments", [(), ("deaf",)], ids=["obedient", "deaf"])
def test_end_ends_the_stack_even_if_its_owner_will_not(
    stack_in: Callable[..., Stack], tmp_path: Path, alive: Alive, arguments: tuple[str, ...]
) -> None:
    folder = tmp_path / "local"
    stack = stack_in(folder, *arguments)
    reaper = threading.Thread(target=stack.owner.wait)
    reaper.start()

    ended = processes.end(folder, limit=1.0 if arguments else 10.0)

    reaper.join()
    assert ended is not None
    assert (ended.stack, ended.pid, ended.endpoint) == ("toys", stack.owner.pid, stack.endpoint)
    assert not any(alive(pid) for pid in stack.pids)
    assert {entry.name for entry in folder.iterdir()} == {"logs", "lock"}
    assert processes.end(folder) is None


def test_claim_ends_what_a_dead_owner_has_left(tmp_path: Path, alive: Alive) -> None:
    folder = tmp_path / "local"
    (folder / "lambda" / "environments").mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps({"stack": "old", "pid": 2**22, "created": 0.0, "endpoint": None}))
    # It has not noticed that its parent is gone: somebody else holds the pipe.
    command = [sys.executable, "-P", processes._CHILD]
    with (
        subprocess.Popen(
            [*command, folder, "timeit", "-n1", "import time; time.sleep(60)"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        ) as left,
        subprocess.Popen(
            [*command, tmp_path / "other", "timeit", "-n1", "import time; time.sleep(60)"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        ) as other,
    ):
        with processes.claim(folder, "new"):
            assert not alive(left.pid)
            assert not (folder / "lambda").exists()
            assert alive(other.pid)
        other.kill()


def test_state_names_the_owner_while_the_claim_lasts(tmp_path: Path) -> None:
    with processes.claim(tmp_path, "toys") as claim:
        claim.record("http://127.0.0.1:1234")
        owner = processes.running(tmp_path)

    assert owner == processes.Owner("toys", os.getpid(), psutil.Process().create_time(), "http://127.0.0.1:1234")
    assert processes.running(tmp_path) is None


def test_process_that_got_the_number_of_a_dead_owner_is_no_owner(tmp_path: Path) -> None:
    state = {"stack": "old", "pid": os.getpid(), "created": psutil.Process().create_time() - 60, "endpoint": None}
    (tmp_path / "state.json").write_text(json.dumps(state))

    assert processes.running(tmp_path) is None
    assert processes.end(tmp_path) is None
    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize("state", ["", "{", "[]", '{"stack": 1}'])
def test_state_that_cannot_be_read_counts_as_none(tmp_path: Path, state: str) -> None:
    (tmp_path / "state.json").write_text(state)

    assert processes.running(tmp_path) is None


def test_clean_up_of_a_folder_that_does_not_exist_does_nothing(tmp_path: Path) -> None:
    processes.clean_up(tmp_path / "nowhere")

    assert not (tmp_path / "nowhere").exists()
