"""Operations on records of nobody else, each answer checked against the last write."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from windtunnel.client.api import METHOD, SLEEP, STATUS, Operation, Record, Routes, sleep_path
from windtunnel.client.client import Client
from windtunnel.client.response import OK, WRONG, Response, unexpected
from windtunnel.workload import checks
from windtunnel.workload.checks import Summaries
from windtunnel.workload.dataset import LONGEST, PreparedWrite, RecordPool
from windtunnel.workload.mixes import NEEDS_RECORD, OperationBag

FIND_LIMIT: Final = 10
FIND_ABOVE: Final = tuple(LONGEST * share / 20 for share in range(10, 18))
"""Thresholds of find: half to a seventh of a population is longer."""

_GONE: Final = unexpected(404)


class Reporter(Protocol):
    """Takes the outcome of an operation, and a few words on what was wrong."""

    def __call__(self, operation: str, answer: Response, outcome: str, flaw: str) -> None:
        """Count it."""


class Crud:
    """Draws operations from a deck and does them, one at a time, on the records of a stock.

    Several may share deck and stock. A write that failed may have happened or not: its record is
    in doubt. A record that is gone has been counted as a failure and is not put back.
    """

    __slots__ = (
        "_above", "_client", "_deck", "_do", "_population", "_random", "_report", "_routes",
        "_samples", "_sleep", "_stock", "_summaries", "on_depleted",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        store: str,
        deck: OperationBag,
        stock: RecordPool,
        rng: random.Random,
        samples: list[PreparedWrite],
        population: int,
        summary_size: int,
        report: Reporter,
        on_depleted: Callable[[], None],
        *,
        slow: bool = False,
        sleep_ms: int = 100,
    ) -> None:
        self.on_depleted = on_depleted
        self._client = client
        self._routes = Routes(store, slow=slow)
        self._deck = deck
        self._stock = stock
        self._random = rng.random
        self._samples = samples
        self._population = population
        self._report = report
        self._above = {above: self._routes.find(above, FIND_LIMIT) for above in FIND_ABOVE}
        self._summaries = Summaries(summary_size)
        self._sleep = sleep_path(sleep_ms, store.split("/")[1], slow=slow), sleep_ms
        self._do: Mapping[str, Callable[[], Response]] = {
            operation: getattr(self, operation) for operation in (*Operation, SLEEP)
        }

    def step(self) -> Response:
        """Do the next operation of the mix; with no record left, a create in its place."""
        operation = self._deck.draw()
        if not self._stock.records and operation in NEEDS_RECORD:
            if operation is Operation.DELETE:
                self.on_depleted()
            operation = self._deck.create_first(operation)
        return self._do[operation]()

    def create(self) -> Response:
        """Create a record."""
        sample = self._sample()
        answer, failed = self._ask(Operation.CREATE, self._routes.records, sample.body)
        if not failed:
            record = checks.as_record(answer.body)
            flaw = checks.created(record, sample.draft, answer, self._routes.one)
            self._judge(Operation.CREATE, answer, flaw)
            if record is not None and not flaw:
                self._stock.put(record)
        return answer

    def read(self) -> Response:
        """Read a record."""
        expected = self._stock.take(self._random)
        answer, failed = self._ask(Operation.READ, self._routes.one + expected.id)
        if not failed:
            record = checks.as_record(answer.body)
            if self._stock.doubts(expected.id):
                self._believe(Operation.READ, answer, record, expected, expected, ("id",))
            else:
                self._stock.put(expected)
                self._judge(Operation.READ, answer, checks.same(record, expected))
        elif failed != _GONE:
            self._stock.put(expected)
        else:
            self._stock.trust(expected.id)
        return answer

    def update(self) -> Response:
        """Replace a record."""
        before, sample = self._stock.take(self._random), self._sample()
        expected = checks.named(before.id, sample.draft)
        return self._write(Operation.UPDATE, before, sample.body, expected)

    def edit(self) -> Response:
        """Change some fields of a record."""
        before, sample = self._stock.take(self._random), self._sample()
        expected = msgspec.structs.replace(before, **sample.change)
        fields = ("id", *sample.change)
        return self._write(Operation.EDIT, before, sample.change_body, expected, fields)

    def delete(self) -> Response:
        """Delete a record; whatever the answer, it is not put back."""
        record = self._stock.take(self._random)
        self._stock.trust(record.id)
        answer, failed = self._ask(Operation.DELETE, self._routes.one + record.id)
        if not failed:
            self._judge(Operation.DELETE, answer, "a body where none belongs" * bool(answer.body))
        return answer

    def find(self) -> Response:
        """Find the newest of the longer records."""
        above = FIND_ABOVE[int(self._random() * len(FIND_ABOVE))]
        answer, failed = self._ask(Operation.FIND, self._above[above])
        if not failed:
            flaw = checks.found(answer.body, above, FIND_LIMIT, self._population)
            self._judge(Operation.FIND, answer, flaw)
        return answer

    def summary(self) -> Response:
        """Ask for the summary."""
        answer, failed = self._ask(Operation.SUMMARY, self._routes.summary)
        if not failed:
            self._judge(Operation.SUMMARY, answer, self._summaries.flaw(answer.body))
        return answer

    def sleep(self) -> Response:
        """Ask the process to take a set time, waiting as the store would be waited for."""
        path, ms = self._sleep
        answer, failed = self._ask(SLEEP, path)
        if not failed:
            self._judge(SLEEP, answer, checks.slept(answer, ms))
        return answer

    # -- parts ------------------------------------------------------------------------------

    def _ask(self, operation: str, path: str, body: bytes = b"") -> tuple[Response, str]:
        answer = self._client.request(METHOD[operation], path, body)
        failed = checks.failure(answer, STATUS[operation])
        if failed:
            self._report(operation, answer, failed, "")
        return answer, failed

    def _judge(self, operation: str, answer: Response, flaw: str) -> None:
        self._report(operation, answer, WRONG if flaw else OK, flaw)

    def _write(
        self,
        operation: Operation,
        before: Record,
        body: bytes,
        expected: Record,
        certain: tuple[str, ...] = Record.__struct_fields__,
    ) -> Response:
        answer, failed = self._ask(operation, self._routes.one + before.id, body)
        if not failed:
            record = checks.as_record(answer.body)
            if self._stock.doubts(before.id):
                self._believe(operation, answer, record, expected, before, certain)
            else:
                self._stock.put(expected)
                self._judge(operation, answer, checks.same(record, expected))
        elif failed == _GONE:
            self._stock.trust(before.id)
        else:
            self._stock.doubt(before.id)
            self._stock.put(before)
        return answer

    def _believe(
        self,
        operation: Operation,
        answer: Response,
        record: Record | None,
        expected: Record,
        before: Record,
        certain: tuple[str, ...],
    ) -> None:
        flaw = checks.NO_JSON if record is None else checks.differing(record, expected, certain)
        if record is not None and not flaw:
            self._stock.trust(record.id)
            self._stock.put(record)
        else:
            self._stock.put(before)
        self._judge(operation, answer, flaw)

    def _sample(self) -> PreparedWrite:
        return self._samples[int(self._random() * len(self._samples))]
