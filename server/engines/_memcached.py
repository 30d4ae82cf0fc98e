"""What the memcached engines share: the facts, the keys, and how a collection is replaced."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from io import BufferedRWPair
from typing import Any
from urllib.parse import unquote_to_bytes

from server.addresses import UrlForm
from server.api.enums import Durability
from server.api.record import Record, decode, encode
from server.engines._keyvalue import KeyValue
from server.engines.base import Op, Promise, Service
from server.errors import Unavailable

BATCH = 500
BUSY_PAUSE = 0.01

URL_FORM = UrlForm({"memcached": "memcached"}, 11211, has_account=False)


class Memcached(KeyValue):
    """A record is the value of one key; `update` is memcached's own `replace`."""

    service = Service("memcached", {None: "memcached://127.0.0.1:11311"}, URL_FORM.normalize)
    durabilities = {Durability.VOLATILE: Promise("memory only; evicts when full", False, False)}

    @property
    def host(self) -> tuple[str, int]:
        """The address as (host, port)."""
        url = URL_FORM.read(self.address)
        return url.host, url.port

    def key(self, id: str) -> str:
        """Return the key of a record."""
        return f"{self.collection}:{id}"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Delete this store's keys and set those of `records`; the other stores' keys stay."""
        values = {self.key(record.id).encode(): encode(record) for record in records}
        prefix = f"{self.collection}:".encode()
        yield db.run_blocking(replace, self.host, prefix, values, self.deadline)

    def create(self, db: Any, record: Record) -> Op[None]:
        """set."""
        yield db.set(self.key(record.id).encode(), encode(record))

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """get."""
        value = yield db.get(self.key(id).encode())
        return None if value is None else decode(value)

    def update(self, db: Any, record: Record) -> Op[bool]:
        """replace, which answers NOT_STORED where there is no such key."""
        is_stored: bool = yield db.replace(self.key(record.id).encode(), encode(record))
        return is_stored

    def delete(self, db: Any, id: str) -> Op[bool]:
        """delete."""
        is_deleted: bool = yield db.delete(self.key(id).encode())
        return is_deleted


def replace(
    host: tuple[str, int], prefix: bytes, values: dict[bytes, bytes], deadline: float
) -> None:
    """Make the keys that begin with `prefix` those of `values`, on a separate connection.

    Neither driver can list keys or pipeline safely, so this speaks the protocol itself. Raises
    OSError, and Unavailable where the server does not store.
    """
    with socket.create_connection(host, deadline) as connection:
        stream = connection.makefile("rwb")
        old = [key for key in _keys(stream) if key.startswith(prefix)]
        _send(stream, [b"delete %b\r\n" % key for key in old], {b"DELETED", b"NOT_FOUND"})
        sets = [b"set %b 0 0 %d\r\n%b\r\n" % (k, len(v), v) for k, v in values.items()]
        _send(stream, sets, {b"STORED"})


def _keys(stream: BufferedRWPair) -> Iterator[bytes]:
    """Yield every key on the server. Its crawler serves one at a time, so wait for a turn."""
    line = b"BUSY"
    while line.startswith(b"BUSY"):
        if line != b"BUSY":
            time.sleep(BUSY_PAUSE)  # the server has nothing to await
        line = _ask(stream, b"lru_crawler metadump all\r\n")
    while line != b"END":
        if not line.startswith(b"key="):
            raise Unavailable(f"memcached does not list its keys: {line.decode('latin-1')}")
        yield unquote_to_bytes(line[4 : line.index(b" ")])
        line = _line(stream)


def _send(stream: BufferedRWPair, commands: Sequence[bytes], good: set[bytes]) -> None:
    for start in range(0, len(commands), BATCH):
        batch = commands[start : start + BATCH]
        stream.write(b"".join(batch))
        stream.flush()
        for _ in batch:
            if (line := _line(stream)) not in good:
                raise Unavailable(f"memcached does not store: {line.decode('latin-1')}")


def _ask(stream: BufferedRWPair, command: bytes) -> bytes:
    stream.write(command)
    stream.flush()
    return _line(stream)


def _line(stream: BufferedRWPair) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\n"):  # the crawler writes no \r
        raise EOFError("memcached closed the connection")
    return line.rstrip(b"\r\n")
