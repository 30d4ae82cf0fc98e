"""What every answer has: its headers, its errors as problem details, its place in the metrics."""

from __future__ import annotations

import itertools
import logging
import re
import time
from http import HTTPStatus
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
from tornado.web import HTTPError, RequestHandler

from server.errors import MethodNotAllowed, Problem
from server.modes import Times

if TYPE_CHECKING:
    from asyncio import Future

    from server.app import App

log = logging.getLogger("server")

JSON = "application/json"
PROBLEM = "application/problem+json"

SANE_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,64}")

_ids = itertools.count(1)
_NO_TIMES = Times()


class Handler(RequestHandler):
    """An ordinary RequestHandler with this server's headers, errors and metrics.

    `store_id` and `operation` say where an answer is counted; `times` is what a store fills in.
    """

    application: App
    store_id = ""
    operation = "other"
    times = _NO_TIMES
    started = 0.0

    def set_default_headers(self) -> None:
        """Put on what every answer carries; runs again where an error replaces an answer."""
        application = self.application
        if not self.started:
            self.started = perf_counter()
            application.metrics.in_flight += 1
        headers = self._headers
        given = self.request.headers.get("X-Request-Id")
        if given is None:
            given = f"{application.mark}{next(_ids):x}"
        elif not SANE_ID.fullmatch(given):
            given = self.request.headers["X-Request-Id"] = f"{application.mark}{next(_ids):x}"
        headers["X-Request-Id"] = given
        headers["X-Process"] = application.process
        headers["X-Pool"] = application.pool

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        """Send the answer, with the time it took."""
        times = self.times
        self._headers["Server-Timing"] = (
            f"handler;dur={(perf_counter() - self.started) * 1e3:.3f}, "
            f"wait;dur={times.wait * 1e3:.3f}, driver;dur={times.driver * 1e3:.3f}"
        )
        if self.application.draining:
            self._headers["Connection"] = "close"
        return super().finish(chunk)

    def on_finish(self) -> None:
        """Count the answer."""
        metrics = self.application.metrics
        metrics.in_flight -= 1
        metrics.observe(
            self.store_id, self.operation, self._status_code, perf_counter() - self.started
        )

    def set_etag_header(self) -> None:
        """Make none: nobody caches what is measured."""

    def check_etag_header(self) -> bool:
        """Compare none."""
        return False

    def answer(self, body: bytes, kind: str = JSON) -> None:
        """Send `body`."""
        self._headers["Content-Type"] = kind
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
                self._headers.get("X-Request-Id"),
                self.request.method,
                self.request.path,
                exc_info=(typ, value, tb),  # type: ignore[arg-type]
            )


def problem(error: Problem, status: int) -> bytes:
    """Return the JSON of RFC 9457 for `error`."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__)
    if type(error) is Problem:
        name = HTTPStatus(status).phrase
    body = {
        "type": f"urn:windtunnel:problem:{name.lower().replace(' ', '-')}",
        "title": name.capitalize(),
        "status": status,
        "detail": error.detail,
    }
    if error.field is not None:
        body["field"] = error.field
    return msgspec.json.encode(body)


def new_mark() -> str:
    """Return what begins the request ids of this process: no other process has the same."""
    return f"{time.time_ns() // 1000:x}-"
