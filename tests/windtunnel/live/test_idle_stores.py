"""Which stores of a closed load get no user."""

from __future__ import annotations

import pytest

from windtunnel.client.api import Record
from windtunnel.live.idle_stores import idle_stores
from windtunnel.workload.user_pool import UserConfig, UserPool

STORES = ["a/async/fast", "b/async/fast", "c/async/fast", "d/async/fast"]


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("users", range(1, 9))
def test_idle_stores_are_those_that_user_pools_leave_out(users: int, processes: int) -> None:
    busy = set()
    for rank in range(processes):
        own_users = users // processes + (rank < users % processes)
        free: dict[str, list[Record]] = {store: [] for store in STORES}
        pool = UserPool(UserConfig("http://127.0.0.1:1", "read", 1, 1), free, own_users, rank)
        busy |= {pool.join().store for _ in range(own_users)}
    assert idle_stores(STORES, users, processes) == [s for s in STORES if s not in busy]
