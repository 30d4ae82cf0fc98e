"""Users who ask for slow work: a sleep, or a summary, on the routes of the slow pool."""

from __future__ import annotations

from windtunnel.workload.mixes import OperationBag
from windtunnel.workload.record_user import RecordUser
from windtunnel.workload.slow import SlowKind, blocking_store
from windtunnel.workload.user_pool import Assignment


class SlowUser(RecordUser):
    """Asks for the same work again and again, and lets it block; it touches no record."""

    abstract = True
    slow = True

    def enter(self, place: Assignment) -> None:
        """Begin to ask for the work that comes beside the store of a place."""
        super().enter(place)
        terms = self.crowd.terms
        asked = terms.summary_stores.get(place.store, blocking_store(place.store))
        self.crud = self.operations(asked, OperationBag({terms.work.kind.value: 1}, place.rng))
        self.shown = f"{terms.work.ms} ms" if terms.work.kind is SlowKind.SLEEP else asked
