"""The application: `make_app` puts it together, `serve` opens, listens and drains."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import replace
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from server.catalogue import Catalogue
from server.engines import discover
from server.handlers.base import new_mark
from server.metrics import Metrics
from server.routes import Routes
from server.settings import Settings
from server.stores import Stores

RECORD_LIMIT = 4 << 20
POPULATION_LIMIT = 64 << 20


class App(Application):
    """A Tornado application whose routes are looked up, not matched one after another."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        super().__init__(log_function=_no_log)
        self.pool = settings.pool
        self.process = f"{settings.pool}-{settings.port}-{os.getpid()}"
        self.mark = new_mark()
        self.draining = False
        self.metrics = Metrics()
        self.catalogue = Catalogue(stores, settings)
        self._routes = Routes(stores)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return what serves `request`."""
        handler, arguments = self._routes.find(request.path)
        return self.get_handler_delegate(request, handler, arguments)


def _no_log(_: RequestHandler) -> None:
    """Write no access log: the metrics count, and a line a request would cost 14 us."""


def make_app(stores: Stores, settings: Settings) -> App:
    """Return the application; opens nothing."""
    return App(stores, settings)


async def serve(settings: Settings, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT."""
    stores = Stores(discover(settings.engines).values(), settings)
    app = make_app(stores, settings)
    server = HTTPServer(app, max_body_size=POPULATION_LIMIT)
    server.add_sockets(sockets)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    server.stop()
    await stores.close()


def run(settings: Settings) -> int:
    """Listen on the settings' port and serve; return the exit status."""
    sockets = bind_sockets(settings.port, settings.host)
    settings = replace(settings, port=sockets[0].getsockname()[1])
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(settings, sockets))
    return 0
