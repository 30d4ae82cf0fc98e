"""An nginx that always returns the same response, and counts the connections of its clients."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Final

from deploy import layout
from deploy.services import UnavailableError, obtain_all

PATH: Final = "/read"
RECORD: Final = (
    '{"id":"6571aabbccddeeff00112233","topic":"what a request costs, and what it is made of",'
    '"when":"2026-11-21T02:48:24.123Z","duration":12.5,"tags":["perf","client","read"]}'
)
FILES: Final = 20_000
"""File descriptors of nginx, three quarters of them for connections."""

_CONFIGURATION: Final = Template("""
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_processes 1;
worker_rlimit_nofile $files;
events { worker_connections $connections; }
http {
  log_format connection '$$connection';
  access_log connections.log connection buffer=64k;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path body;
  server {
    listen 127.0.0.1:$port backlog=4096;
    location = $path {
      default_type application/json;
      add_header X-Request-Id $$request_id;
      add_header X-Process fast-10001-4711;
      add_header X-Pool fast;
      add_header Server-Timing "handler;dur=0.123, wait;dur=0.000, driver;dur=0.012";
      return 200 '$record';
    }
  }
}
""")


class FixedNginx:
    """A running nginx whose configuration and log are in `folder`."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.url = url
        self._process = process
        self._folder = folder

    def connections(self) -> int:
        """Stop nginx, and return over how many connections requests came."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        return len(set((self._folder / "connections.log").read_text().split()))


def nginx_program() -> Path:
    """Return nginx's file; raises deploy's UnavailableError where it cannot be had."""
    programs, missing = obtain_all(layout.default_workspace(), ["nginx"], lambda _: None)
    if missing:
        raise missing["nginx"]
    return programs["nginx"].file


@contextmanager
def fixed_nginx() -> Iterator[FixedNginx]:
    """Run it until the block ends; raises deploy's UnavailableError where nginx cannot be had."""
    program = nginx_program()
    with tempfile.TemporaryDirectory(prefix="windtunnel-perf-") as name:
        folder, port = Path(name), _free_port()
        folder.chmod(0o755)  # nginx's worker is nobody where we are root
        files = _descriptors()
        configuration = _CONFIGURATION.substitute(
            port=port, path=PATH, record=RECORD, files=files, connections=files * 3 // 4
        )
        (folder / "nginx.conf").write_text(configuration)
        process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"])
        try:
            _wait_for(port, process)
            yield FixedNginx(f"http://127.0.0.1:{port}", process, folder)
        finally:
            process.terminate()
            process.wait(30)


def _descriptors() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise UnavailableError("the nginx to measure with did not start")
