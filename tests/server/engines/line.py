"""An engine over a toy server that a test holds in its hand: a line out, a line back.

It knows `read` only in earnest: `get <id>` is answered by the JSON of a record or by `none`. Its
sync driver has no time-out of its own, so that the server has to sever hanging calls.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from server.engines import (
    Durability,
    Engine,
    Mode,
    Op,
    Operation,
    Promise,
    Record,
    Service,
    TagSummary,
    decode,
)


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


class Line:
    def __init__(self, address: str) -> None:
        self.socket = socket.create_connection(split(address))
        self._file = self.socket.makefile("rwb")

    def ask(self, text: str) -> str:
        self._file.write(text.encode() + b"\n")
        self._file.flush()
        return answered(self._file.readline())

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class AsyncLine:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, text: str) -> str:
        self._writer.write(text.encode() + b"\n")
        await self._writer.drain()
        return answered(await self._reader.readline())

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def answered(line: bytes) -> str:
    if not line.endswith(b"\n"):
        raise EOFError("the toy server closed the connection")
    return line.decode().strip()


class LineEngine(Engine):
    name = "line"
    title = "Toy <server>"
    service = Service("line", {None: "127.0.0.1:1"})
    drivers = {Mode.BLOCKING: "", Mode.THREADS: "", Mode.ASYNC: ""}
    durabilities = {Durability.VOLATILE: Promise("none", False, False)}
    not_available = {Operation.SUMMARY: "a toy does not aggregate"}
    round_trips = dict.fromkeys(Operation, 1)
    codec = "text"

    def connect(self) -> Line:
        return Line(self.address)

    async def aconnect(self) -> AsyncLine:
        return AsyncLine(*await asyncio.open_connection(*split(self.address)))

    def sever(self, db: Line) -> None:
        db.socket.shutdown(socket.SHUT_RDWR)

    def ping(self, db: Any) -> Op[str]:
        return (yield db.ask("ping"))  # type: ignore[no-any-return]

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        yield db.ask(f"reset {len(records)}")

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        yield db.ask(f"seed {size}")

    def create(self, db: Any, record: Record) -> Op[None]:
        yield db.ask(f"create {record.id}")

    def read(self, db: Any, id: str) -> Op[Record | None]:
        answer = yield db.ask(f"get {id}")
        return None if answer == "none" else decode(answer)

    def update(self, db: Any, record: Record) -> Op[bool]:
        answer: str = yield db.ask(f"update {record.id}")
        return answer == "ok"

    def delete(self, db: Any, id: str) -> Op[bool]:
        answer: str = yield db.ask(f"delete {id}")
        return answer == "ok"

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        yield db.ask(f"find {min_duration} {limit}")
        return []

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        yield
        return []
