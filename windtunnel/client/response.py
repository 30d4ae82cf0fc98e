"""An HTTP response as a load generator needs it, and the reader that parses it."""

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
def status_outcome(status: int) -> str:
    """The outcome of a response with another status than the expected one."""
    return f"status-{status}"


class ResponseError(Exception):
    """Bytes that are no response, or too many of them; the text is the name of the outcome."""


class Response:
    """A response, or a failure to get one: then `status` is 0 and `outcome` names the failure.

    `sent_at` and `done_at` are `time.perf_counter()` seconds of the actual send and of the last
    byte (of a failure: its start and its end). With `retried` the request was sent twice, and
    `sent_at` is of the first send.
    """

    __slots__ = ("body", "done_at", "outcome", "raw", "retried", "sent_at", "status")

    def __init__(
        self, outcome: str, status: int, raw: bytes, body: bytes, sent_at: float, done_at: float
    ) -> None:
        self.outcome = outcome
        self.status = status
        self.raw = raw
        self.body = body
        self.sent_at = sent_at
        self.done_at = done_at
        self.retried = False

    @property
    def service_us(self) -> float:
        """Service time in microseconds."""
        return (self.done_at - self.sent_at) * 1e6

    @property
    def headers(self) -> dict[str, str]:
        """Header fields by lower-case name, parsed now; repeated ones joined by a comma."""
        return parse_headers(self.raw)

    def header(self, name: bytes) -> bytes:
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
    """Return the head of a response, interim (1xx) responses skipped; None if it is incomplete."""
    head, end, rest = raw.partition(b"\r\n\r\n")
    while end and head[9:10] == b"1":
        head, end, rest = rest.partition(b"\r\n\r\n")
    return head if end else None


def parse_headers(raw: bytes) -> dict[str, str]:
    """Parse the header fields of a response: by lower-case name, repeated ones joined."""
    fields: dict[str, str] = {}
    for line in (final_head(raw) or b"").decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


class Reader:
    """Parses one response, however it is cut; released, it parses another connection's.

    A parser takes a kilobyte, and few of many connections are in the middle of a response.
    """

    __slots__ = (
        "_bodies", "_chunks", "_limit", "_parser", "_size", "complete", "keep_alive", "status",
    )  # fmt: skip

    def __init__(self, limit: int) -> None:
        self._parser = HttpResponseParser(self)
        self._reset(limit)

    @staticmethod
    def acquire(limit: int) -> Reader:
        """Return a reader that expects a response of at most `limit` bytes."""
        if not _free:
            return Reader(limit)
        reader = _free.pop()
        reader._limit = limit
        return reader

    def release(self) -> None:
        """Make it free for others; only after a response that left its connection open."""
        if len(_free) < _MAX_FREE:
            self._reset(self._limit)  # now, as it would keep what it read from being freed
            _free.append(self)

    def _reset(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._bodies: list[bytes] = []
        self._size = 0
        self.status = 0
        self.complete = False
        self.keep_alive = False

    def feed(self, data: bytes) -> None:
        """Take received bytes; `complete` says afterwards whether the response is complete.

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
        """Take the end of the connection; raises ResponseError if the response is incomplete.

        A response without a length is complete when the connection ends (RFC 9112, 6.3).
        """
        if not (self.complete or self._ends_with_connection()):
            raise ResponseError(CLOSED)
        self.status = self.status or self._parser.get_status_code()
        self.complete = True

    @property
    def raw(self) -> bytes:
        """The bytes of the response as they came."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def body(self) -> bytes:
        """The body without its transfer coding."""
        return self._bodies[0] if len(self._bodies) == 1 else b"".join(self._bodies)

    def _ends_with_connection(self) -> bool:
        if final_head(self.raw) is None:
            return False
        fields = parse_headers(self.raw)
        chunked = fields.get("transfer-encoding", "").lower().endswith("chunked")
        return not chunked and "content-length" not in fields

    # -- called by the parser ---------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second response: there was one request."""
        if self.complete:
            raise ResponseError(MALFORMED)

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._bodies.append(data)

    def on_message_complete(self) -> None:
        """Note the end of a response, unless it is an interim one."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
            self.keep_alive = self._parser.should_keep_alive()
            self.complete = True


_H: Final = ord("H")
_MAX_FREE: Final = 100
_free: Final[list[Reader]] = []
