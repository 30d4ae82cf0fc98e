"""An HTTP answer as a load generator needs it, and the reader that makes it out of bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

OK: Final = "ok"
REFUSED: Final = "refused"
RESET: Final = "reset"
TIMEOUT: Final = "timeout"
CLOSED: Final = "closed"
STALE: Final = "stale"
MALFORMED: Final = "malformed"
OVERSIZE: Final = "oversize"
WRONG: Final = "wrong"


@lru_cache(maxsize=1000)
def unexpected(status: int) -> str:
    """The name of the failure to answer with another status than the right one."""
    return f"status-{status}"


class ResponseError(Exception):
    """Bytes that are no answer, or too many of them; its text is the outcome's name."""


class Response:
    """What came back: `status` is 0 and `outcome` a failure's name where nothing whole did.

    `sent` and `done` are `time.perf_counter()` seconds of the actual send and of the last byte
    (for a failure: of its beginning and of its end). One that was `retried` was asked for twice,
    and `sent` is of the first time.
    """

    __slots__ = ("body", "done", "outcome", "raw", "retried", "sent", "status")

    def __init__(
        self, outcome: str, status: int, raw: bytes, body: bytes, sent: float, done: float
    ) -> None:
        self.outcome = outcome
        self.status = status
        self.raw = raw
        self.body = body
        self.sent = sent
        self.done = done
        self.retried = False

    @property
    def service_us(self) -> float:
        """Service time in microseconds."""
        return (self.done - self.sent) * 1e6

    @property
    def headers(self) -> dict[str, str]:
        """Header fields by lower-case name, parsed now; repeated ones joined by a comma."""
        return headers(self.raw)

    def field(self, name: bytes) -> bytes:
        """Return one header field without parsing the others; b"" if it is not there.

        `name` must be spelled as the server spells it.
        """
        raw = self.raw
        start = raw.find(b"\r\n" + name + b": ")
        if start < 0:
            return b""
        start += len(name) + 4
        return raw[start : raw.find(b"\r\n", start)]


def final_head(raw: bytes) -> bytes | None:
    """The head of an answer, those of interim (1xx) answers skipped; None if it is not whole."""
    head, end, rest = raw.partition(b"\r\n\r\n")
    while end and head[9:10] == b"1":
        head, end, rest = rest.partition(b"\r\n\r\n")
    return head if end else None


def headers(raw: bytes) -> dict[str, str]:
    """Parse the header fields of an answer: by lower-case name, repeated ones joined."""
    fields: dict[str, str] = {}
    for line in (final_head(raw) or b"").decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


class Reader:
    """Reads one answer, however it is cut; then it is given back, to read one elsewhere.

    A parser takes a kilobyte, and few of many connections are in the middle of an answer.
    """

    __slots__ = ("_bodies", "_chunks", "_limit", "_parser", "_size", "complete", "keep", "status")

    def __init__(self, limit: int) -> None:
        self._parser = HttpResponseParser(self)
        self._begin(limit)

    @staticmethod
    def borrow(limit: int) -> Reader:
        """Return one that expects an answer of at most `limit` bytes."""
        if not _spare:
            return Reader(limit)
        reader = _spare.pop()
        reader._limit = limit
        return reader

    def give_back(self) -> None:
        """Let it read elsewhere: only after an answer that left its connection open."""
        if len(_spare) < _SPARE:
            self._begin(self._limit)  # now: what was read would be kept from being freed
            _spare.append(self)

    def _begin(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._bodies: list[bytes] = []
        self._size = 0
        self.status = 0
        self.complete = False
        self.keep = False

    def feed(self, data: bytes) -> None:
        """Take what was received; `complete` says afterwards whether the answer is whole.

        Raises ResponseError.
        """
        if not self._chunks and data[0] != _H:  # the parser would skip empty lines
            raise ResponseError(MALFORMED)
        self._chunks.append(data)
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise ResponseError(MALFORMED) from error
        if self._size > self._limit:
            raise ResponseError(OVERSIZE)

    def end(self) -> None:
        """Take the end of the connection; raises ResponseError if the answer is not whole.

        An answer that gives no length is whole when the connection ends (RFC 9112, 6.3).
        """
        if not (self.complete or self._ends_with_connection()):
            raise ResponseError(CLOSED)
        self.status = self.status or self._parser.get_status_code()
        self.complete = True

    @property
    def raw(self) -> bytes:
        """The bytes of the answer as they came."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def body(self) -> bytes:
        """The body without its transfer coding."""
        return self._bodies[0] if len(self._bodies) == 1 else b"".join(self._bodies)

    def _ends_with_connection(self) -> bool:
        if final_head(self.raw) is None:
            return False
        fields = headers(self.raw)
        chunked = fields.get("transfer-encoding", "").lower().endswith("chunked")
        return not chunked and "content-length" not in fields

    # -- called by the parser ---------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse what nobody asked for."""
        if self.complete:
            raise ResponseError(MALFORMED)

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._bodies.append(data)

    def on_message_complete(self) -> None:
        """Take note of an answer's end, unless it is an interim one."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
            self.keep = self._parser.should_keep_alive()
            self.complete = True


_H: Final = ord("H")
_SPARE: Final = 100
_spare: Final[list[Reader]] = []
