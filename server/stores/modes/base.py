"""What the modes share: the executor's interface, driving operations, translating errors."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from server.engines.base import Engine, Op
from server.errors import DeadlineExceeded, Problem, Unavailable
from server.stores.modes.slots import ConnectionSlots

T = TypeVar("T")
Operate = Callable[..., Op[Any]]
"""An operation bound to its engine: takes a connection (`db`) and its arguments."""


class CallTimes:
    """Where one call's time went, in seconds: waiting for a connection or thread, in the driver."""

    __slots__ = ("driver", "wait")

    def __init__(self) -> None:
        self.wait = 0.0
        self.driver = 0.0


def drive(op: Op[T]) -> T:
    """Run an operation whose driver calls have already happened when they are yielded."""
    try:
        value = next(op)
        while True:
            value = op.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def adrive(op: Op[T]) -> T:
    """Run an operation whose driver calls are to be awaited."""
    try:
        awaitable = next(op)
        while True:
            try:
                value = await awaitable
            except Exception as error:
                awaitable = op.throw(error)
            else:
                awaitable = op.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


_ALWAYS = (OSError, EOFError)


def spoils_client(failure: Exception) -> bool:
    """Return whether a translated error may mean that the driver's client is of no use any more."""
    return not isinstance(failure, Problem) or type(failure.__cause__) is RuntimeError


def translate_error(engine: Engine, error: Exception) -> Exception:
    """Return the Problem that a driver's error stands for, or `error` itself, which is a bug."""
    if isinstance(error, Problem):
        return error
    is_unavailable = isinstance(error, _ALWAYS) or type(error) is RuntimeError
    problem = engine.problem(error) or (Unavailable if is_unavailable else None)
    if problem is None:
        return error
    text = " ".join(str(error).split()) or type(error).__name__
    translation = problem(f"{engine.title}: {text[:300]}")
    translation.__cause__ = error
    return translation


def keeps_connection(failure: Exception) -> bool:
    """Return whether a connection stays usable after `failure`: the request was at fault."""
    return isinstance(failure, Problem) and not isinstance(failure, Unavailable)


def deadline_exceeded(engine: Engine) -> DeadlineExceeded:
    """Return the error for a database that did not answer in time."""
    return DeadlineExceeded(f"{engine.title}: no answer within {engine.deadline:g} s")


class OperationExecutor(ABC):
    """Runs the operations of an opened engine in one mode.

    `single_connection` says that one connection serves every call, whatever the settings.
    """

    single_connection: ClassVar[bool] = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @abstractmethod
    async def call(self, times: CallTimes, operate: Operate, *args: Any) -> Any:
        """Run `operate(db, *args)` and fill in `times`.

        Raises Problem where an answer can say what went wrong; anything else is a bug.
        """

    @property
    @abstractmethod
    def idle(self) -> bool:
        """True while no call is under way."""

    @property
    @abstractmethod
    def last_used(self) -> float:
        """When the latest call began, by perf_counter."""

    @property
    def shares_client(self) -> bool:
        """True while all calls share a client that is awaited."""
        return False

    async def check_client(self, seconds: float) -> str | None:  # noqa: ARG002
        """Ask the client that calls share; give it up where it is wedged, and return the reason.

        None where it answers in so many seconds, where other calls are answered meanwhile, and
        where no client is awaited.
        """
        return None

    @abstractmethod
    async def close(self) -> None:
        """Close every connection. No call may be awaited any more."""


class QueuedExecutor(OperationExecutor):
    """What threads and async share: calls queue for connection slots and have a deadline."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._loop = asyncio.get_running_loop()
        connections, title = engine.opening.connections, engine.title
        self._slots = ConnectionSlots(connections, engine.deadline, title, self._loop)

    @property
    def idle(self) -> bool:
        """True while every slot is free."""
        return self._slots.idle

    @property
    def last_used(self) -> float:
        """When the latest call began, by perf_counter."""
        return self._slots.last_used


def uncancel(loop: asyncio.AbstractEventLoop) -> None:
    """Undo the cancellation by which a deadline ended a call of the current task."""
    task = asyncio.current_task(loop)
    assert task is not None
    task.uncancel()
