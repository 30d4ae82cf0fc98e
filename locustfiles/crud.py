"""Which store is fastest, for each operation, under a handler that does nothing else?

Users create, read, update, edit, delete and find records that they own, and check every answer.
`locust -f locustfiles/crud.py` opens the web UI on http://127.0.0.1:8089; `windtunnel run crud`
measures one store at a time.
"""

from locust import events

from bench.answer import Answer
from bench.arguments import Defaults
from bench.crowd import Place
from bench.crud import Crud
from bench.samples import samples
from bench.session import Session
from bench.users import StoreUser

MIX = "balanced"
POPULATION = 1_000
SUMMARY_SIZE = 20_000
SEED = 1


class CrudUser(StoreUser):
    """Draws operations from the mix, on records of its store that nobody else touches."""

    def enter(self, place: Place) -> None:
        """Begin with the records of a place."""
        super().enter(place)
        terms = self.crowd.terms
        self.crud = Crud(
            client=self.client,
            store=place.store,
            deck=place.deck,
            stock=place.stock,
            rng=place.rng,
            samples=samples(terms.seed),
            population=terms.population,
            summary_size=terms.summary_size,
            report=self.report,
            on_depleted=self.crowd.deplete,
        )

    def step(self) -> Answer:
        """Do the next operation of the mix."""
        return self.crud.step()


Session(CrudUser, Defaults(MIX, POPULATION, SUMMARY_SIZE, SEED)).listen(events)
