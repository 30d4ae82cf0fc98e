"""The three ways to wait for an engine's operation: on the loop, in a thread, natively.

blocking = `drive` on the loop's thread; threads = `drive` in an executor; async = `adrive`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, TypeVar

from server.engines.base import Engine, Errors, Op
from server.errors import DeadlineExceeded, Problem, Unavailable
from server.waiting import Place, Places, Watchdog
from server.words import Mode

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
    """An opened engine and the way its operations are waited for."""

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
        """Close every connection. No call may be under way."""


class _Connections:
    """Makes, watches and closes sync connections, from whichever thread; the tables are made once.

    A shared client is made once, handed out to all, and outlives every failure: it mends itself.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._client: Any = None
        self._prepared = False
        self._lock = threading.Lock()
        watched = type(engine).sever is not Engine.sever
        self._watchdog = Watchdog(engine.deadline, engine.sever) if watched else None

    def make(self) -> Any:
        if self._prepared and not self.engine.shared:
            return self.engine.connect()
        with self._lock:
            db = self._client or self.engine.connect()
            if self.engine.shared:
                self._client = db
            if not self._prepared:
                try:
                    self.run(db, self.engine.prepare)
                except BaseException:
                    self.drop([db])
                    raise
                self._prepared = True
        return db

    def run(self, db: Any, operate: Operate, *args: Any) -> Any:
        dog = self._watchdog
        if dog is None:
            return drive(operate(db, *args))
        dog.enter(db)
        try:
            result = drive(operate(db, *args))
        except Exception as error:
            if dog.leave(db):
                raise late(self.engine) from error
            raise
        dog.leave(db)
        return result

    def distrust(self) -> None:
        """Make the tables anew before they are used again: the database may have lost them."""
        self._prepared = False

    def drop(self, connections: Iterable[Any]) -> None:
        for db in connections:
            if db is not self._client and db is not None:
                with contextlib.suppress(Exception):  # it may be broken already
                    self.engine.close(db)

    def close(self, connections: Iterable[Any] = ()) -> None:
        client, self._client = self._client, None
        self.drop({id(db): db for db in (*connections, client)}.values())
        if self._watchdog is not None:
            self._watchdog.close()


class Blocking(Waiting):
    """The call holds the event loop until the database has answered. One connection."""

    idle = True
    used = 0.0

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = _Connections(engine)
        self._db: Any = None

    async def call(self, times: Times, operate: Operate, *args: Any) -> Any:
        """Run the operation here and now; see `Waiting.call`."""
        self.used = start = perf_counter()
        try:
            db = self._db
            if db is None:
                db = self._db = self._connections.make()
            return self._connections.run(db, operate, *args)
        except Exception as error:
            failure = translated(self.engine, error)
            if not keeps_connection(failure):
                self._connections.distrust()
                self._connections.drop([self._db])
                self._db = None
            raise failure from failure.__cause__
        finally:
            times.driver = perf_counter() - start

    async def close(self) -> None:
        """Close the connection."""
        self._connections.close([self._db])
        self._db = None


class _Queued(Waiting):
    """What threads and async share: places handed out on the loop, and a deadline for each call."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._loop = asyncio.get_running_loop()
        connections, title = engine.opening.connections, engine.title
        self._places = Places(connections, engine.deadline, title, self._loop)

    @property
    def idle(self) -> bool:
        """True while every place is free."""
        return self._places.idle

    @property
    def used(self) -> float:
        """When the latest call began, by perf_counter."""
        return self._places.used


class Threads(_Queued):
    """The call runs in an executor of its own, with as many threads as connections."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = _Connections(engine)
        self._executor = ThreadPoolExecutor(engine.opening.connections, engine.name)

    async def call(self, times: Times, operate: Operate, *args: Any) -> Any:
        """Run the operation in a thread; see `Waiting.call`."""
        start = perf_counter()
        places = self._places
        place = places.free.pop() if places.free else await places.wait(start)
        place.since = start
        place.task = asyncio.current_task(self._loop)
        if places.timer is None:
            places.arm()
        coming: asyncio.Future[Any] = self._loop.create_future()
        self._executor.submit(self._run, coming, times, place, operate, args)
        try:
            return await coming
        except asyncio.CancelledError:
            if not coming.cancelled():
                raise  # from outside, and the place is back already
            overdue, place.task = place.task is None, None
            if not overdue:
                raise
            _uncancel(self._loop)
            raise late(self.engine) from None

    def _run(
        self,
        coming: asyncio.Future[Any],
        times: Times,
        place: Place,
        operate: Operate,
        args: tuple[Any, ...],
    ) -> None:
        """Run the operation; in a thread."""
        begun = perf_counter()
        result = error = None
        try:
            db = place.db
            if db is None:
                db = place.db = self._connections.make()
            result = self._connections.run(db, operate, *args)
        except Exception as failure:
            error = failure
        times.wait = begun - place.since
        times.driver = perf_counter() - begun
        try:
            self._loop.call_soon_threadsafe(self._ended, coming, place, result, error)
        except RuntimeError:  # the loop has closed meanwhile
            return

    def _ended(
        self, coming: asyncio.Future[Any], place: Place, result: Any, error: Exception | None
    ) -> None:
        """Give the place back, late where the caller has gone, and the result to the caller."""
        if error is None:
            self._places.put(place)
            if not coming.done():
                coming.set_result(result)
            return
        failure = self._failed(place, error)
        if not coming.done():
            coming.set_exception(failure)

    def _failed(self, place: Place, error: Exception) -> Exception:
        """Give the place back, without its connection where that can be trusted no more."""
        failure = translated(self.engine, error)
        broken = []
        if not keeps_connection(failure):
            broken.append(place.db)
            place.db = None
            if isinstance(failure, Unavailable):
                self._connections.distrust()
                broken += self._places.empty()
        self._places.put(place)
        self._connections.drop(broken)
        return failure

    async def close(self) -> None:
        """Close the connections and end the threads."""
        self._executor.shutdown(wait=False)
        self._connections.close(self._places.empty())


