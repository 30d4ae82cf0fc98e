"""Seeded random records: the same seed gives the same data, on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from math import ceil
from typing import Any, Final, TypeVar

import msgspec

from windtunnel.client.api import (
    MAX_POPULATION_BYTES,
    Draft,
    Record,
    Routes,
    SummarySize,
    decode_population_ids,
    decode_problem,
    decode_summary_size,
    encode,
)
from windtunnel.client.client import Client
from windtunnel.client.response import Response
from windtunnel.errors import SetupError
from windtunnel.workload.mixes import Mix, consumes

T = TypeVar("T")

LONGEST: Final = 1000.0
"""Durations are spread evenly from 0 to this, in whole thousandths."""

PREPARED_WRITES: Final = 1024
"""How many writes are prepared; users draw from them, so that a write costs no time."""

_EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
_SPAN_MS: Final = 11 * 365 * 86_400_000
_WORDS: Final = (
    "loop", "socket", "coroutine", "écluse", "Föhn", "ветер", "風洞", "نفق", "🌬️", "naïve",
    "handler", "pool", "cursor", "índice", "blocking", "await", "queue", "latency", "żuraw", "tail",
)  # fmt: skip
_TAGS: Final = ("fast", "slow", "café", "größe", "задача", "測定", "a/b", "tag with spaces", "🚀")


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """A write prepared ahead: the content of a record, and an edit of some of its fields."""

    draft: Draft
    body: bytes
    change: Mapping[str, Any]
    change_body: bytes


def drafts(seed: int, size: int) -> Iterator[Draft]:
    """Yield the content of a population of `size` records."""
    rng = random.Random(f"population:{seed}")
    for _ in range(size):
        yield draft(rng)


def draft(rng: random.Random) -> Draft:
    """Return the random content of one record."""
    return Draft(
        topic=" ".join(rng.choices(_WORDS, k=rng.randint(2, 12))),
        when=_EARLIEST + timedelta(milliseconds=rng.randrange(_SPAN_MS)),
        duration=rng.randrange(int(LONGEST * 1000)) / 1000,
        tags=tuple(rng.sample(_TAGS, k=rng.randint(0, 4))),
    )


@cache
def prepared_writes(seed: int) -> list[PreparedWrite]:
    """Return the writes that users with `seed` draw from, prepared once in a process."""
    rng = random.Random(f"samples:{seed}")
    return [_prepared_write(rng) for _ in range(PREPARED_WRITES)]


def _prepared_write(rng: random.Random) -> PreparedWrite:
    content, changed = draft(rng), draft(rng)
    fields = rng.sample(("topic", "when", "duration", "tags"), k=rng.randint(1, 3))
    change = {field: getattr(changed, field) for field in fields}
    return PreparedWrite(content, encode(content), change, encode(change))


DELETES_PER_SECOND: Final = 5_000
"""The rate that `delete` alone is provided for; a faster store ends its window early."""

MAX_POPULATION: Final = 20_000
"""The most records that `delete` alone starts from, as recreating them takes its time too."""


class ResetError(SetupError):
    """A store that could not be brought to its starting state; the message is one line."""


def population_size(mix: Mix, population: int, users: int, duration_s: float) -> int:
    """How many records to start from, so that each user owns one and deletes last `duration_s`."""
    minimum = max(population, users)
    if not consumes(mix):
        return minimum
    return max(minimum, min(ceil(DELETES_PER_SECOND * duration_s), MAX_POPULATION))


@lru_cache(maxsize=2)
def _prepared(seed: int, size: int) -> tuple[list[Draft], bytes]:
    population = list(drafts(seed, size))
    body = encode(population)
    if len(body) > MAX_POPULATION_BYTES:
        raise ResetError(f"a population of {size} does not fit into one request: use a smaller one")
    return population, body


def recreate(client: Client, store: str, seed: int, size: int) -> list[str]:
    """Make a store hold exactly the population of `seed`, and return the ids in its order.

    Raises ResetError.
    """
    response = client.request("PUT", Routes(store).records, _prepared(seed, size)[1])
    ids = _decode(decode_population_ids, response, store).ids
    if len(set(ids)) != size:
        raise ResetError(f"{store} was sent {size} records and returned {len(set(ids))} ids")
    return ids


def records(seed: int, size: int, ids: Sequence[str], start: int = 0) -> list[Record]:
    """Return the records under `ids`, which are those from index `start` of the population."""
    part = _prepared(seed, size)[0][start : start + len(ids)]
    return [
        Record(id_, draft.topic, draft.when, draft.duration, draft.tags)
        for id_, draft in zip(ids, part, strict=True)
    ]


def seed_summary(client: Client, store: str, size: int) -> None:
    """Make the table that a store's summary aggregates hold `size` rows; raises ResetError."""
    response = client.request("PUT", Routes(store).summary, encode(SummarySize(size)))
    rows = _decode(decode_summary_size, response, store).size
    if rows != size:
        raise ResetError(f"{store} seeded {rows} rows for its summary instead of {size}")


def _decode(decode: Callable[[bytes], T], response: Response, store: str) -> T:
    if response.status == 0:
        raise ResetError(f"{store} could not be reset: {response.outcome}, no response")
    if response.status != 200:
        raise ResetError(f"{store} could not be reset: {response.status} {_detail(response.body)}")
    try:
        return decode(response.body)
    except msgspec.MsgspecError as error:
        raise ResetError(f"{store} did not confirm its reset: {error}") from error


def _detail(body: bytes) -> str:
    try:
        problem = decode_problem(body)
    except msgspec.MsgspecError:
        return ""
    return problem.detail or problem.title


class RecordPool:
    """Records as last written. A request takes its record out, and puts back what it has become.

    So no two requests in flight touch the same record, and every response can be checked. After a
    write without a certain outcome the record is in doubt: it has the old content or the new, and
    the next response settles which.
    """

    __slots__ = ("_doubted", "records")

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self._doubted: set[str] = set()

    def take(self, random: Callable[[], float]) -> Record:
        """Take out a random record; raises IndexError when none is left."""
        records = self.records
        index = int(random() * len(records))
        record, records[index] = records[index], records[-1]
        records.pop()
        return record

    def put(self, record: Record) -> None:
        """Put a record in, as it was last written."""
        self.records.append(record)

    def doubt(self, id: str) -> None:
        """Note that a record may hold something else than was last confirmed."""
        self._doubted.add(id)

    def trust(self, id: str) -> None:
        """Note that a record holds what was last confirmed, or is gone."""
        self._doubted.discard(id)

    def is_doubted(self, id: str) -> bool:
        """Whether a record is in doubt."""
        return bool(self._doubted) and id in self._doubted

    @property
    def certain_records(self) -> list[Record]:
        """The records that are not in doubt."""
        return [record for record in self.records if record.id not in self._doubted]
