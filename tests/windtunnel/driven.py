"""A generator process as the runner drives it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.windtunnel.served import ROOT

STORE = "memory/async/volatile"


class Driven:
    """A generator process and the lines it says."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "windtunnel.runner.generator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.next() == {"event": "ready"}

    def order(self, **fields: Any) -> None:
        assert self.process.stdin is not None
        order = {
            "cmd": "cell",
            "scenario": "crud",
            "store": STORE,
            "mix": "balanced",
            "users": 4,
            "seed": 1,
            "population": 200,
            "warmup": 0.1,
            "duration": 0.3,
        }
        self.process.stdin.write(json.dumps(order | fields) + "\n")
        self.process.stdin.flush()

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def cell(self, **fields: Any) -> dict[str, Any]:
        self.order(**fields)
        events = [self.next(), self.next(), self.next()]
        assert [event["event"] for event in events] == ["reset", "measuring", "done"]
        return dict(events[-1]["cell"])

    def answered(self, **fields: Any) -> dict[str, Any]:
        """A cell in which something was answered: a machine can stand still for all of one."""
        while not (cell := self.cell(**fields))["operations"]:
            pass
        return cell

    def error(self, **fields: Any) -> str:
        self.order(**fields)
        said = self.next()
        while said["event"] != "error":
            assert said["event"] == "reset"
            said = self.next()
        return str(said["detail"])


def driven_once() -> Iterator[Driven]:
    driven = Driven()
    yield driven
    _, said = driven.process.communicate(timeout=20)
    assert "Traceback" not in said


def counts(cell: dict[str, Any], outcome: str = "ok") -> dict[str, int]:
    found = [entry for entry in cell["operations"] if entry["outcome"] == outcome]
    return {entry["operation"]: entry["count"] for entry in found}
