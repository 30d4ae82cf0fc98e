"""A client that no longer answers is given up, and a call that is cancelled leaves none so."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any, ClassVar

import pytest

from server.api.enums import Durability, Mode
from server.api.record import new_id
from server.engines._mongo import mend_waiting
from server.engines.base import Op, Opening
from server.engines.memory import Memory
from server.errors import DeadlineExceeded, Unavailable
from server.stores.modes import CallTimes
from server.stores.modes.async_ import AsyncExecutor
from tests.engines.conftest import Remote
from tests.engines.test_faults import recovered, warm

SEED = 20
CANCELS = int(os.environ.get("WINDTUNNEL_TEST_CANCELS", "120"))
"""Calls that are cancelled for each driver; more find more."""


class Client:
    """A client that answers until `failure` is set, and then hangs or raises it."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.hangs = False
        self.closed = False

    async def ask(self) -> str:
        if self.failure is not None:
            raise self.failure
        if self.hangs:
            await asyncio.Event().wait()
        return "Fake 1.0"


class Shared(Memory):
    """An engine with one client for all calls."""

    name = "shared"
    title = "Fake"
    shared = True
    clients: ClassVar[list[Client]] = []

    async def aconnect(self) -> Any:
        self.clients.append(Client())
        return self.clients[-1]

    async def aclose(self, db: Any) -> None:
        db.closed = True

    def prepare(self, db: Any) -> Op[None]:
        yield db.ask()

    def ping(self, db: Any) -> Op[str]:
        return (yield db.ask())  # type: ignore[no-any-return]


def opened() -> AsyncExecutor:
    Shared.clients = []
    return AsyncExecutor(Shared(Opening("records", Durability.VOLATILE, "", 2, 0.1)))


async def ask(executor: AsyncExecutor) -> Any:
    return await executor.call(CallTimes(), executor.engine.ping)


async def test_a_client_is_given_up_after_a_row_of_deadlines() -> None:
    executor = opened()
    await ask(executor)
    Shared.clients[0].hangs = True
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            await ask(executor)
    assert await ask(executor) == "Fake 1.0"
    assert len(Shared.clients) == 2
    await executor.close()
    assert all(client.closed for client in Shared.clients)


async def test_a_client_that_answers_others_is_kept() -> None:
    executor = opened()
    await ask(executor)
    for _ in range(4):
        Shared.clients[0].hangs = True
        with pytest.raises(DeadlineExceeded):
            await ask(executor)
        Shared.clients[0].hangs = False
        await ask(executor)
    assert len(Shared.clients) == 1
    await executor.close()


async def test_a_client_is_given_up_after_an_unknown_error() -> None:
    executor = opened()
    await ask(executor)
    Shared.clients[0].failure = KeyError("what")
    with pytest.raises(KeyError):
        await ask(executor)
    assert await ask(executor) == "Fake 1.0"
    await executor.close()


async def test_a_runtime_error_of_a_driver_is_unavailable() -> None:
    executor = opened()
    await ask(executor)
    Shared.clients[0].failure = RuntimeError("Lock is not acquired")
    with pytest.raises(Unavailable, match="Fake: Lock is not acquired"):
        await ask(executor)
    assert await ask(executor) == "Fake 1.0"
    assert len(Shared.clients) == 2
    await executor.close()


async def test_whoever_asks_for_the_state_asks_the_client_in_use() -> None:
    executor = opened()
    assert await executor.check_client(0.1) is None
    await ask(executor)
    assert await executor.check_client(0.1) is None
    Shared.clients[0].hangs = True
    assert await executor.check_client(0.1)
    assert await ask(executor) == "Fake 1.0"
    await executor.close()


async def test_a_cancelled_wait_of_pymongo_leaves_its_lock_free() -> None:
    """The wait's time-out comes while another call has the lock, and then the cancellation."""
    lock_module = pytest.importorskip("pymongo.lock")
    mend_waiting()
    lock = lock_module._async_create_lock()
    condition = lock_module._async_create_condition(lock)

    async def wait() -> None:
        async with lock:
            await lock_module._async_cond_wait(condition, 0.01)

    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    async with lock:
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0)
        assert lock.locked()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0.01)
    assert not lock.locked()


@pytest.mark.timeout(120 + CANCELS, func_only=True)
async def test_calls_cancelled_at_any_moment_leave_the_store_usable(remote: Remote) -> None:
    """While the server is killed, hangs and comes back, over and over."""
    if remote.direct.mode is not Mode.ASYNC:
        pytest.skip("only an awaited call can be cancelled")
    store = remote.open(deadline=1.0, connections=4)
    await warm(store)
    chance = random.Random(SEED)
    at_once, rounds = 10, max(1, CANCELS // 10)
    for turn in range(rounds):
        calls = [asyncio.ensure_future(store.read(CallTimes(), new_id())) for _ in range(at_once)]
        for call in calls:
            asyncio.get_running_loop().call_later(chance.uniform(0, 0.06), call.cancel)
        await asyncio.sleep(chance.uniform(0, 0.01))
        fault = (None, "refuse", "hang")[turn % 3]
        if fault == "refuse":
            remote.proxy.refuse()
        elif fault == "hang":
            remote.proxy.hang()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        if fault == "refuse":
            remote.proxy.accept()
        remote.proxy.resume()
        unexpected = [
            o
            for o in outcomes
            if o is not None and not isinstance(o, (asyncio.CancelledError, Unavailable))
        ]
        assert not unexpected, unexpected
    async with asyncio.timeout(20):
        await recovered(store)
        await warm(store)
