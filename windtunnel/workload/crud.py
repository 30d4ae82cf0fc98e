"""The operations of one user on its own records, each response checked against the last write."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from windtunnel.client.api import METHOD, SLEEP, STATUS, Operation, Record, Routes, sleep_path
from windtunnel.client.client import Client
from windtunnel.client.response import OK, WRONG, Response, status_outcome
from windtunnel.workload import checks
from windtunnel.workload.checks import SummaryChecker
from windtunnel.workload.dataset import LONGEST, PreparedWrite, RecordPool
from windtunnel.workload.mixes import NEEDS_RECORD, OperationBag

FIND_LIMIT: Final = 10
FIND_THRESHOLDS: Final = tuple(LONGEST * twentieths / 20 for twentieths in range(10, 18))
"""Minimum durations of find: between a half and a seventh of a population is longer."""

_GONE: Final = status_outcome(404)


class Reporter(Protocol):
    """Records a request under a name: its outcome, with a flaw in a few words or ""."""

    def __call__(self, method: str, name: str, response: Response, outcome: str, flaw: str) -> None:
        """Record it."""


class Crud:
    """Draws operations from a bag and does them, one at a time, on the records of a pool.

    Several may share bag and pool. After a failed write, which may have happened or not, its
    record is in doubt. A record that is gone is counted as a failure once, and not put back.
    """

    __slots__ = (
        "_bag", "_client", "_do", "_population", "_random", "_record_pool", "_report", "_routes",
        "_sleep", "_summaries", "_thresholds", "_writes", "on_depleted",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        store: str,
        bag: OperationBag,
        record_pool: RecordPool,
        rng: random.Random,
        writes: list[PreparedWrite],
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
        self._bag = bag
        self._record_pool = record_pool
        self._random = rng.random
        self._writes = writes
        self._population = population
        self._report = report
        self._thresholds = {
            above: self._routes.find(above, FIND_LIMIT) for above in FIND_THRESHOLDS
        }
        self._summaries = SummaryChecker(summary_size)
        self._sleep = sleep_path(sleep_ms, store.split("/")[1], slow=slow), sleep_ms
        self._do: Mapping[str, Callable[[], Response]] = {
            operation: getattr(self, operation) for operation in (*Operation, SLEEP)
        }

    def step(self) -> Response:
        """Do the next operation of the mix; with no record left, a create in its place."""
        operation = self._bag.draw()
        if not self._record_pool.records and operation in NEEDS_RECORD:
            if operation is Operation.DELETE:
                self.on_depleted()
            operation = self._bag.create_first(operation)
        return self._do[operation]()

    def create(self) -> Response:
        """Create a record."""
        write = self._draw_write()
        response, failed = self._request(Operation.CREATE, self._routes.records, write.body)
        if not failed:
            record = checks.parse_record(response.body)
            prefix = self._routes.record_prefix
            flaw = checks.check_create(record, write.draft, response, prefix)
            self._judge(Operation.CREATE, response, flaw)
            if record is not None and not flaw:
                self._record_pool.put(record)
        return response

    def read(self) -> Response:
        """Read a record."""
        expected = self._record_pool.take(self._random)
        path = self._routes.record_prefix + expected.id
        response, failed = self._request(Operation.READ, path)
        if not failed:
            record = checks.parse_record(response.body)
            if self._record_pool.is_doubted(expected.id):
                self._settle(Operation.READ, response, record, expected, expected, ("id",))
            else:
                self._record_pool.put(expected)
                self._judge(Operation.READ, response, checks.check_record(record, expected))
        elif failed != _GONE:
            self._record_pool.put(expected)
        else:
            self._record_pool.trust(expected.id)
        return response

    def update(self) -> Response:
        """Replace a record."""
        before, write = self._record_pool.take(self._random), self._draw_write()
        expected = checks.record_of(before.id, write.draft)
        return self._write(Operation.UPDATE, before, write.body, expected)

    def edit(self) -> Response:
        """Change some fields of a record."""
        before, write = self._record_pool.take(self._random), self._draw_write()
        expected = msgspec.structs.replace(before, **write.change)
        fields = ("id", *write.change)
        return self._write(Operation.EDIT, before, write.change_body, expected, fields)

    def delete(self) -> Response:
        """Delete a record; whatever the response, it is not put back."""
        record = self._record_pool.take(self._random)
        self._record_pool.trust(record.id)
        path = self._routes.record_prefix + record.id
        response, failed = self._request(Operation.DELETE, path)
        if not failed:
            self._judge(Operation.DELETE, response, "unexpected body" * bool(response.body))
        return response

    def find(self) -> Response:
        """Find the newest of the longer records."""
        above = FIND_THRESHOLDS[int(self._random() * len(FIND_THRESHOLDS))]
        response, failed = self._request(Operation.FIND, self._thresholds[above])
        if not failed:
            flaw = checks.check_find(response.body, above, FIND_LIMIT, self._population)
            self._judge(Operation.FIND, response, flaw)
        return response

    def summary(self) -> Response:
        """Request the summary."""
        response, failed = self._request(Operation.SUMMARY, self._routes.summary)
        if not failed:
            self._judge(Operation.SUMMARY, response, self._summaries.check(response.body))
        return response

    def sleep(self) -> Response:
        """Request a sleep of a set time, in the store's mode of waiting."""
        path, ms = self._sleep
        response, failed = self._request(SLEEP, path)
        if not failed:
            self._judge(SLEEP, response, checks.check_sleep(response, ms))
        return response

    # -- parts ------------------------------------------------------------------------------

    def _request(self, operation: str, path: str, body: bytes = b"") -> tuple[Response, str]:
        response = self._client.request(METHOD[operation], path, body)
        failed = checks.failure(response, STATUS[operation])
        if failed:
            self._report(METHOD[operation], operation, response, failed, "")
        return response, failed

    def _judge(self, operation: str, response: Response, flaw: str) -> None:
        self._report(METHOD[operation], operation, response, WRONG if flaw else OK, flaw)

    def _write(
        self,
        operation: Operation,
        before: Record,
        body: bytes,
        expected: Record,
        certain: tuple[str, ...] = Record.__struct_fields__,
    ) -> Response:
        path = self._routes.record_prefix + before.id
        response, failed = self._request(operation, path, body)
        if not failed:
            record = checks.parse_record(response.body)
            if self._record_pool.is_doubted(before.id):
                self._settle(operation, response, record, expected, before, certain)
            else:
                self._record_pool.put(expected)
                self._judge(operation, response, checks.check_record(record, expected))
        elif failed == _GONE:
            self._record_pool.trust(before.id)
        else:
            self._record_pool.doubt(before.id)
            self._record_pool.put(before)
        return response

    def _settle(
        self,
        operation: Operation,
        response: Response,
        record: Record | None,
        expected: Record,
        before: Record,
        certain: tuple[str, ...],
    ) -> None:
        """End the doubt about a record: take the response for true if its `certain` fields are."""
        flaw = checks.NO_JSON if record is None else checks.check_fields(record, expected, certain)
        if record is not None and not flaw:
            self._record_pool.trust(record.id)
            self._record_pool.put(record)
        else:
            self._record_pool.put(before)
        self._judge(operation, response, flaw)

    def _draw_write(self) -> PreparedWrite:
        return self._writes[int(self._random() * len(self._writes))]
