"""Users that operate on records: the mix of operations that most scenarios contain."""

from __future__ import annotations

from typing import ClassVar

from windtunnel.client.response import Response
from windtunnel.workload.crud import Crud
from windtunnel.workload.dataset import prepared_writes
from windtunnel.workload.mixes import OperationBag
from windtunnel.workload.slow import SlowKind, blocking_store
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import Assignment


class RecordUser(StoreUser):
    """Draws operations from the mix, on records of its store that no other user touches."""

    abstract = True
    slow: ClassVar[bool] = False
    """Whether it uses the routes that nginx sends to the slow pool."""

    def assign(self, assignment: Assignment) -> None:
        """Take over the store and the records to work on."""
        super().assign(assignment)
        self.crud = self.operations(assignment.store, assignment.bag)

    def operations(self, store: str, bag: OperationBag) -> Crud:
        """Return the operations of a bag on a store, with the user's own records."""
        config, assignment = self.user_pool.config, self.assignment
        return Crud(
            client=self.client,
            store=store,
            bag=bag,
            record_pool=assignment.record_pool,
            rng=assignment.rng,
            writes=prepared_writes(config.seed),
            population=config.population,
            summary_size=config.summary_size,
            report=self.report,
            on_depleted=self.user_pool.note_depletion,
            slow=self.slow,
            sleep_ms=config.work.ms,
        )

    def step(self) -> Response:
        """Do the next operation of the mix."""
        return self.crud.step()


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
