"""A locust process with its web UI, as `locust -f locustfiles/crud.py` starts it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from typing import Any

from tests.windtunnel.served import ROOT

PATIENCE = 120
"""Seconds; machines are shared and slow, and a condition that holds is not waited for."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def locust(*args: object, file: str = "locustfiles/crud.py") -> list[str]:
    return [sys.executable, "-m", "locust", "-f", file, *map(str, args)]


class Interface:
    """The web UI of a locust process."""

    def __init__(self, *args: object, file: str = "locustfiles/crud.py", front: str = "/") -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            locust("--web-port", self.port, *args, file=file),
            cwd=ROOT,
            env={"WINDTUNNEL_RESULTS": "", **os.environ},
            stderr=subprocess.DEVNULL,
        )
        try:
            self.wait_for(lambda: self.get(front))
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def get(self, path: str, **form: Any) -> str:
        data = urllib.parse.urlencode(form, doseq=True).encode() if form else None
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def stats(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/stats/requests")))

    def wait_for(self, condition: Any) -> Any:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if result := condition():
                    return result
            except OSError:
                assert self.process.poll() is None
            time.sleep(0.05)
        raise AssertionError("it did not come to pass")
