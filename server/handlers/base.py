"""What every answer has: its headers, its errors as problem details, its place in the metrics."""

from __future__ import annotations

import itertools
import logging
import re
from http import HTTPStatus
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tornado.web import Application, HTTPError, RequestHandler

from server.api.problem_details import problem_details
from server.body_limits import RECORD_LIMIT
from server.errors import Invalid, MethodNotAllowed, Problem
from server.process import Process
from server.settings import REQUEST_ID
from server.stores.modes import CallTimes
from watch.blocks import BLOCK

if TYPE_CHECKING:
    from asyncio import Future

log = logging.getLogger("server")

JSON = "application/json"
PROBLEM = "application/problem+json"


_is_request_id = re.compile(REQUEST_ID).fullmatch
_request_numbers = itertools.count(1)
_NO_TIMES = CallTimes()


class BaseApplication(Application):
    """A Tornado application that knows its process."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process = process

    def log_request(self, handler: RequestHandler) -> None:
        """Write no access log: the metrics count, and a line for each request would cost 14 us."""


class Handler(RequestHandler):
    """An ordinary RequestHandler with this server's headers, errors and metrics.

    `store_id` and `operation` say where a request is counted; `times` is filled in by a store.
    """

    application: BaseApplication
    store_id = ""
    operation = "other"
    times = _NO_TIMES
    started = entered = 0.0
    request_id = ""

    def set_default_headers(self) -> None:
        """Set the headers of every answer; runs again where an error replaces an answer."""
        process = self.application.process
        if not self.started:
            self.started = perf_counter()
            self.request_id = self._client_id() or f"{process.id_prefix}{next(_request_numbers):x}"
            self.count_in_flight()
        headers = self._headers
        headers["X-Request-Id"] = self.request_id
        headers["X-Process"] = process.name
        headers["X-Pool"] = process.settings.pool

    def count_in_flight(self) -> None:
        """Count the request among those in flight."""
        self.application.process.metrics.in_flight += 1

    def _client_id(self) -> str | None:
        """Return the request id that the client sent, if it is short and plain."""
        headers = self.request.headers
        if "X-Request-Id" not in headers:  # a third of what get() costs when there is none
            return None
        request_id = headers["X-Request-Id"]
        return request_id if _is_request_id(request_id) else None

    def prepare(self) -> None:
        """Note when the handler began: the loop may be blocked from now on."""
        self.entered = perf_counter()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        """Send the answer, with the time it took."""
        self._headers["Server-Timing"] = self.server_timing()
        if self.application.process.draining:
            self._headers["Connection"] = "close"
        return super().finish(chunk)

    def server_timing(self) -> str:
        """Return the Server-Timing header: where the time went, in milliseconds."""
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

    def head(self) -> Any:
        """Answer as GET does; Tornado sends no body."""
        return self.get()

    def query(self, *names: str) -> dict[str, str]:
        """Return the query's arguments; raises Invalid for unknown or repeated ones."""
        arguments: dict[str, str] = {}
        for name, values in self.request.query_arguments.items():
            if name not in names:
                raise Invalid(f"{name}: there is no such argument, only {', '.join(names)}", name)
            if len(values) > 1:
                raise Invalid(f"{name}: given {len(values)} times", name)
            arguments[name] = values[0].decode("utf-8", "replace")
        return arguments

    def set_etag_header(self) -> None:
        """Set none: nobody caches what is measured."""

    def check_etag_header(self) -> bool:
        """Compare none."""
        return False

    def respond(self, body: bytes, content_type: str = JSON) -> None:
        """Send `body`."""
        headers = self._headers  # set_header validates values that are right here, for 0.5 us
        headers["Content-Type"] = content_type
        headers["Content-Length"] = str(len(body))
        self.finish(body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send an error as RFC 9457 problem details, without internals."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Problem):
            self.set_status(error.status)
            if error.retry_after is not None:
                self.set_header("Retry-After", str(error.retry_after))
        elif status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error = MethodNotAllowed(f"{self.request.method} is not offered here")
            self.set_header("Allow", ", ".join(self.allowed_methods()))
        elif isinstance(error, HTTPError):
            error = Problem(error.get_message() or self._reason)
        else:
            error = Problem("the server failed; its log has more under this request's id")
        self.respond(problem_details(error, self._status_code), PROBLEM)

    @classmethod
    def body_limit(cls, method: str) -> int:  # noqa: ARG003
        """Return how many bytes the body may have."""
        return RECORD_LIMIT

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """Return the HTTP methods that this route knows."""
        methods = [
            method
            for method in cls.SUPPORTED_METHODS
            if getattr(cls, method.lower()) is not getattr(RequestHandler, method.lower())
        ]
        return [method for method in methods if method != "HEAD" or "GET" in methods]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log bugs; errors of clients are counted in the metrics."""
        if not isinstance(value, (Problem, HTTPError)):
            log.error(
                "%s %s %s failed",
                self.request_id,
                self.request.method,
                self.request.path,
                exc_info=(typ, value, tb),  # type: ignore[arg-type]
            )
