"""Users that request slow work: a sleep, or a summary, on the routes of the slow pool."""

from __future__ import annotations

from windtunnel.workload.mixes import OperationBag
from windtunnel.workload.record_user import RecordUser
from windtunnel.workload.slow import SlowKind, blocking_store
from windtunnel.workload.user_pool import Assignment


class SlowUser(RecordUser):
    """Requests the same slow work over and over, blocking its process; touches no record."""

    abstract = True
    slow = True

    def assign(self, assignment: Assignment) -> None:
        """Take over the slow work that accompanies a store's load."""
        super().assign(assignment)
        config, store = self.user_pool.config, assignment.store
        slow_store = config.summary_stores.get(store, blocking_store(store))
        bag = OperationBag({config.work.kind.value: 1}, assignment.rng)
        self.crud = self.operations(slow_store, bag)
        self.label = f"{config.work.ms} ms" if config.work.kind is SlowKind.SLEEP else slow_store
