"""The same routes as a WSGI application, for gunicorn: the thread of a worker waits.

`gunicorn -c deploy/gunicorn.conf.py` serves `application` with whatever worker it is told to take;
the `tornado` worker gets the Tornado application instead (see `Application.inside`). Nothing is
opened before the first request, so a worker may be forked at any time before that.

The handlers are those of the Tornado server: an `Exchange` is one whose request came by WSGI and
whose answer is kept. A WSGI thread has no event loop, so what tells of one is not offered.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import cache, cached_property
from http import HTTPStatus
from typing import Any, ClassVar, Final
from urllib.parse import quote

from tornado.escape import parse_qs_bytes
from tornado.web import HTTPError

from server.answers import Catalog
from server.app import BODILESS, make_app, new_loop
from server.catalogue import Catalogue
from server.engines import discover
from server.errors import NotOffered
from server.handlers.about import MetricsHandler
from server.handlers.base import Handler, Serving
from server.handlers.index import IndexHandler
from server.handlers.probe import LoopHandler, StoresHandler
from server.handlers.records import RecordsHandler, SummaryHandler
from server.handlers.sleep import SleepHandler
from server.limits import PATIENCE
from server.loopwatch import LoopWatch
from server.modes.worker import Worker
from server.process import Process
from server.routes import Routes, TooLargeHandler
from server.settings import Settings, read
from server.stores import Stores
from server.words import Mode

Environ = Mapping[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]

POOL: Final = "slow"
CHUNK: Final = 1 << 16

LOOPLESS: Final = {
    LoopHandler: "a WSGI worker has no event loop",
    MetricsHandler: "a worker knows of its own requests only: ask gunicorn (--statsd-host)",
    IndexHandler: "the page for people is the Tornado server's; GET /stores has the same as JSON",
}
"""What is not offered here, and why."""

BESIDE: Final = {RecordsHandler: "PUT", SummaryHandler: "PUT", StoresHandler: "GET"}
"""What gets an event loop for itself: databases are asked or filled, and nothing is measured."""


class Headers:
    """A request's headers as WSGI has them."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def get(self, name: str, default: str = "") -> str:
        """Return one, or `default`."""
        return str(self._environ.get(_key(name), default))

    def __getitem__(self, name: str) -> str:
        return str(self._environ[_key(name)])

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._environ


@cache
def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


class Request:
    """What handlers ask of a request, from WSGI's environ."""

    def __init__(self, environ: Environ) -> None:
        self.method = str(environ["REQUEST_METHOD"])
        raw = str(environ.get("RAW_URI") or _uri(environ))
        self.path, _, self.query = raw.partition("?")
        self.headers = Headers(environ)
        self.body = b""
        self._environ = environ

    @cached_property
    def query_arguments(self) -> dict[str, list[bytes]]:
        """The query's arguments, as Tornado has them."""
        return parse_qs_bytes(self.query, keep_blank_values=True)

    def take(self, most: int) -> bool:
        """Read the body; False if it is larger than `most`, and then it is read and thrown away.

        A client that is still sending does not read, and loses an answer given too early.
        """
        announced = self._environ.get("CONTENT_LENGTH") or ""
        length = int(announced) if announced.isdigit() else None
        if length is None and not self._environ.get("wsgi.input_terminated"):
            return True
        if length is not None and length > most and (length > PATIENCE or "Expect" in self.headers):
            return False
        self.body, fits = self._read(most, length)
        return fits

    def _read(self, most: int, length: int | None) -> tuple[bytes, bool]:
        stream, parts, size = self._environ["wsgi.input"], [], 0
        while length is None or size < length:
            part = stream.read(CHUNK if length is None else min(CHUNK, length - size))
            if not part:
                break
            size += len(part)
            if size <= most:
                parts.append(part)
        return (b"".join(parts), True) if size <= most else (b"", False)


def _uri(environ: Environ) -> str:
    """The path of a server that does not keep the raw one."""
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


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


class Asking(Catalogue):
    """Asks the databases anew each time, on the event loop of whoever asks."""

    async def describe(self) -> Catalog:
        """Return what `GET /stores` answers."""
        return await Catalogue(self._stores, self._settings).describe()


class Site:
    """What one process serves: its stores, its name, its routes."""

    def __init__(self, settings: Settings) -> None:
        engines = discover(settings.engines).values()
        stores = Stores(engines, settings, {Mode.BLOCKING: Worker})
        process = Process(stores, settings, LoopWatch())
        process.catalogue = Asking(stores, settings)
        self._serving = Serving(process)
        self._routes = Routes(stores)

    def answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        kind, given = self._routes.find(request.path)
        if request.method not in BODILESS:
            most = kind.limit(request.method)
            if not request.take(most):
                kind, given = TooLargeHandler, {"limit": most}
        made = exchange(kind)(self._serving, request, given)
        made.run()
        start(made.status, made.fields)
        return [] if request.method == "HEAD" else [made.sent]


class Application:
    """The WSGI application; what it serves is made by the first request, in its own process."""

    def __init__(self) -> None:
        self._given: dict[str, Any] = {}
        self._site: Site | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        site = self._site
        if site is None or self._pid != os.getpid():
            site = self._open(int(environ["SERVER_PORT"]))
        return site.answer(environ, start)

    def _open(self, port: int) -> Site:
        with self._lock:
            if self._site is None or self._pid != os.getpid():
                self._site = Site(_settings(**{"port": port, **self._given}, loop="none"))
                self._pid = os.getpid()
            return self._site

    def inside(self, worker: Any) -> Any:
        """Return what a worker of gunicorn is to serve: this, or the Tornado application."""
        port = worker.sockets[0].getsockname()[1]
        if worker.cfg.worker_class_str == "tornado":
            threads = {"connections": worker.cfg.threads} if worker.cfg.threads > 1 else {}
            return tornado_application(_settings(port=port, **threads))
        self._given = {"port": port, "connections": worker.cfg.threads}
        return self


def _settings(**given: Any) -> Settings:
    return replace(read([]), pool=POOL, **given)


def tornado_application(settings: Settings) -> Serving:
    """Return the Tornado application, on the event loop that a worker that begins now will run."""
    make_loop, watch = new_loop(settings.loop)
    loop = make_loop()
    asyncio.set_event_loop(loop)
    loop.call_soon(watch.start)
    return make_app(Stores(discover(settings.engines).values(), settings), settings, watch)


application = Application()
