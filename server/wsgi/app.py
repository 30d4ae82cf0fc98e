"""The WSGI application, for gunicorn: its routes are the Tornado server's, its threads wait.

`gunicorn -c deploy/gunicorn.conf.py` serves `application` with any kind of worker; the `tornado`
worker gets the Tornado application instead (see `WsgiApplication.for_worker`). Nothing is opened
before the first request, so a worker may be forked at any time before that.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from server.addresses import AddressError
from server.api.enums import Mode
from server.api.schemas import Catalog
from server.app import BODILESS, make_app
from server.engines import EngineError, discover
from server.guard import RequestGuard
from server.handlers.base import BaseApplication
from server.process import Process
from server.routes import ForbiddenHandler, Routes, TooLargeHandler
from server.settings import Settings, read
from server.stores import Stores
from server.stores.catalog import StoreCatalog
from server.wsgi.executor import WorkerExecutor
from server.wsgi.handlers import wsgi_handler
from server.wsgi.request import Environ, WsgiRequest
from watch import LoopWatch, watched_loop

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

POOL: Final = "slow"

_NO_APPLICATION: Final = 4
"""The exit status by which a worker makes gunicorn end instead of starting the worker again."""


class UncachedCatalog(StoreCatalog):
    """Probes the databases for each request, on that request's own event loop."""

    async def describe(self) -> Catalog:
        """Return what `GET /stores` answers."""
        return await StoreCatalog(self._stores, self._settings).describe()


class WorkerSite:
    """What one worker process serves: its stores, its name, its routes."""

    def __init__(self, settings: Settings) -> None:
        engines = discover(settings.engines).values()
        stores = Stores(engines, settings, {Mode.BLOCKING: WorkerExecutor})
        process = Process(stores, settings, LoopWatch())
        process.catalog = UncachedCatalog(stores, settings)
        self._application = BaseApplication(process)
        self._routes = Routes(stores)
        self._guard = RequestGuard(settings.allowed_hosts)

    def respond(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = WsgiRequest(environ)
        handler_class, arguments = self._routes.find(request.path)
        headers = request.headers
        site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
        if reason := self._guard.refusal(headers.get("Host") or "127.0.0.1", site, origin):
            handler_class, arguments = ForbiddenHandler, {"reason": reason}
        if request.method not in BODILESS:
            limit = handler_class.body_limit(request.method)
            if not request.read_body(limit):
                handler_class, arguments = TooLargeHandler, {"limit": limit}
        handler = wsgi_handler(handler_class)(self._application, request, arguments)
        handler.run()
        start_response(handler.status, handler.header_list)
        return [] if request.method == "HEAD" else [handler.response_body]


class WsgiApplication:
    """The WSGI application; its site is made by the first request, in the worker's own process."""

    def __init__(self) -> None:
        self._worker_settings: dict[str, Any] = {}
        self._site: WorkerSite | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        site = self._site
        if site is None or self._pid != os.getpid():
            site = self._open(int(environ["SERVER_PORT"]))
        return site.respond(environ, start_response)

    def _open(self, port: int) -> WorkerSite:
        with self._lock:
            if self._site is None or self._pid != os.getpid():
                settings = _settings(**{"port": port, **self._worker_settings}, loop="none")
                self._site = WorkerSite(settings)
                self._pid = os.getpid()
            return self._site

    def for_worker(self, worker: Any) -> Any:
        """Return what a gunicorn worker serves: this application, or the Tornado one.

        Ends gunicorn with one line where an address or an engine file of the user's cannot be used.
        """
        settings = read([])
        try:
            Stores(discover(settings.engines).values(), settings)
        except (AddressError, EngineError) as error:
            worker.log.error(str(error))
            sys.exit(_NO_APPLICATION)
        port = worker.sockets[0].getsockname()[1]
        if worker.cfg.worker_class_str == "tornado":
            threads = {"connections": worker.cfg.threads} if worker.cfg.threads > 1 else {}
            return tornado_application(_settings(port=port, **threads))
        self._worker_settings = {"port": port, "connections": worker.cfg.threads}
        return self


def _settings(**changes: Any) -> Settings:
    return replace(read([]), pool=POOL, **changes)


def tornado_application(settings: Settings) -> BaseApplication:
    """Return the Tornado application for a worker that starts now, and set its event loop."""
    make_loop, watch = watched_loop(settings.loop, "server")
    loop = make_loop()
    asyncio.set_event_loop(loop)
    loop.call_soon(watch.start)
    return make_app(Stores(discover(settings.engines).values(), settings), settings, watch)


application = WsgiApplication()
