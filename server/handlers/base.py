"""What every answer has: its headers, its errors as problem details, its place in the metrics."""

from __future__ import annotations

import itertools
import logging
import re
from http import HTTPStatus
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from tornado.web import Application, HTTPError, RequestHandler

from server.api.record import encode
from server.api.schemas import ProblemDetails
from server.errors import Invalid, MethodNotAllowed, Problem
from server.limits import RECORD_LIMIT
from server.process import Process
from server.stores.modes import CallTimes
from watch.blocks import BLOCK

if TYPE_CHECKING:
    from asyncio import Future

log = logging.getLogger("server")

JSON = "application/json"
PROBLEM = "application/problem+json"

SANE_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,64}")

_ids = itertools.count(1)
_NO_TIMES = CallTimes()


class Serving(Application):
    """A Tornado application that knows its process."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process = process

    def log_request(self, handler: RequestHandler) -> None:
        """Write no access log: the metrics count, and a line for each request would cost 14 us."""


class Handler(RequestHandler):
    """An ordinary RequestHandler with this server's headers, errors and metrics.

    `store_id` and `operation` say where an answer is counted; `times` is what a store fills in.
    """

    application: Serving
    store_id = ""
    operation = "other"
    times = _NO_TIMES
    started = entered = 0.0
    request_id = ""

    def set_default_headers(self) -> None:
        """Put on what every answer carries; runs again where an error replaces an answer."""
        process = self.application.process
        if not self.started:
            self.started = perf_counter()
            self.request_id = self._given_id() or f"{process.mark}{next(_ids):x}"
            self.begin()
        headers = self._headers
        headers["X-Request-Id"] = self.request_id
        headers["X-Process"] = process.name
        headers["X-Pool"] = process.settings.pool

    def begin(self) -> None:
        """Count the request among those under way."""
        self.application.process.metrics.in_flight += 1

    def _given_id(self) -> str | None:
        headers = self.request.headers
        if "X-Request-Id" not in headers:  # a third of what get() costs when there is none
            return None
        given = headers["X-Request-Id"]
        return given if SANE_ID.fullmatch(given) else None

    def prepare(self) -> None:
        """Take note that the loop has come round to this request; what blocks it comes now."""
        self.entered = perf_counter()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        """Send the answer, with the time it took."""
        self._headers["Server-Timing"] = self.timing()
        if self.application.process.draining:
            self._headers["Connection"] = "close"
        return super().finish(chunk)

    def timing(self) -> str:
        """Return what Server-Timing says: where the time went, in milliseconds."""
        times = self.times
        return (
            f"handler;dur={(perf_counter() - self.started) * 1e3:.3f}, "
            f"wait;dur={times.wait * 1e3:.3f}, driver;dur={times.driver * 1e3:.3f}"
        )

    def on_finish(self) -> None:
        """Count the answer."""
        process, seconds = self.application.process, perf_counter() - self.started
        process.metrics.in_flight -= 1
        process.metrics.observe(self.store_id, self.operation, self._status_code, seconds)
        if seconds >= BLOCK:
            process.watch.note_request(self, self.entered)

    def query(self, *names: str) -> dict[str, str]:
        """Return the query's arguments; raises Invalid for unknown or repeated ones."""
        found: dict[str, str] = {}
        for name, values in self.request.query_arguments.items():
            if name not in names:
                raise Invalid(f"{name}: there is no such argument, only {', '.join(names)}", name)
            if len(values) > 1:
                raise Invalid(f"{name}: given {len(values)} times", name)
            found[name] = values[0].decode("utf-8", "replace")
        return found

    def set_etag_header(self) -> None:
        """Make none: nobody caches what is measured."""

    def check_etag_header(self) -> bool:
        """Compare none."""
        return False

    def answer(self, body: bytes, kind: str = JSON) -> None:
        """Send `body`."""
        headers = self._headers  # set_header checks what is known to be right here, for 0.5 us
        headers["Content-Type"] = kind
        headers["Content-Length"] = str(len(body))
        self.finish(body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send an error as RFC 9457 problem details, without anything from inside."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Problem):
            self.set_status(error.status)
            if error.retry_after is not None:
                self.set_header("Retry-After", str(error.retry_after))
        elif status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error = MethodNotAllowed(f"{self.request.method} is not offered here")
            self.set_header("Allow", ", ".join(self.verbs()))
        elif isinstance(error, HTTPError):
            error = Problem(error.get_message() or self._reason)
        else:
            error = Problem("the server failed; its log has more under this request's id")
        self.answer(problem(error, self._status_code), PROBLEM)

    @classmethod
    def limit(cls, verb: str) -> int:  # noqa: ARG003
        """Return how many bytes the body may have."""
        return RECORD_LIMIT

    @classmethod
    def verbs(cls) -> list[str]:
        """Return the methods that this route knows."""
        return [
            verb
            for verb in cls.SUPPORTED_METHODS
            if getattr(cls, verb.lower()) is not getattr(RequestHandler, verb.lower())
        ]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what is our fault; what clients are told is in the metrics."""
        if not isinstance(value, (Problem, HTTPError)):
            log.error(
                "%s %s %s failed",
                self.request_id,
                self.request.method,
                self.request.path,
                exc_info=(typ, value, tb),  # type: ignore[arg-type]
            )


def problem(error: Problem, status: int) -> bytes:
    """Return the JSON of RFC 9457 for `error`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__)
    if type(error) is Problem:
        name = HTTPStatus(status).phrase
    return encode(
        ProblemDetails(
            type=f"urn:windtunnel:problem:{name.lower().replace(' ', '-')}",
            title=name.capitalize(),
            status=status,
            detail=error.detail,
            field=UNSET if error.field is None else error.field,
        )
    )
