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
from windtunnel.client.response import OK, WRONG, Response
from windtunnel.client.timers import Deadlines
from windtunnel.workload.crud import Crud
from windtunnel.workload.dataset import RecordPool, drafts, samples
from windtunnel.workload.mixes import MIXES, OperationBag

CREATE, READ, UPDATE, EDIT, DELETE, FIND, SUMMARY = Operation


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar()
    yield server
    server.server.stop()


class One:
    """One user, and what it reported."""

    def __init__(self, liar: Liar, mix: str = "balanced", size: int = 200) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.depleted = 0
        self.stock = RecordPool(liar.populate(list(drafts(1, size))))
        rng = random.Random(4)
        self.client = Client(Address(liar.url), Deadlines(5))
        self.crud = Crud(
            client=self.client,
            store="an/engine/fast",
            deck=OperationBag(MIXES[mix], rng),
            stock=self.stock,
            rng=rng,
            samples=samples(1),
            population=size,
            summary_size=3,
            report=self._report,
            on_depleted=self._deplete,
        )

    def _report(self, operation: str, answer: Response, outcome: str, flaw: str) -> None:
        self.told.append((operation, outcome, flaw))

    def _deplete(self) -> None:
        self.depleted += 1

    def do(self, *operations: Operation) -> list[tuple[str, str]]:
        self.told.clear()
        for operation in operations:
            getattr(self.crud, operation.value)()
        return [(outcome, flaw) for _, outcome, flaw in self.told]


def test_a_truthful_server_is_believed_in_every_operation(liar: Liar) -> None:
    one = One(liar)
    everything = [CREATE, READ, UPDATE, READ, EDIT, READ, FIND, SUMMARY, SUMMARY, DELETE, READ]
    assert one.do(*everything * 20) == [(OK, "")] * len(everything) * 20
    assert one.client.connections == 1


@pytest.mark.parametrize("mix", ["balanced", "read-heavy", "write-heavy"])
def test_a_mix_keeps_the_level_and_the_proportions(liar: Liar, mix: str) -> None:
    one = One(liar, mix, size=3)
    hands = 10
    for _ in range(hands * sum(MIXES[mix].values())):
        one.crud.step()
    assert {outcome for _, outcome, _ in one.told} == {OK}
    assert Counter(operation for operation, _, _ in one.told) == Counter(
        {operation: hands * count for operation, count in MIXES[mix].items()}
    )
    assert len(liar.records) == len(one.stock.records) == 3


def test_deleting_alone_says_when_nothing_is_left(liar: Liar) -> None:
    one = One(liar, "delete", size=2)
    for _ in range(4):
        one.crud.step()
    assert [operation for operation, _, _ in one.told] == [DELETE, DELETE, CREATE, DELETE]
    assert one.depleted == 1


def changed(**fields: Any) -> Callable[[int, str, Any], tuple[int, str, Any]]:
    return lambda status, location, told: (status, location, {**told, **fields})


FIELDS = [("topic", "x"), ("duration", -1.0), ("tags", ["no"]), ("when", "2001-01-01T00:00:00Z")]


@pytest.mark.parametrize(("field", "value"), FIELDS)
@pytest.mark.parametrize("operation", [CREATE, READ, UPDATE, EDIT])
def test_a_field_that_is_not_as_written_is_wrong(
    liar: Liar, operation: Operation, field: str, value: Any
) -> None:
    one = One(liar)
    liar.lies = dict.fromkeys(("POST", "GET", "PUT", "PATCH"), changed(**{field: value}))
    assert one.do(operation) == [(WRONG, f"not as written: {field}")]


@pytest.mark.parametrize("operation", [READ, UPDATE, EDIT])
def test_another_record_than_asked_for_is_wrong(liar: Liar, operation: Operation) -> None:
    one = One(liar)
    liar.lies = dict.fromkeys(("GET", "PUT", "PATCH"), changed(id="f" * 24))
    assert one.do(operation) == [(WRONG, "not as written: id")]


