"""The runner's end of the generator process: one order in, one measured cell out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import IO, Final, Self

import msgspec
import psutil

from windtunnel.errors import SetupError
from windtunnel.recording.results import Cell
from windtunnel.runner.cell_order import CellOrder, Done, Event, Failed, Measuring, Ready

_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


class GeneratorError(SetupError):
    """The generator ended, or what it wrote is no event; the message is one line."""


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
            start_new_session=True,
        )
        if cores:
            psutil.Process(self._process.pid).cpu_affinity(list(cores))

    def __enter__(self) -> Self:
        event = self._receive()
        if not isinstance(event, Ready):
            raise GeneratorError(f"the load generator began with {event}")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):  # it ended before it read the last order
            self._stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()

    def measure(self, order: CellOrder) -> Cell:
        """Return the measured cell, void where it could not be measured; raises GeneratorError.

        `before_s` of its health is how long it took until what was sent counted, in seconds.
        """
        sent = measuring = monotonic()
        try:
            self._stdin.write(msgspec.json.encode(order) + b"\n")
            self._stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        while True:
            event = self._receive()
            if isinstance(event, Measuring):
                measuring = monotonic()
            elif isinstance(event, Failed):
                return void(order, event.detail)
            elif isinstance(event, Done):
                health = {**event.cell.health, "before_s": round(measuring - sent, 3)}
                return msgspec.structs.replace(event.cell, health=health)

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _receive(self) -> Event:
        line = self._stdout.readline()
        if not line:
            raise self._ended()
        try:
            return _decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise GeneratorError(f"the load generator wrote {line[:200]!r}") from error

    def _ended(self) -> GeneratorError:
        return GeneratorError(f"the load generator ended with status {self._process.wait()}")


def void(order: CellOrder, reason: str) -> Cell:
    """Return the cell of an order that could not be measured."""
    conditions = msgspec.structs.asdict(order.conditions)
    return Cell(**conditions, process=order.process, seconds=0.0, throughput_rps=0.0, void=reason)
