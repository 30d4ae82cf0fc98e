"""The application: `make_app` puts it together, `serve` opens, listens and drains."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
from dataclasses import replace
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.netutil import bind_sockets

from server.engines import EngineError, discover
from server.handlers.base import Handler, Serving
from server.limits import PATIENCE, POPULATION_LIMIT, Bounded, Refused, announced
from server.listening import Listener, at_path
from server.process import Process
from server.routes import Routes, TooLargeHandler
from server.settings import Settings
from server.stores import Stores
from watch import LoopWatch, watched_loop

log = logging.getLogger("server")

DRAIN = 10.0
"""Seconds that requests under way have after SIGTERM."""

CLOSE = 3.0
"""Seconds that the stores have to close their connections."""

BODILESS = ("GET", "DELETE", "HEAD", "OPTIONS")


class App(Serving):
    """A Tornado application whose routes are looked up, not matched one after another."""

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self._routes = Routes(process.stores)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return what serves `request`."""
        handler, arguments = self._routes.find(request.path)
        delegate = self.get_handler_delegate(request, handler, arguments)
        if request.method in BODILESS:
            return delegate
        return self._bounded(request, handler, delegate)

    def _bounded(
        self, request: HTTPServerRequest, handler: type[Handler], delegate: HTTPMessageDelegate
    ) -> HTTPMessageDelegate:
        limit, length = handler.limit(request.method or ""), announced(request)
        if length is not None and length <= limit:
            return delegate
        request.connection.set_max_body_size(sys.maxsize)  # type: ignore[union-attr]
        refusing = self.get_handler_delegate(request, TooLargeHandler, {"limit": limit})
        if length is not None and (length > PATIENCE or "Expect" in request.headers):
            return Refused(refusing)
        return Bounded(delegate, refusing, limit)


def make_app(stores: Stores, settings: Settings, watch: LoopWatch | None = None) -> App:
    """Return the application; opens nothing."""
    return App(Process(stores, settings, watch or LoopWatch()))


async def serve(app: App, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends it at once."""
    process = app.process
    server = Listener(app, max_body_size=POPULATION_LIMIT)
    ending = _ended_by(signal.SIGTERM, signal.SIGINT)
    server.add_sockets(sockets)
    process.connected = server.connected
    process.watch.start()
    closing = asyncio.ensure_future(_close_unused(process))
    print(f"{process.name} serves {process.settings.url}", flush=True)
    await ending.wait()
    process.draining = True
    ending.clear()
    drained = asyncio.ensure_future(server.drain(DRAIN))
    await _first(drained, asyncio.ensure_future(ending.wait()))
    closing.cancel()
    process.watch.stop()
    if drained.done() and (cut := drained.result()):
        log.warning("%s connections were cut off after %g s of draining", cut, DRAIN)
    await asyncio.wait([asyncio.ensure_future(process.stores.close())], timeout=CLOSE)


def _ended_by(*numbers: signal.Signals) -> asyncio.Event:
    event = asyncio.Event()
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def _first(*tasks: asyncio.Future[Any]) -> None:
    _, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()


async def _close_unused(process: Process) -> None:
    while True:
        await asyncio.sleep(process.settings.idle / 4)
        await process.stores.close_unused()


def listen(settings: Settings) -> tuple[Settings, list[socket.socket]]:
    """Listen where the settings say; return them as they came true. Raises OSError."""
    if settings.unix:
        return replace(settings, port=0), [at_path(settings.unix)]
    sockets = bind_sockets(settings.port, settings.host)
    return replace(settings, port=sockets[0].getsockname()[1]), sockets


def run(settings: Settings) -> int:
    """Listen and serve; return the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        engines = discover(settings.engines)
        make_loop, watch = watched_loop(settings.loop, "server")
        settings, sockets = listen(settings)
    except EngineError as error:
        return _refuse(str(error))
    except ImportError:
        return _refuse("uvloop is not installed: pip install uvloop, or leave out --loop")
    except OSError as error:
        return _refuse(_why_not(error, settings))
    app = make_app(Stores(engines.values(), settings), settings, watch)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(serve(app, sockets))
    return 0


def _why_not(error: OSError, settings: Settings) -> str:
    other = "--unix" if settings.unix else "--port"
    where = str(settings.unix or f"{settings.host} port {settings.port}")
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; end it, or take another {other}"
    return f"cannot listen on {where}: {error.strerror or error}"


def _refuse(reason: str) -> int:
    print(f"server: {reason}", file=sys.stderr)
    return 3
