"""What every store must do: keep records exactly, find them, sum them up, start afresh."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.api.enums import Durability, Mode, Operation
from server.api.record import (
    Change,
    Record,
    TagSummary,
    decode_change,
    encode,
    new_id,
    summary_rows,
)
from server.settings import Settings
from server.stores import Store
from server.stores.modes import CallTimes
from tests.databases import Databases
from tests.databases import store as open_store
from tests.engines.conftest import PATIENCE, answered, needs, require

MILLISECOND = timedelta(milliseconds=1)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def record(
    topic: str = "topic",
    when: datetime = NOON,
    duration: float = 1.5,
    tags: list[str] | None = None,
) -> Record:
    return Record(new_id(), topic, when, duration, ["a"] if tags is None else tags)


def series(count: int) -> list[Record]:
    """Records whose duration is their number, and whose order in time is another."""
    return [
        record(f"number {n}", NOON + (n * 7 % count) * MILLISECOND, float(n)) for n in range(count)
    ]


async def read_when(store: Store, id: str, expected: Record | None) -> Record | None:
    """Return the record; where writes are not acknowledged, once it is as expected."""
    stored = await store.read(CallTimes(), id)
    if store.durability is Durability.UNACKED:
        async with asyncio.timeout(PATIENCE):
            while stored != expected:
                stored = await store.read(CallTimes(), id)
    return stored


async def check_kept(store: Store, original: Record) -> None:
    await store.create(CallTimes(), original)
    stored = await read_when(store, original.id, original)
    assert stored == original
    if original.duration or not any("-0.0" in note for note in store.engine.notes):
        assert encode(stored) == encode(original)  # -0.0 is no 0.0, and UTC is written as Z


TOPICS: list[str] = [
    "a topic",
    "",
    "Ωμέγα 漢字 😀 e\u0301 \u200f\ufeff",
    "'; DROP TABLE records; -- \" \\ \\' %s %(x)s $1 ? ` {}",
    "\x01\t\n\r\x1f\x7f\x85\u2028",
    "  trailing  ",
    "é" * 10_000,
]


async def test_keeps_topics(store: Store) -> None:
    for topic in TOPICS:
        await check_kept(store, record(topic=topic))


TIMES: list[datetime] = [
    NOON + 123 * MILLISECOND,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1000, tzinfo=UTC),
    datetime(999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, 1000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
]


async def test_keeps_times(store: Store) -> None:
    for when in TIMES:
        await check_kept(store, record(when=when))


DURATIONS = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    0.1 + 0.2,
    math.pi,
    1e16,
    2.0**53 + 2,
    -1.0,
    1e23,
]


async def test_keeps_durations(store: Store) -> None:
    for duration in DURATIONS:
        await check_kept(store, record(duration=duration))


TAGS: list[list[str]] = [
    [],
    [""],
    ["NULL", "null", "a,b", "{}", '"', "\\", "'", " ", "[1]", "😀"],
    ["b", "a", "b"],
    [f"{number:0200d}" for number in range(100)],
]


async def test_keeps_tags(store: Store) -> None:
    for tags in TAGS:
        await check_kept(store, record(tags=tags))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)
WHEN = st.datetimes(timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000)
)
RECORDS = st.builds(
    record,
    TEXT,
    WHEN,
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(TEXT, max_size=5),
)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(originals=st.lists(RECORDS, min_size=1, max_size=3))
def test_keeps_anything(store: Store, runner: asyncio.Runner, originals: list[Record]) -> None:
    for original in originals:
        runner.run(check_kept(store, original))


async def test_knows_no_missing_id(store: Store) -> None:
    missing = record()
    unacked = store.durability is Durability.UNACKED
    assert await store.read(CallTimes(), missing.id) is None
    assert await store.edit(CallTimes(), missing.id, Change(duration=1.0)) is None
    if not unacked:  # nobody says whether there was such a record
        assert await store.update(CallTimes(), missing) is False
        assert await store.delete(CallTimes(), missing.id) is False
    assert await store.read(CallTimes(), missing.id) is None


async def test_deletes_once(store: Store) -> None:
    original = record()
    await store.create(CallTimes(), original)
    await read_when(store, original.id, original)
    first = await store.delete(CallTimes(), original.id)
    assert await read_when(store, original.id, None) is None
    second = await store.delete(CallTimes(), original.id)
    if store.durability is not Durability.UNACKED:
        assert (first, second) == (True, False)
    assert await store.read(CallTimes(), original.id) is None


async def test_updates_every_field(store: Store) -> None:
    original = record()
    await store.create(CallTimes(), original)
    await read_when(store, original.id, original)
    changed = Record(original.id, "other", NOON + MILLISECOND, -2.5, ["x", "y"])
    assert await store.update(CallTimes(), changed) is True
    assert await read_when(store, original.id, changed) == changed


async def test_update_finds_an_unchanged_record(store: Store) -> None:
    original = record()
    await store.create(CallTimes(), original)
    await read_when(store, original.id, original)
    assert await store.update(CallTimes(), original) is True


EDITS = (b'{"topic":"t2"}', b'{"when":"1999-01-01T00:00:00Z"}', b'{"tags":[]}', b"{}")


async def test_edits_only_what_it_is_told(store: Store) -> None:
    expected = record()
    await store.create(CallTimes(), expected)
    await read_when(store, expected.id, expected)
    for change in map(decode_change, EDITS):
        expected = expected.apply(change)
        assert await store.edit(CallTimes(), expected.id, change) == expected
        assert await read_when(store, expected.id, expected) == expected


async def test_edit_reads_and_writes_without_a_lock(store: Store) -> None:
    """Of edits of different fields at once none fails, and the last write is whole."""
    original = record()
    await store.create(CallTimes(), original)
    await read_when(store, original.id, original)
    edits = [Change(topic=f"{n}", tags=[f"{n}"]) for n in range(10)]
    written = await asyncio.gather(*(store.edit(CallTimes(), original.id, edit) for edit in edits))
    assert [w and w.topic for w in written] == [edit.topic for edit in edits]
    stored = await store.read(CallTimes(), original.id)
    assert stored is not None
    assert stored.tags == [stored.topic] or store.durability is Durability.UNACKED


async def find_when(store: Store, min_duration: float, limit: int, count: int) -> list[Record]:
    """Return what `find` answers, once a search that lags behind writes sees `count` records."""
    matches = await store.find(CallTimes(), min_duration, limit)
    async with asyncio.timeout(PATIENCE):
        while len(matches) < count:
            matches = await store.find(CallTimes(), min_duration, limit)
    return matches


async def test_finds_the_longer_ones_newest_first(store: Store) -> None:
    needs(store, Operation.FIND)
    records = series(20)
    await store.reset(records)
    longer = [record for record in records if record.duration > 7.0]
    newest = sorted(longer, key=lambda record: record.when, reverse=True)
    assert await find_when(store, 7.0, 1000, len(newest)) == newest
    assert await find_when(store, 7.0, 3, 3) == newest[:3]
    assert await store.find(CallTimes(), 19.0, 10) == []
    assert await store.find(CallTimes(), math.nextafter(19.0, 0), 10) == [records[19]]


async def test_finds_extremes(store: Store) -> None:
    needs(store, Operation.FIND)
    lowest, zero, tiny, highest = (record(duration=d) for d in (-1.7e308, -0.0, 5e-324, 1.7e308))
    await store.reset([lowest, zero, tiny, highest])
    assert len(await find_when(store, -1.79e308, 10, 4)) == 4
    assert {r.id for r in await find_when(store, 0.0, 10, 2)} == {tiny.id, highest.id}
    assert {r.id for r in await find_when(store, 5e-324, 10, 1)} == {highest.id}


async def test_finds_what_was_written_since(store: Store) -> None:
    needs(store, Operation.FIND)
    await store.reset(series(5))
    new = record(duration=99.0, when=NOON + timedelta(days=1))
    await store.create(CallTimes(), new)
    assert await find_when(store, 50.0, 10, 1) == [new]


async def test_finds_nothing_in_nothing(store: Store) -> None:
    needs(store, Operation.FIND)
    await store.reset([])
    assert await store.find(CallTimes(), -1.0, 10) == []


def summed(size: int) -> list[TagSummary]:
    durations: dict[str, list[float]] = defaultdict(list)
    for _, tag, duration in summary_rows(size):
        durations[tag].append(duration)
    return [
        TagSummary(tag, len(values), math.fsum(values) / len(values), max(values))
        for tag, values in sorted(durations.items())
    ]


async def test_sums_up_by_tag(store: Store) -> None:
    needs(store, Operation.SUMMARY)
    for size in (2_000, 75):
        await store.seed_summary(size)
        rows, expected = await store.summary(CallTimes()), summed(size)
        assert [(r.tag, r.count) for r in rows] == [(r.tag, r.count) for r in expected]
        assert [r.longest for r in rows] == [r.longest for r in expected]
        assert [r.mean for r in rows] == pytest.approx([r.mean for r in expected], rel=1e-9)


async def test_reset_leaves_exactly_the_population(store: Store) -> None:
    await store.reset([])
    leftover = record()
    await store.create(CallTimes(), leftover)
    await read_when(store, leftover.id, leftover)
    for count in (30, 10):
        population = series(count)
        await store.reset(population)
        assert await store.read(CallTimes(), leftover.id) is None
        for original in population:
            assert await store.read(CallTimes(), original.id) == original
        if Operation.FIND not in store.engine.not_available:
            assert len(await find_when(store, -1.0, 1000, count)) == count
        leftover = population[0]


async def test_stores_of_one_database_are_strangers(
    store: Store, databases: Databases, runner: asyncio.Runner
) -> None:
    settings = databases.settings()
    stranger = _neighbour(store, settings)
    require(databases, stranger)
    own_record, foreign_record = record("mine"), record("theirs")
    try:
        await stranger.reset([foreign_record])
        await store.reset([own_record])
        assert await stranger.read(CallTimes(), foreign_record.id) == foreign_record
        assert await stranger.read(CallTimes(), own_record.id) is None
        assert await store.read(CallTimes(), foreign_record.id) is None
    finally:
        await stranger.close()


def _neighbour(store: Store, settings: Settings) -> Store:
    """Another store of the same engine: of another mode, or else of another durability."""
    engine = store.engine
    modes = [mode for mode in engine.modes() if mode is not store.mode] or [Mode(store.mode)]
    for durability in (store.durability, *engine.durabilities):
        candidate = open_store(f"{engine.name}/{modes[0]}/{durability}", settings)
        if candidate.id != store.id:
            return candidate
    pytest.skip("the engine has no other store")


async def test_fifty_writers_at_once(store: Store) -> None:
    records = [record(f"writer {n}") for n in range(50)]
    await asyncio.gather(*(store.create(CallTimes(), record) for record in records))
    stored = [await read_when(store, record.id, record) for record in records]
    assert stored == records


async def test_says_what_it_is(store: Store) -> None:
    server = await answered(lambda: store.probe(asyncio.Event()))
    ledger = store.ledger(server)
    assert any(character.isdigit() for character in server) or store.engine.reference
    assert ledger["server"] == server
    assert set(ledger["round_trips"]) == set(store.operations)
