"""The process: its command line, its port, its signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.server.conftest import Server, serving


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
        check=False,
    )


def test_a_busy_port_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = run("--port", str(port))
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert str(port) in ended.stderr
    assert "in use" in ended.stderr


def test_an_address_that_is_not_ours() -> None:
    ended = run("--port", "0", "--host", "203.0.113.1")
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
    assert "203.0.113.1" in ended.stderr


def test_a_host_that_does_not_exist() -> None:
    ended = run("--port", "0", "--host", "no.such.host.invalid")
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)


@pytest.mark.parametrize(
    "arguments",
    [("--port", "x"), ("--port", "70000"), ("--loop", "trio"), ("--pool", "a b"), ("--what",)],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("text", ["syntax error here", "import no_such_module", "1 / 0", "exit(1)"])
def test_a_broken_engine_file_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    ended = run("--port", "0", WINDTUNNEL_ENGINES=str(tmp_path))
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
    assert "broken.py" in ended.stderr


def test_a_missing_folder_of_engines(tmp_path: Path) -> None:
    ended = run("--port", "0", WINDTUNNEL_ENGINES=str(tmp_path / "none"))
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)
    assert "WINDTUNNEL_ENGINES" in ended.stderr


def test_an_engine_file_of_ones_own(server: Server) -> None:
    ids = {store["id"] for store in server.call("GET", "/stores").json["stores"]}
    assert {"line/blocking/volatile", "buggy/async/volatile", "memory/async/volatile"} <= ids


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly(number: signal.Signals, loop: str) -> None:
    with serving("--loop", loop) as server:
        server.create()
        server.process.send_signal(number)
        out, err = server.process.communicate(timeout=60)
        assert (server.process.returncode, out, err) == (0, "", "")


def test_uvloop_is_what_it_says() -> None:
    with serving("--loop", "uvloop", "--pool", "slow") as server:
        process = server.call("GET", "/stores").json["process"]
        assert (process["loop"], process["pool"]) == ("uvloop", "slow")
        assert server.call("GET", "/ping").headers["X-Pool"] == "slow"
        loop = server.call("GET", "/loop").json
        assert (loop["loop"], loop["exact"]) == ("uvloop", False)


def test_a_unix_socket_is_made_and_removed_and_what_a_crash_left_is_replaced() -> None:
    with tempfile.TemporaryDirectory(prefix="wt") as short:
        path = Path(short, "s")
        with serving("--unix", str(path)) as server:
            assert ping(path) == b"pong"
            server.process.kill()
        assert path.is_socket()
        with serving("--unix", str(path)) as server:
            assert ping(path) == b"pong"
            assert run("--unix", str(path)).stderr.endswith("or choose another --unix\n")
            assert ping(path) == b"pong"
            server.process.terminate()
            assert (server.process.wait(60), path.exists()) == (0, False)


def ping(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(4096), b"")).rpartition(b"\r\n")[2]


@pytest.mark.parametrize("path", ["/no/folder/s", "/dev/null", "x" * 200])
def test_a_unix_socket_that_cannot_be(path: str) -> None:
    ended = run("--unix", path)
    assert ended.returncode == (2 if "xx" in path else 3)
    assert path in ended.stderr or "bytes at most" in ended.stderr
    assert "Traceback" not in ended.stderr
