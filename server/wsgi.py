"""The same routes as a WSGI application, for gunicorn: the thread of a worker waits.

`gunicorn -c deploy/gunicorn.conf.py` serves `application` with whatever worker it is told to take;
the `tornado` worker gets the Tornado application instead (see `Application.inside`). Nothing is
opened before the first request, so a worker may be forked at any time before that.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from server.api.enums import Mode
from server.api.schemas import Catalog
from server.app import BODILESS, make_app
from server.engines import EngineError, discover
from server.environ import Environ, Request
from server.exchange import exchange
from server.handlers.base import Serving
from server.process import Process
from server.routes import Routes, TooLargeHandler
from server.settings import Settings, read
from server.stores import Stores
from server.stores.catalog import StoreCatalog
from server.stores.modes.worker import WorkerExecutor
from watch import LoopWatch, watched_loop

Start = Callable[[str, list[tuple[str, str]]], Any]

POOL: Final = "slow"

_NO_APPLICATION: Final = 4
"""The exit code by which a worker tells gunicorn to give up, and not to start it again."""


class Asking(StoreCatalog):
    """Asks the databases anew each time, on the event loop of whoever asks."""

    async def describe(self) -> Catalog:
        """Return what `GET /stores` answers."""
        return await StoreCatalog(self._stores, self._settings).describe()


class Site:
    """What one process serves: its stores, its name, its routes."""

    def __init__(self, settings: Settings) -> None:
        engines = discover(settings.engines).values()
        stores = Stores(engines, settings, {Mode.BLOCKING: WorkerExecutor})
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
        """Return what a worker of gunicorn is to serve: this, or the Tornado application.

        Ends gunicorn with one line where an engine of the user's own cannot be used.
        """
        try:
            discover(read([]).engines)
        except EngineError as error:
            worker.log.error(str(error))
            sys.exit(_NO_APPLICATION)
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
    make_loop, watch = watched_loop(settings.loop, "server")
    loop = make_loop()
    asyncio.set_event_loop(loop)
    loop.call_soon(watch.start)
    return make_app(Stores(discover(settings.engines).values(), settings), settings, watch)


application = Application()
