"""The application: `make_app` puts it together, `run` listens, serves and drains."""

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

from server.addresses import AddressError, host_port
from server.body_limits import (
    DISCARD_LIMIT,
    POPULATION_LIMIT,
    LimitedBody,
    RefusedBody,
    content_length,
)
from server.engines import EngineError, discover
from server.guard import RequestGuard
from server.handlers.base import BaseApplication, Handler
from server.listener import Listener, bind_unix
from server.process import Process
from server.routes import ForbiddenHandler, Routes, TooLargeHandler
from server.settings import Settings
from server.stores import Stores
from watch import LoopWatch, watched_loop

log = logging.getLogger("server")

DRAIN_TIMEOUT_S = 10.0
"""Seconds that requests under way have after SIGTERM."""

CLOSE = 3.0
"""Seconds that the stores have to close their connections."""

BODILESS = ("GET", "DELETE", "HEAD", "OPTIONS")


class ServerApplication(BaseApplication):
    """A Tornado application whose routes are looked up, not matched one after another."""

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self._routes = Routes(process.stores)
        self._guard = RequestGuard({process.settings.host, *process.settings.allowed_hosts})

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return what serves `request`."""
        headers = request.headers
        if (
            request.host not in self._guard.known
            or "Sec-Fetch-Site" in headers
            or "Origin" in headers
        ):
            site, origin = headers.get("Sec-Fetch-Site", ""), headers.get("Origin", "")
            if reason := self._guard.refusal(request.host, site, origin):
                return self.get_handler_delegate(request, ForbiddenHandler, {"reason": reason})
        handler, arguments = self._routes.find(request.path)
        delegate = self.get_handler_delegate(request, handler, arguments)
        if request.method in BODILESS:
            return delegate
        return self._with_body_limit(request, handler, delegate)

    def _with_body_limit(
        self, request: HTTPServerRequest, handler: type[Handler], delegate: HTTPMessageDelegate
    ) -> HTTPMessageDelegate:
        limit, length = handler.body_limit(request.method or ""), content_length(request)
        if length is not None and length <= limit:
            return delegate
        request.connection.set_max_body_size(sys.maxsize)  # type: ignore[union-attr]
        too_large = self.get_handler_delegate(request, TooLargeHandler, {"limit": limit})
        if length is not None and (length > DISCARD_LIMIT or "Expect" in request.headers):
            return RefusedBody(too_large)
        return LimitedBody(delegate, too_large, limit)


def make_app(
    stores: Stores, settings: Settings, watch: LoopWatch | None = None
) -> ServerApplication:
    """Return the application; opens nothing."""
    return ServerApplication(Process(stores, settings, watch or LoopWatch()))


async def serve(app: ServerApplication, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends it at once."""
    process = app.process
    server = Listener(app, max_body_size=POPULATION_LIMIT)
    stop_signal = _event_on(signal.SIGTERM, signal.SIGINT)
    server.add_sockets(sockets)
    process.count_connections = server.count_connections
    process.watch.start()
    closing = asyncio.ensure_future(_close_unused_stores(process))
    print(f"{process.name} serves {process.settings.url}", flush=True)
    await stop_signal.wait()
    process.draining = True
    stop_signal.clear()
    drain = asyncio.ensure_future(server.drain(DRAIN_TIMEOUT_S))
    await _first_of(drain, asyncio.ensure_future(stop_signal.wait()))
    closing.cancel()
    process.watch.stop()
    if drain.done() and (count := drain.result()):
        log.warning("%s connections were cut off after %g s of draining", count, DRAIN_TIMEOUT_S)
    await asyncio.wait([asyncio.ensure_future(process.stores.close())], timeout=CLOSE)


def _event_on(*numbers: signal.Signals) -> asyncio.Event:
    event = asyncio.Event()
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


async def _first_of(*tasks: asyncio.Future[Any]) -> None:
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


async def _close_unused_stores(process: Process) -> None:
    while True:
        await asyncio.sleep(process.settings.idle / 4)
        await process.stores.close_unused()


def listen(settings: Settings) -> tuple[Settings, list[socket.socket]]:
    """Listen where the settings say; return them with the port that is used. Raises OSError."""
    if settings.unix:
        return replace(settings, port=0), [bind_unix(settings.unix)]
    sockets = bind_sockets(settings.port, settings.host)
    return replace(settings, port=sockets[0].getsockname()[1]), sockets


def run(settings: Settings) -> int:
    """Listen and serve; return the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        stores = Stores(discover(settings.engines).values(), settings)
        make_loop, watch = watched_loop(settings.loop, "server")
        settings, sockets = listen(settings)
    except (AddressError, EngineError) as error:
        return _fail(str(error))
    except ImportError:
        return _fail("uvloop is not installed: pip install uvloop, or leave out --loop")
    except OSError as error:
        return _fail(_why_not_listening(error, settings))
    app = make_app(stores, settings, watch)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(serve(app, sockets))
    return 0


def _why_not_listening(error: OSError, settings: Settings) -> str:
    option = "--unix" if settings.unix else "--port"
    address = str(settings.unix or host_port(settings.host, settings.port))
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another program; end it, or choose another {option}"
    return f"cannot listen on {address}: {error.strerror or error}"


def _fail(reason: str) -> int:
    print(f"server: {reason}", file=sys.stderr)
    return 3