@pytest.mark.parametrize("operation", [UPDATE, EDIT])
def test_a_write_that_is_confirmed_and_lost_is_found_by_the_next_read(
    liar: Liar, operation: Operation
) -> None:
    one = One(liar, size=1)
    (id_,) = liar.records
    before = dict(liar.records[id_])
    assert one.do(operation) == [(OK, "")]
    liar.records[id_] = before
    ((outcome, flaw),) = one.do(READ)
    assert outcome == WRONG
    assert flaw.startswith("not as written: ")
    assert one.do(READ) == [(outcome, flaw)]  # what was read is not taken for what was written


@pytest.mark.parametrize(
    ("operation", "told", "flaw"),
    [
        (CREATE, b"{", "not the JSON that was agreed on"),
        (READ, b"[]", "not the JSON that was agreed on"),
        (FIND, b'{"records": 1}', "not the JSON that was agreed on"),
        (SUMMARY, b"", "not the JSON that was agreed on"),
        (FIND, {"records": []}, "fewer than there are"),
        (SUMMARY, {"size": 4, "tags": []}, "not the size that was seeded"),
        (SUMMARY, {"size": 3, "tags": []}, "tags not in order"),
    ],
)
def test_nonsense_is_wrong(liar: Liar, operation: Operation, told: Any, flaw: str) -> None:
    one = One(liar)
    liar.lies = dict.fromkeys(("POST", "GET"), lambda status, location, _: (status, location, told))
    assert one.do(operation) == [(WRONG, flaw)]


def find_as(records: Callable[[list[Any]], list[Any]]) -> Any:
    return lambda status, _, told: (status, "", {"records": records(told["records"])})


@pytest.mark.parametrize(
    ("lie", "flaw"),
    [
        (lambda found: found[::-1], "not newest first"),
        (lambda found: [*found, found[-1]], "more than the limit"),
        (lambda found: [*found[:9], found[8]], "a record twice"),
        (lambda found: [{**found[0], "duration": 1.0}, *found[1:]],
         "duration not greater than asked for"),
    ],
)  # fmt: skip
def test_a_find_is_checked(liar: Liar, lie: Callable[[list[Any]], list[Any]], flaw: str) -> None:
    one = One(liar)
    assert one.do(FIND) == [(OK, "")]
    liar.lies = {"GET": find_as(lie)}
    assert one.do(FIND) == [(WRONG, flaw)]


def test_a_summary_that_changes_is_wrong(liar: Liar) -> None:
    one = One(liar)
    assert one.do(SUMMARY) == [(OK, "")]

    def lie(status: int, _: str, told: Any) -> tuple[int, str, Any]:
        told["tags"][0]["mean"] = 1.6
        return status, "", told

    liar.lies = {"GET": lie}
    assert one.do(SUMMARY) == [(WRONG, "other figures than before")]


def test_a_create_without_its_location_is_wrong_and_not_owned(liar: Liar) -> None:
    one = One(liar)
    liar.lies = {"POST": lambda status, _, told: (status, "/elsewhere", told)}
    assert one.do(CREATE) == [(WRONG, "Location is not the record's")]
    assert len(one.stock.records) == 200


def test_another_status_is_a_failure_of_that_name(liar: Liar) -> None:
    one = One(liar)
    liar.lies = {"GET": lambda *_: (503, "", {"title": "busy"}), "POST": lambda *t: (200, *t[1:])}
    assert one.do(READ, FIND, CREATE) == [("status-503", "")] * 2 + [("status-200", "")]


def test_a_record_that_is_gone_fails_once_and_is_forgotten(liar: Liar) -> None:
    one = One(liar, size=1)
    liar.records.clear()
    assert one.do(READ) == [("status-404", "")]
    assert one.stock.records == []


@pytest.mark.parametrize("happened", [True, False])
def test_a_write_that_failed_may_have_happened_or_not(liar: Liar, happened: bool) -> None:
    one = One(liar, size=1)
    (id_,) = liar.records
    before = dict(liar.records[id_])
    liar.lies = {"PUT": lambda *_: (503, "", {"title": "too late"})}
    assert one.do(UPDATE) == [("status-503", "")]
    assert one.stock.settled == []
    if not happened:
        liar.records[id_] = before
    assert one.do(READ, READ, EDIT, READ) == [(OK, "")] * 4
    assert one.stock.settled == one.stock.records
