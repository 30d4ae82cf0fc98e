"""Who holds the event loop, read from a stack: a handler, its store, the innermost function."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tornado.web import RequestHandler

_LOOP_MODULES = ("asyncio.events", "asyncio.base_events", "asyncio.runners")
_IDLE_MODULE = "asyncio.runners"
"""Where the loop's thread is while uvloop, which has no frames of its own, waits."""


class Holder(NamedTuple):
    """What the loop was doing: `handler` is a class and verb, or a callback's name.

    `store` and `operation` are empty where a handler has none; `where` is the innermost function,
    empty if the stack was not sampled.
    """

    handler: str
    store: str
    operation: str
    where: str

    @classmethod
    def of(cls, handler: RequestHandler, where: str = "") -> Holder:
        """Return the holder that a Tornado handler is."""
        return cls(
            f"{type(handler).__name__}.{(handler.request.method or '').lower()}",
            getattr(handler, "store_id", ""),
            str(getattr(handler, "operation", "")),
            where,
        )


def holder_of(innermost: FrameType, package: str) -> Holder | None:
    """Return who holds the loop, by its thread's innermost frame; None if it waits for events.

    `where` is the innermost function of `package` on the stack, else the innermost of all.
    """
    if _module(innermost) == _IDLE_MODULE:
        return None
    frame: FrameType | None = innermost
    outermost = innermost
    while frame is not None and (module := _module(frame)) not in _LOOP_MODULES:
        if module == "tornado.web" and frame.f_code.co_qualname == "RequestHandler._execute":
            return Holder.of(frame.f_locals["self"], _qualified_name_in(innermost, package))
        outermost, frame = frame, frame.f_back
    return Holder(_name(outermost), "", "", _qualified_name_in(innermost, package))


def _qualified_name_in(innermost: FrameType, package: str) -> str:
    frame: FrameType | None = innermost
    while frame is not None and not _module(frame).startswith(f"{package}."):
        frame = frame.f_back
    return _name(frame or innermost)


def _name(frame: FrameType) -> str:
    return f"{_module(frame)}.{frame.f_code.co_qualname}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))
