"""A database that comes back without its tables is used again without a restart."""

from __future__ import annotations

from typing import Any

import pytest

from server.api.record import new_id
from server.engines.base import Engine, Op
from server.errors import Problem
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.test_conformance import record
from tests.engines.test_durability import in_session


def dropped(engine: Engine, db: Any) -> Op[None]:
    """Lose the tables, as a database that was made anew has."""
    yield db.execute(f"DROP TABLE {engine.collection}, {engine.collection}_summary")


@pytest.mark.stores("postgres-*/*/fast")
async def test_tables_that_are_gone_are_made_anew(store: Store) -> None:
    await store.create(CallTimes(), record())
    await in_session(store, dropped)
    with pytest.raises(Problem):
        await store.read(CallTimes(), new_id())
    fresh = record()
    await store.create(CallTimes(), fresh)
    assert await store.read(CallTimes(), fresh.id) == fresh
