"""The Tornado handlers without Tornado's server: their request comes by WSGI, their answer is kept.

A WSGI thread has no event loop, so what tells of one is not offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

from tornado.web import HTTPError

from server.api.enums import Mode
from server.environ import Request
from server.errors import NotOffered
from server.handlers.about import MetricsHandler
from server.handlers.base import Handler, Serving
from server.handlers.index import IndexHandler
from server.handlers.probe import LoopHandler, StoresHandler
from server.handlers.records import RecordsHandler, SummaryHandler
from server.handlers.sleep import SleepHandler

LOOPLESS: Final = {
    LoopHandler: "a WSGI worker has no event loop",
    MetricsHandler: "a worker knows of its own requests only: ask gunicorn (--statsd-host)",
    IndexHandler: "the page for people is the Tornado server's; GET /stores has the same as JSON",
}
"""What is not offered here, and why."""

BESIDE: Final = {RecordsHandler: "PUT", SummaryHandler: "PUT", StoresHandler: "GET"}
"""What gets an event loop for itself: databases are asked or filled, and nothing is measured."""


class Exchange(Handler):
    """A handler whose request came by WSGI; `run` leaves the answer in `status` and `sent`.

    `refusal` is why its kind is not offered here, `beside` the verb that gets an event loop.
    """

    refusal: ClassVar[str | None] = None
    beside: ClassVar[str | None] = None

    def __init__(self, application: Serving, request: Request, given: Mapping[str, Any]) -> None:
        self.application = application
        self.request = request  # type: ignore[assignment]
        self.sent = b""
        self._renew()
        self.initialize(**given)

    def _renew(self) -> None:
        self._headers: dict[str, str] = {}  # type: ignore[assignment]
        self._status_code, self._reason = 200, "OK"
        self.set_default_headers()

    @property
    def status(self) -> str:
        """The status line."""
        return f"{self._status_code} {self._reason}"

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The headers."""
        return list(self._headers.items())

    def begin(self) -> None:
        """Count nothing: the process's counts are for one thread."""

    def run(self) -> None:
        """Do what was asked, or tell what is wrong."""
        try:
            self._do()
        except Exception as error:
            self._fail(error)

    def _do(self) -> None:
        method = self.request.method
        if method not in self.SUPPORTED_METHODS:
            raise HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        if self.refusal is not None:
            raise NotOffered(self.refusal)
        self.prepare()
        doing = getattr(self, method.lower())()
        if doing is not None:
            (asyncio.run if method == self.beside else finished)(doing)

    def _fail(self, error: Exception) -> None:
        status = error.status_code if isinstance(error, HTTPError) else 500
        kinds = (type(error), error, error.__traceback__)
        self.log_exception(*kinds)
        self._renew()
        self.set_status(status)
        self.write_error(status, exc_info=kinds)

    def finish(self, chunk: Any = None) -> Any:
        """Keep the answer."""
        self._headers["Server-Timing"] = self.timing()
        self.sent = chunk or b""


class Sleeping(Exchange):
    """Sleeps on the worker's own thread; there is no other way here."""

    def query(self, *names: str) -> dict[str, str]:
        """Return the query's arguments; raises NotOffered for another way to wait."""
        found = super().query(*names)
        if found.get("mode") in (Mode.THREADS, Mode.ASYNC):
            raise NotOffered(f"mode={found['mode']}: a WSGI worker's thread waits, blocking")
        return found


def finished(doing: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never suspends, as those of a `Worker` are, to its end."""
    try:
        doing.send(None)
    except StopIteration:
        return
    doing.close()
    raise RuntimeError("a handler waited for an event loop where there is none")


_exchanges: dict[type[Handler], type[Exchange]] = {}


def exchange(kind: type[Handler]) -> type[Exchange]:
    """Return the handler of this kind that takes its request from WSGI."""
    if kind not in _exchanges:
        facts = {"refusal": LOOPLESS.get(kind), "beside": BESIDE.get(kind)}
        bases = (Sleeping if kind is SleepHandler else Exchange, kind)
        _exchanges[kind] = type(f"Wsgi{kind.__name__}", bases, facts)
    return _exchanges[kind]