class Async(_Queued):
    """The call is awaited natively, each on a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._client: Any = None
        self._prepared = False
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def call(  # noqa: C901 - one coroutine, because each costs when the driver waits
        self, times: Times, operate: Operate, *args: Any
    ) -> Any:
        """Await the operation; see `Waiting.call`."""
        start = begun = perf_counter()
        places = self._places
        if places.free:
            place = places.free.pop()
        else:
            place = await places.wait(start)
            begun = perf_counter()
        place.since = start
        place.task = asyncio.current_task(self._loop)
        if places.timer is None:
            places.arm()
        try:
            db = place.db
            if db is None:
                db = place.db = await self._make()
                begun = perf_counter()
            op = operate(db, *args)
            awaitable = next(op)
            while True:  # adrive, without the cost of one more coroutine
                try:
                    value = await awaitable
                except Exception as error:
                    awaitable = op.throw(error)
                else:
                    awaitable = op.send(value)
        except StopIteration as stop:
            places.put(place)
            return stop.value
        except asyncio.CancelledError:
            overdue = place.task is None
            self._replace(place)
            if not overdue:
                raise
            _uncancel(self._loop)
            raise late(self.engine) from None
        except Exception as error:
            failure = translated(self.engine, error)
            self._back(place, failure)
            raise failure from failure.__cause__
        finally:
            times.wait = begun - start
            times.driver = perf_counter() - begun

    async def _make(self) -> Any:
        """Make a connection; the first one makes the tables; a shared client is made once."""
        if self._prepared and not self.engine.shared:
            return await self.engine.aconnect()
        async with self._lock:
            db = self._client or await self.engine.aconnect()
            if self.engine.shared:
                self._client = db
            if not self._prepared:
                try:
                    await adrive(self.engine.prepare(db))
                except BaseException:
                    self._drop(db)
                    raise
                self._prepared = True
        return db

    def _back(self, place: Place, failure: Exception) -> None:
        if keeps_connection(failure):
            self._places.put(place)
            return
        if isinstance(failure, Unavailable):
            self._prepared = False  # the database may have lost its tables
            for idle in self._places.empty():
                self._drop(idle)
        self._replace(place)

    def _replace(self, place: Place) -> None:
        """Give the place back empty and close the connection that was in it."""
        db, place.db = place.db, None
        self._places.put(place)
        self._drop(db)

    def _drop(self, db: Any) -> None:
        if db is not None and db is not self._client:
            closing = self._loop.create_task(self._close(db))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close(self, db: Any) -> None:
        with contextlib.suppress(Exception):  # it may be broken already, or hang
            await asyncio.wait_for(self.engine.aclose(db), self.engine.deadline)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        connections = {id(db): db for db in (*self._places.empty(), client) if db is not None}
        for db in connections.values():
            self._drop(db)
        if self._closing:
            await asyncio.wait(self._closing)


def _uncancel(loop: asyncio.AbstractEventLoop) -> None:
    task = asyncio.current_task(loop)
    assert task is not None
    task.uncancel()


WAYS: dict[Mode, type[Waiting]] = {
    Mode.BLOCKING: Blocking,
    Mode.THREADS: Threads,
    Mode.ASYNC: Async,
}
