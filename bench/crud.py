"""One user's operations on the records that it owns, each answer checked against its last write."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from bench import checks
from bench.answer import OK, WRONG, Answer, unexpected
from bench.client import Client
from bench.contract import STATUS, VERB, Operation, Record, Routes, Summary, decode_summary
from bench.mixes import NEEDS_RECORD, Deck, Mix
from bench.samples import LONGEST, Sample

FIND_LIMIT: Final = 10
FIND_ABOVE: Final = tuple(LONGEST * share / 20 for share in range(10, 18))
"""Thresholds of find: half to a seventh of a population is longer."""

_GONE: Final = unexpected(404)


class Report(Protocol):
    """Takes the outcome of an operation, and a few words on what was wrong."""

    def __call__(self, operation: Operation, answer: Answer, outcome: str, flaw: str) -> None:
        """Count it."""


class Crud:
    """Draws operations from a mix and does them; `owned` are the records of nobody else.

    A write that failed may have happened or not: its record is in doubt, and the next answer that
    shows it is believed. A record that is gone has been counted as a failure and is forgotten.
    """

    __slots__ = (
        "_above", "_client", "_deck", "_do", "_doubted", "_population", "_random", "_report",
        "_routes", "_samples", "_summary", "_summary_size", "on_depleted", "owned",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        store: str,
        mix: Mix,
        owned: list[Record],
        rng: random.Random,
        samples: list[Sample],
        population: int,
        summary_size: int,
        report: Report,
        on_depleted: Callable[[], None],
    ) -> None:
        self.owned = owned
        self.on_depleted = on_depleted
        self._client = client
        self._routes = Routes(store)
        self._deck = Deck(mix, rng)
        self._random = rng.random
        self._samples = samples
        self._population = population
        self._report = report
        self._doubted: set[str] = set()
        self._above = {above: self._routes.find(above, FIND_LIMIT) for above in FIND_ABOVE}
        self._summary: Summary | None = None
        self._summary_size = summary_size
        self._do: Mapping[Operation, Callable[[], Answer]] = {
            operation: getattr(self, operation.value) for operation in mix
        } | {Operation.CREATE: self.create}

    def step(self) -> Answer:
        """Do the next operation of the mix; with no record left, a create in its place."""
        operation = self._deck.draw()
        if not self.owned and operation in NEEDS_RECORD:
            if operation is Operation.DELETE:
                self.on_depleted()
            operation = self._deck.create_first(operation)
        return self._do[operation]()

    @property
    def settled(self) -> list[Record]:
        """The owned records that are not in doubt."""
        return [record for record in self.owned if record.id not in self._doubted]

    def create(self) -> Answer:
        """Create a record and own it."""
        sample = self._sample()
        answer, failed = self._ask(Operation.CREATE, self._routes.records, sample.body)
        if not failed:
            record = checks.as_record(answer.body)
            flaw = checks.created(record, sample.draft, answer, self._routes.one)
            self._judge(Operation.CREATE, answer, flaw)
            if record is not None and not flaw:
                self.owned.append(record)
        return answer

    def read(self) -> Answer:
        """Read one of the owned records."""
        place = self._place()
        expected = self.owned[place]
        answer, failed = self._ask(Operation.READ, self._routes.one + expected.id)
        if not failed:
            record = checks.as_record(answer.body)
            if self._doubted and expected.id in self._doubted:
                self._believe(Operation.READ, place, answer, record, expected, ("id",))
            else:
                self._judge(Operation.READ, answer, checks.same(record, expected))
        elif failed == _GONE:
            self._forget(place)
        return answer

    def update(self) -> Answer:
        """Replace one of the owned records."""
        place, sample = self._place(), self._sample()
        expected = checks.named(self.owned[place].id, sample.draft)
        return self._write(Operation.UPDATE, place, sample.body, expected)

    def edit(self) -> Answer:
        """Change some fields of one of the owned records."""
        place, sample = self._place(), self._sample()
        expected = msgspec.structs.replace(self.owned[place], **sample.change)
        fields = ("id", *sample.change)
        return self._write(Operation.EDIT, place, sample.change_body, expected, fields)

    def delete(self) -> Answer:
        """Delete one of the owned records; whatever the answer, it is owned no more."""
        place = self._place()
        path = self._routes.one + self.owned[place].id
        self._forget(place)
        answer, failed = self._ask(Operation.DELETE, path)
        if not failed:
            self._judge(Operation.DELETE, answer, "a body where none belongs" * bool(answer.body))
        return answer

    def find(self) -> Answer:
        """Find the newest of the longer records."""
        above = FIND_ABOVE[int(self._random() * len(FIND_ABOVE))]
        answer, failed = self._ask(Operation.FIND, self._above[above])
        if not failed:
            flaw = checks.found(answer.body, above, FIND_LIMIT, self._population)
            self._judge(Operation.FIND, answer, flaw)
        return answer

    def summary(self) -> Answer:
        """Ask for the summary."""
        answer, failed = self._ask(Operation.SUMMARY, self._routes.summary)
        if not failed:
            self._judge(Operation.SUMMARY, answer, self._summary_flaw(answer.body))
        return answer

    # -- parts ------------------------------------------------------------------------------

    def _ask(self, operation: Operation, path: str, body: bytes = b"") -> tuple[Answer, str]:
        answer = self._client.request(VERB[operation], path, body)
        failed = checks.failure(answer, STATUS[operation])
        if failed:
            self._report(operation, answer, failed, "")
        return answer, failed

    def _judge(self, operation: Operation, answer: Answer, flaw: str) -> None:
        self._report(operation, answer, WRONG if flaw else OK, flaw)

    def _write(
        self,
        operation: Operation,
        place: int,
        body: bytes,
        expected: Record,
        certain: tuple[str, ...] = Record.__struct_fields__,
    ) -> Answer:
        doubted = expected.id in self._doubted
        self._doubted.add(expected.id)  # until it is answered
        answer, failed = self._ask(operation, self._routes.one + expected.id, body)
        if failed == _GONE:
            self._forget(place)
        elif not failed and doubted:
            record = checks.as_record(answer.body)
            self._believe(operation, place, answer, record, expected, certain)
        elif not failed:
            self._doubted.discard(expected.id)
            self.owned[place] = expected
            self._judge(operation, answer, checks.same(checks.as_record(answer.body), expected))
        return answer

    def _believe(
        self,
        operation: Operation,
        place: int,
        answer: Answer,
        record: Record | None,
        expected: Record,
        certain: tuple[str, ...],
    ) -> None:
        flaw = checks.NO_JSON if record is None else checks.differing(record, expected, certain)
        if record is not None and not flaw:
            self._doubted.discard(record.id)
            self.owned[place] = record
        self._judge(operation, answer, flaw)

    def _summary_flaw(self, body: bytes) -> str:
        try:
            summary = decode_summary(body)
        except msgspec.MsgspecError:
            return checks.NO_JSON
        self._summary = self._summary or summary
        return checks.summarised(summary, self._summary, self._summary_size)

    def _place(self) -> int:
        return int(self._random() * len(self.owned))

    def _sample(self) -> Sample:
        return self._samples[int(self._random() * len(self._samples))]

    def _forget(self, place: int) -> None:
        self._doubted.discard(self.owned[place].id)
        self.owned[place] = self.owned[-1]
        self.owned.pop()
