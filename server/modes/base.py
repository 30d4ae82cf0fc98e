"""What the three ways to wait share: driving an operation, and telling what its errors mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from server.engines.base import Engine, Errors, Op
from server.errors import DeadlineExceeded, Problem, Unavailable

T = TypeVar("T")
Operate = Callable[..., Op[Any]]
"""An operation bound to its engine: takes db and the arguments."""


class Times:
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


_ALWAYS: Errors = ((OSError, Unavailable), (EOFError, Unavailable))


def translated(engine: Engine, error: Exception) -> Exception:
    """Return what a driver's error means to a client; `error` itself where the fault is ours."""
    if isinstance(error, Problem):
        return error
    for kind, problem in (*engine.errors(), *_ALWAYS):
        if isinstance(error, kind):
            text = " ".join(str(error).split()) or type(error).__name__
            meaning = problem(f"{engine.title}: {text[:300]}")
            meaning.__cause__ = error
            return meaning
    return error


def keeps_connection(failure: Exception) -> bool:
    """Return whether a connection can be trusted after `failure`: the request was at fault."""
    return isinstance(failure, Problem) and not isinstance(failure, Unavailable)


def late(engine: Engine) -> DeadlineExceeded:
    """Return what a client is told when the database did not answer in time."""
    return DeadlineExceeded(f"{engine.title}: no answer within {engine.deadline:g} s")


class Waiting(ABC):
    """An opened engine and the way its operations are waited for.

    `lone` says that there is never more than one call, on one connection, whatever the settings.
    """

    lone: ClassVar[bool] = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @abstractmethod
    async def call(self, times: Times, operate: Operate, *args: Any) -> Any:
        """Run `operate(db, *args)` and fill in `times`.

        Raises Problem for what a client can be told; anything else is a fault of ours.
        """

    @property
    @abstractmethod
    def idle(self) -> bool:
        """True while no call is under way."""

    @property
    @abstractmethod
    def used(self) -> float:
        """When the latest call began, by perf_counter."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection. No call may be awaited any more."""
