"""The emulator's process, from its start to its end."""

import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from workbench.local.emulator import Emulator, EmulatorError


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_emulator_answers_while_it_runs_and_is_gone_afterwards(tmp_path: Path, alive: Callable[[int], bool]) -> None:
    with Emulator(tmp_path / "local") as emulator:
        with urllib.request.urlopen(f"{emulator.endpoint}/_ministack/health") as response:
            assert response.status == 200
        assert alive(emulator.pid)

    assert not alive(emulator.pid)
    emulator.stop()


def test_emulator_listens_on_the_port_that_is_asked_for_on_loopback_and_nowhere_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with Emulator(tmp_path, port=port) as emulator:
        assert emulator.port == port
        assert emulator.endpoint == f"http://127.0.0.1:{port}"
        listening = [
            (connection.laddr.ip, connection.laddr.port)
            for connection in psutil.Process(emulator.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", port)]


def test_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorError) as error:
            Emulator(tmp_path, port=port).start()

    assert str(error.value) == (
        f"Port {port} of this machine is taken by another program; "
        f"end it, or choose another port with `--port`, for example `--port {port + 1}`."
    )


def test_emulator_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A package of that name further up on the import path takes the real one's place.
    (tmp_path / "workbench" / "local").mkdir(parents=True)
    (tmp_path / "workbench" / "local" / "emulator_server.py").write_text("raise SystemExit('no such emulator')")
    monkeypatch.setattr("workbench.local.emulator._ROOT", tmp_path)

    with pytest.raises(EmulatorError, match=r"ended while starting \(exit status 1\)[\s\S]*no such emulator"):
        Emulator(tmp_path / "local").start()


def test_emulator_ends_with_the_pipe_to_its_parent(tmp_path: Path) -> None:
    with Emulator(tmp_path) as emulator:
        process = emulator._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == -9


def test_emulator_writes_into_its_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    with Emulator(Path("local")) as emulator:
        request = urllib.request.Request(f"{emulator.endpoint}/bucket", method="PUT")
        urllib.request.urlopen(request).close()

    assert {entry.name for entry in tmp_path.iterdir()} == {"local"}
    assert files_below(tmp_path / "local") >= {tmp_path / "local" / "logs" / "emulator.log"}


def test_concurrency_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="concurrency is 0"):
        Emulator(tmp_path, concurrency=0)
