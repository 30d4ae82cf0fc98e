"""`python -m windtunnel.runner.generator`: measures cells on orders from its standard input.

A line of JSON is an order, `{"cmd": "cell", ...}`; see `windtunnel.runner.cell_order.CellOrder`.
It writes events, lines of JSON too: `{"event": "ready"}` once, and for each order `reset` and
`measuring` when these begin, then `{"event": "done", "cell": {...}}` or
`{"event": "error", "detail": "..."}`. It ends when its input does, at once, and on SIGTERM.
"""

from __future__ import annotations

import gc
import importlib
import logging
import signal
import sys
from collections.abc import Callable

import gevent
import locust  # noqa: F401  first: it makes the standard library cooperative
import msgspec
from gevent.fileobject import FileObjectPosix
from gevent.queue import Queue

from windtunnel.client import client
from windtunnel.errors import CellError
from windtunnel.runner.cell import measure
from windtunnel.runner.cell_order import CellOrder, Done, Event, Failed, Ready
from windtunnel.workload.user import StoreUser


def user_classes(scenario: str) -> list[type[StoreUser]]:
    """Return the kinds of users of `locustfiles/<scenario>.py`; raises CellError if it has none."""
    name = f"locustfiles.{scenario}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CellError(f"there is no scenario {scenario!r}") from error
    classes = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, StoreUser) and not kind.abstract
    ]
    if classes:
        return classes
    raise CellError(f"{name} has no user that a cell can be measured with")


def serve(line: bytes, notify: Callable[[Event], None]) -> None:
    """Measure the cell of an order; `notify` gets the events of it."""
    try:
        order = msgspec.json.decode(line, type=CellOrder)
        notify(Done(measure(order, user_classes(order.scenario), notify)))
    except (CellError, msgspec.MsgspecError) as error:
        notify(Failed(str(error)))
    except Exception as error:
        logging.getLogger(__name__).exception("a cell broke down")
        notify(Failed(f"the generator broke down: {error!r}"))


def _write(event: Event) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _work(orders: Queue[bytes]) -> None:
    for line in orders:
        serve(line, _write)


def main() -> int:
    """Serve orders until there are no more; returns the exit status."""
    gevent.signal_handler(signal.SIGTERM, sys.exit, 0)
    gevent.signal_handler(signal.SIGINT, sys.exit, 130)
    client.raise_limit()
    gc.collect()
    gc.freeze()  # what was imported is never garbage: do not look at it again in a cell
    orders: Queue[bytes] = Queue()
    worker = gevent.spawn(_work, orders)
    try:
        _write(Ready())
        for line in FileObjectPosix(sys.stdin.buffer.fileno(), "rb", close=False):
            orders.put(line)
    except BrokenPipeError:
        pass
    worker.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
