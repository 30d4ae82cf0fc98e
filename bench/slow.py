"""Users who ask for slow work: a sleep, or a summary, on the routes of the slow pool."""

from __future__ import annotations

from functools import partial

from bench import checks
from bench.answer import OK, WRONG, Answer
from bench.contract import SLEEP, STATUS, VERB, Operation, Routes, sleep_path
from bench.crowd import Place
from bench.summaries import Summaries
from bench.users import StoreUser
from bench.work import Kind


class SlowUser(StoreUser):
    """Asks for the same work again and again, and checks that it was done."""

    abstract = True

    def enter(self, place: Place) -> None:
        """Begin to ask for the work of a place."""
        super().enter(place)
        terms = self.crowd.terms
        work = terms.work
        if work.kind is Kind.SLEEP:
            self.shown = f"{work.ms} ms"
            self._ask = partial(self._sleep, sleep_path(work.ms), work.ms)
        else:
            self.shown = terms.summarised[place.store]
            route = Routes(self.shown, slow=True).summary
            self._ask = partial(self._summary, route, Summaries(terms.summary_size))

    def step(self) -> Answer:
        """Ask for it once."""
        return self._ask()

    def _sleep(self, path: str, ms: int) -> Answer:
        answer = self.client.request("GET", path)
        failed = checks.failure(answer, 200)
        flaw = "" if failed else checks.slept(answer, ms)
        self.report(SLEEP, answer, failed or (WRONG if flaw else OK), flaw)
        return answer

    def _summary(self, path: str, expected: Summaries) -> Answer:
        answer = self.client.request(VERB[Operation.SUMMARY], path)
        failed = checks.failure(answer, STATUS[Operation.SUMMARY])
        flaw = "" if failed else expected.flaw(answer.body)
        self.report(Operation.SUMMARY, answer, failed or (WRONG if flaw else OK), flaw)
        return answer
