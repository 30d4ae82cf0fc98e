"""A user's operations against a server that answers falsely: every lie is a failure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.windtunnel.liar import Liar
from windtunnel.client.address import Address
from windtunnel.client.api import Operation
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.client.response import OK, WRONG, Response
from windtunnel.workload.crud import Crud
from windtunnel.workload.dataset import RecordPool, drafts, prepared_writes
from windtunnel.workload.mixes import MIXES, OperationBag

CREATE, READ, UPDATE, EDIT, DELETE, FIND, SUMMARY = Operation


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar()
    yield server
    server.server.stop()


class CheckedUser:
    """One user, and what it reported."""

    def __init__(self, liar: Liar, mix: str = "balanced", size: int = 200) -> None:
        self.reports: list[tuple[str, str, str]] = []
        self.depleted = 0
        self.record_pool = RecordPool(liar.populate(list(drafts(1, size))))
        rng = random.Random(4)
        self.client = Client(Address(liar.url), Deadlines(5))
        self.crud = Crud(
            client=self.client,
            store="an/engine/fast",
            bag=OperationBag(MIXES[mix], rng),
            record_pool=self.record_pool,
            rng=rng,
            writes=prepared_writes(1),
            population=size,
            summary_size=3,
            report=self._report,
            on_depleted=self._deplete,
        )

    def _report(self, method: str, name: str, response: Response, outcome: str, flaw: str) -> None:
        self.reports.append((name, outcome, flaw))

    def _deplete(self) -> None:
        self.depleted += 1

    def do(self, *operations: Operation) -> list[tuple[str, str]]:
        self.reports.clear()
        for operation in operations:
            getattr(self.crud, operation.value)()
        return [(outcome, flaw) for _, outcome, flaw in self.reports]


def test_a_truthful_server_is_believed_in_every_operation(liar: Liar) -> None:
    user = CheckedUser(liar)
    everything = [CREATE, READ, UPDATE, READ, EDIT, READ, FIND, SUMMARY, SUMMARY, DELETE, READ]
    assert user.do(*everything * 20) == [(OK, "")] * len(everything) * 20
    assert user.client.connections == 1


@pytest.mark.parametrize("mix", ["balanced", "read-heavy", "write-heavy"])
def test_a_mix_keeps_the_level_and_the_proportions(liar: Liar, mix: str) -> None:
    user = CheckedUser(liar, mix, size=3)
    fillings = 10
    for _ in range(fillings * sum(MIXES[mix].values())):
        user.crud.step()
    assert {outcome for _, outcome, _ in user.reports} == {OK}
    assert Counter(operation for operation, _, _ in user.reports) == Counter(
        {operation: fillings * count for operation, count in MIXES[mix].items()}
    )
    assert len(liar.records) == len(user.record_pool.records) == 3


def test_deleting_alone_says_when_nothing_is_left(liar: Liar) -> None:
    user = CheckedUser(liar, "delete", size=2)
    for _ in range(4):
        user.crud.step()
    assert [operation for operation, _, _ in user.reports] == [DELETE, DELETE, CREATE, DELETE]
    assert user.depleted == 1


def changed(**fields: Any) -> Callable[[int, str, Any], tuple[int, str, Any]]:
    return lambda status, location, body: (status, location, {**body, **fields})


FIELDS = [("topic", "x"), ("duration", -1.0), ("tags", ["no"]), ("when", "2001-01-01T00:00:00Z")]


@pytest.mark.parametrize(("field", "value"), FIELDS)
@pytest.mark.parametrize("operation", [CREATE, READ, UPDATE, EDIT])
def test_a_field_that_is_not_as_written_is_wrong(
    liar: Liar, operation: Operation, field: str, value: Any
) -> None:
    user = CheckedUser(liar)
    liar.lies = dict.fromkeys(("POST", "GET", "PUT", "PATCH"), changed(**{field: value}))
    assert user.do(operation) == [(WRONG, f"not as written: {field}")]


@pytest.mark.parametrize("operation", [READ, UPDATE, EDIT])
def test_another_record_than_asked_for_is_wrong(liar: Liar, operation: Operation) -> None:
    user = CheckedUser(liar)
    liar.lies = dict.fromkeys(("GET", "PUT", "PATCH"), changed(id="f" * 24))
    assert user.do(operation) == [(WRONG, "not as written: id")]


@pytest.mark.parametrize("operation", [UPDATE, EDIT])
def test_a_write_that_is_confirmed_and_lost_is_found_by_the_next_read(
    liar: Liar, operation: Operation
) -> None:
    user = CheckedUser(liar, size=1)
    (id_,) = liar.records
    before = dict(liar.records[id_])
    assert user.do(operation) == [(OK, "")]
    liar.records[id_] = before
    ((outcome, flaw),) = user.do(READ)
    assert outcome == WRONG
    assert flaw.startswith("not as written: ")
    assert user.do(READ) == [(outcome, flaw)]  # what was read is not taken for what was written


@pytest.mark.parametrize(
    ("operation", "body", "flaw"),
    [
        (CREATE, b"{", "not the expected JSON"),
        (READ, b"[]", "not the expected JSON"),
        (FIND, b'{"records": 1}', "not the expected JSON"),
        (SUMMARY, b"", "not the expected JSON"),
        (FIND, {"records": []}, "fewer records than match"),
        (SUMMARY, {"size": 4, "tags": []}, "not the seeded size"),
        (SUMMARY, {"size": 3, "tags": []}, "tags not sorted"),
    ],
)
def test_nonsense_is_wrong(liar: Liar, operation: Operation, body: Any, flaw: str) -> None:
    user = CheckedUser(liar)
    liar.lies = dict.fromkeys(("POST", "GET"), lambda status, location, _: (status, location, body))
    assert user.do(operation) == [(WRONG, flaw)]


def find_as(change: Callable[[list[Any]], list[Any]]) -> Any:
    return lambda status, _, body: (status, "", {"records": change(body["records"])})


@pytest.mark.parametrize(
    ("lie", "flaw"),
    [
        (lambda records: records[::-1], "not newest first"),
        (lambda records: [*records, records[-1]], "more records than the limit"),
        (lambda records: [*records[:9], records[8]], "duplicate record"),
        (lambda records: [{**records[0], "duration": 1.0}, *records[1:]],
         "duration not above the minimum"),
    ],
)  # fmt: skip
def test_a_find_is_checked(liar: Liar, lie: Callable[[list[Any]], list[Any]], flaw: str) -> None:
    user = CheckedUser(liar)
    assert user.do(FIND) == [(OK, "")]
    liar.lies = {"GET": find_as(lie)}
    assert user.do(FIND) == [(WRONG, flaw)]


def test_a_summary_that_changes_is_wrong(liar: Liar) -> None:
    user = CheckedUser(liar)
    assert user.do(SUMMARY) == [(OK, "")]

    def lie(status: int, _: str, body: Any) -> tuple[int, str, Any]:
        body["tags"][0]["mean"] = 1.6
        return status, "", body

    liar.lies = {"GET": lie}
    assert user.do(SUMMARY) == [(WRONG, "figures differ from the first summary")]


def test_a_create_without_its_location_is_wrong_and_not_owned(liar: Liar) -> None:
    user = CheckedUser(liar)
    liar.lies = {"POST": lambda status, _, body: (status, "/elsewhere", body)}
    assert user.do(CREATE) == [(WRONG, "Location is not the record's")]
    assert len(user.record_pool.records) == 200


def test_another_status_is_a_failure_of_that_name(liar: Liar) -> None:
    user = CheckedUser(liar)
    liar.lies = {"GET": lambda *_: (503, "", {"title": "busy"}), "POST": lambda *t: (200, *t[1:])}
    assert user.do(READ, FIND, CREATE) == [("status-503", "")] * 2 + [("status-200", "")]


def test_a_record_that_is_gone_fails_once_and_is_forgotten(liar: Liar) -> None:
    user = CheckedUser(liar, size=1)
    liar.records.clear()
    assert user.do(READ) == [("status-404", "")]
    assert user.record_pool.records == []


@pytest.mark.parametrize("happened", [True, False])
def test_a_write_that_failed_may_have_happened_or_not(liar: Liar, happened: bool) -> None:
    user = CheckedUser(liar, size=1)
    (id_,) = liar.records
    before = dict(liar.records[id_])
    liar.lies = {"PUT": lambda *_: (503, "", {"title": "too late"})}
    assert user.do(UPDATE) == [("status-503", "")]
    assert user.record_pool.certain_records == []
    if not happened:
        liar.records[id_] = before
    assert user.do(READ, READ, EDIT, READ) == [(OK, "")] * 4
    assert user.record_pool.certain_records == user.record_pool.records
