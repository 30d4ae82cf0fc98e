"""The Tornado handlers without Tornado's server: their request comes by WSGI, the response is kept.

A WSGI thread has no event loop, so what describes a loop is not offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

from tornado.web import HTTPError

from server.api.enums import Mode
from server.errors import NotOffered
from server.handlers.base import BaseApplication, Handler
from server.handlers.catalog import StoresHandler
from server.handlers.index import IndexHandler
from server.handlers.monitoring import LoopHandler, MetricsHandler
from server.handlers.records import RecordsHandler, SummaryHandler
from server.handlers.sleep import SleepHandler
from server.wsgi.request import WsgiRequest

NOT_OFFERED: Final = {
    LoopHandler: "a WSGI worker has no event loop",
    MetricsHandler: "a worker knows of its own requests only: ask gunicorn (--statsd-host)",
    IndexHandler: "the page for people is the Tornado server's; GET /stores has the same as JSON",
}
"""What is not offered under WSGI, and why."""

WITH_LOOP: Final = {RecordsHandler: "PUT", SummaryHandler: "PUT", StoresHandler: "GET"}
"""Requests that run in an event loop of their own: resets, seedings, probes; none is measured."""


class WsgiHandler(Handler):
    """A handler whose request came by WSGI; `run` leaves `status` and `response_body`.

    `refusal` is why its route is not offered, `loop_verb` the verb that runs in an event loop.
    """

    refusal: ClassVar[str | None] = None
    loop_verb: ClassVar[str | None] = None

    def __init__(
        self, application: BaseApplication, request: WsgiRequest, arguments: Mapping[str, Any]
    ) -> None:
        self.application = application
        self.request = request  # type: ignore[assignment]
        self.response_body = b""
        self._reset()
        self.initialize(**arguments)

    def _reset(self) -> None:
        self._headers: dict[str, str] = {}  # type: ignore[assignment]
        self._status_code, self._reason = 200, "OK"
        self.set_default_headers()

    @property
    def status(self) -> str:
        """The status line."""
        return f"{self._status_code} {self._reason}"

    @property
    def header_list(self) -> list[tuple[str, str]]:
        """The headers."""
        return list(self._headers.items())

    def count_in_flight(self) -> None:
        """Count nothing: the process's counts are for one thread."""

    def run(self) -> None:
        """Handle the request, errors included."""
        try:
            self._handle()
        except Exception as error:
            self._handle_error(error)

    def _handle(self) -> None:
        method = self.request.method
        if method not in self.SUPPORTED_METHODS:
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        if self.refusal is not None:
            raise NotOffered(self.refusal)
        self.prepare()
        coroutine = getattr(self, method.lower())()
        if coroutine is not None:
            verb = "GET" if method == "HEAD" else method
            (asyncio.run if verb == self.loop_verb else run_without_loop)(coroutine)

    def _handle_error(self, error: Exception) -> None:
        status = error.status_code if isinstance(error, HTTPError) else 500
        exc_info = (type(error), error, error.__traceback__)
        self.log_exception(*exc_info)
        self._reset()
        self.set_status(status)
        self.write_error(status, exc_info=exc_info)

    def finish(self, chunk: Any = None) -> Any:
        """Keep the response."""
        self._headers["Server-Timing"] = self.server_timing()
        self.response_body = chunk or b""


class WsgiSleepHandler(WsgiHandler):
    """Sleeps on the worker's own thread, the only mode under WSGI."""

    def query(self, *names: str) -> dict[str, str]:
        """Return the query's arguments; raises NotOffered for another mode."""
        arguments = super().query(*names)
        mode = arguments.get("mode")
        if mode in (Mode.THREADS, Mode.ASYNC):
            raise NotOffered(f"mode={mode}: a WSGI worker's thread waits, blocking")
        return arguments


def run_without_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never suspends, as those of a `WorkerExecutor`, to its end."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a handler waited for an event loop where there is none")


_classes: dict[type[Handler], type[WsgiHandler]] = {}


def wsgi_handler(handler_class: type[Handler]) -> type[WsgiHandler]:
    """Return the subclass of a handler that takes its request from WSGI."""
    if handler_class not in _classes:
        attributes = {
            "refusal": NOT_OFFERED.get(handler_class),
            "loop_verb": WITH_LOOP.get(handler_class),
        }
        base = WsgiSleepHandler if handler_class is SleepHandler else WsgiHandler
        name = f"Wsgi{handler_class.__name__}"
        _classes[handler_class] = type(name, (base, handler_class), attributes)
    return _classes[handler_class]
