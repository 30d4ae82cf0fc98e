"""Which store is fastest, for each operation, under a handler that does nothing else?

Users create, read, update, edit, delete and find records that they own, and check every answer.
`locust -f locustfiles/crud.py` opens the web UI on http://127.0.0.1:8089; `windtunnel run crud`
measures one store at a time.
"""

from locust import events

from bench.answer import Answer
from bench.arguments import Defaults
from bench.crud import Crud
from bench.samples import samples
from bench.session import Session
from bench.users import ClosedUser

MIX = "balanced"
POPULATION = 1_000
SUMMARY_SIZE = 20_000
SEED = 1


class CrudUser(ClosedUser):
    """Draws operations from the mix, on its own share of a store's records."""

    def on_start(self) -> None:
        """Take a share of the records."""
        super().on_start()
        terms = self.crowd.terms
        self.crud = Crud(
            client=self.client,
            store=self.place.store,
            mix=self.crowd.mix,
            owned=self.place.owned,
            rng=self.place.rng,
            samples=samples(terms.seed),
            population=terms.population,
            summary_size=terms.summary_size,
            report=self.report,
            on_depleted=self.crowd.depleted.set,
        )

    def on_stop(self) -> None:
        """Leave the records whose state is certain."""
        self.place.owned = self.crud.settled
        super().on_stop()

    def step(self) -> Answer:
        """Do the next operation of the mix."""
        return self.crud.step()


Session(CrudUser, Defaults(MIX, POPULATION, SUMMARY_SIZE, SEED)).listen(events)
