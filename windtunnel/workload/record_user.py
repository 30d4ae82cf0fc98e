"""Users who work on records: the mix of operations that nearly every scenario has in it."""

from __future__ import annotations

from typing import ClassVar

from windtunnel.client.response import Response
from windtunnel.workload.crud import Crud
from windtunnel.workload.dataset import samples
from windtunnel.workload.mixes import OperationBag
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import Assignment


class RecordUser(StoreUser):
    """Draws operations from the mix, on records of its store that nobody else touches."""

    abstract = True
    slow: ClassVar[bool] = False
    """Whether they take the routes that nginx sends to the slow pool."""

    def enter(self, place: Assignment) -> None:
        """Begin with the records of a place."""
        super().enter(place)
        self.crud = self.operations(place.store, place.deck)

    def operations(self, store: str, deck: OperationBag) -> Crud:
        """Return what does those of a deck on a store, with the records of the place."""
        terms, place = self.crowd.terms, self.place
        return Crud(
            client=self.client,
            store=store,
            deck=deck,
            stock=place.stock,
            rng=place.rng,
            samples=samples(terms.seed),
            population=terms.population,
            summary_size=terms.summary_size,
            report=self.report,
            on_depleted=self.crowd.deplete,
            slow=self.slow,
            sleep_ms=terms.work.ms,
        )

    def step(self) -> Response:
        """Do the next operation of the mix."""
        return self.crud.step()
