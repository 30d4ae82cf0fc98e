"""The runner's end of the generator process: one order in, one measured cell out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import psutil

from windtunnel.errors import CellError, SetupError


class GeneratorError(SetupError):
    """The generator ended or answered what is no answer; the message is one line."""


class Generator:
    """A generator process in a session of its own, so that Ctrl-C spares it.

    It ends when its standard input does, so also when this process is killed. Use it as a context
    manager. `cores` pins it to those processors.
    """

    def __init__(self, cores: Sequence[int] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "windtunnel.runner.generator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if cores:
            psutil.Process(self._process.pid).cpu_affinity(list(cores))

    def __enter__(self) -> Self:
        event = self._receive()
        if event["event"] != "ready":
            raise GeneratorError(f"the load generator began with {event!r}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it ended before it read the last order
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def cell(self, order: Mapping[str, Any], on_event: Callable[[str], None]) -> dict[str, Any]:
        """Measure a cell and return it as the generator tells it; `on_event` hears its phases.

        Raises GeneratorError when the cell could not be measured.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"cmd": "cell", **order}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        while True:
            event = self._receive()
            if event["event"] == "done":
                return dict(event["cell"])
            if event["event"] == "error":
                raise CellError(str(event.get("detail", event)))
            on_event(event["event"])

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        try:
            return dict(json.loads(line))
        except ValueError as error:
            raise GeneratorError(f"the load generator said {line[:200]!r}") from error

    def _ended(self) -> GeneratorError:
        return GeneratorError(f"the load generator ended with status {self._process.wait()}")
