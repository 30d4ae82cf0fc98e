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

LONGEST: Final = 1000.0
"""Durations are spread evenly from 0 to this, in whole thousandths."""

SAMPLES: Final = 1024
"""How many writes are prepared ahead; users draw from them, so that a write costs no time."""

_BEGINNING: Final = datetime(2015, 1, 1, tzinfo=UTC)
_SPAN_MS: Final = 11 * 365 * 86_400_000
_WORDS: Final = (
    "loop", "socket", "coroutine", "écluse", "Föhn", "ветер", "風洞", "نفق", "🌬️", "naïve",
    "handler", "pool", "cursor", "índice", "blocking", "await", "queue", "latency", "żuraw", "tail",
)  # fmt: skip
_TAGS: Final = ("fast", "slow", "café", "größe", "задача", "測定", "a/b", "tag with spaces", "🚀")


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """A write prepared ahead: a whole record's content, and an edit of some of its fields."""

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
    """Make up one record's content."""
    return Draft(
        topic=" ".join(rng.choices(_WORDS, k=rng.randint(2, 12))),
        when=_BEGINNING + timedelta(milliseconds=rng.randrange(_SPAN_MS)),
        duration=rng.randrange(int(LONGEST * 1000)) / 1000,
        tags=tuple(rng.sample(_TAGS, k=rng.randint(0, 4))),
    )


@cache
def samples(seed: int) -> list[PreparedWrite]:
    """Return the writes that users with `seed` draw from, prepared once a process."""
    rng = random.Random(f"samples:{seed}")
    return [_sample(rng) for _ in range(SAMPLES)]


def _sample(rng: random.Random) -> PreparedWrite:
    whole, changed = draft(rng), draft(rng)
    fields = rng.sample(("topic", "when", "duration", "tags"), k=rng.randint(1, 3))
    change = {field: getattr(changed, field) for field in fields}
    return PreparedWrite(whole, encode(whole), change, encode(change))


# The records that a store starts from, and who owns which of them.


T = TypeVar("T")

DELETES_PER_SECOND: Final = 5_000
"""What `delete` alone is provided for; a faster store ends its window early."""

LARGEST: Final = 20_000
"""Records that `delete` alone starts from at most, as recreating them takes its time too."""


class ResetError(SetupError):
    """A store that could not be brought to its starting state; the message is one line."""


def size_for(mix: Mix, population: int, users: int, seconds: float) -> int:
    """How many records to start from, so that each user owns one and deleting lasts `seconds`."""
    least = max(population, users)
    if not consumes(mix):
        return least
    return max(least, min(ceil(DELETES_PER_SECOND * seconds), LARGEST))


@lru_cache(maxsize=2)
def _prepared(seed: int, size: int) -> tuple[list[Draft], bytes]:
    made = list(drafts(seed, size))
    body = encode(made)
    if len(body) > MAX_POPULATION_BYTES:
        raise ResetError(f"a population of {size} is more than one request can carry: ask for less")
    return made, body


def recreate(client: Client, store: str, seed: int, size: int) -> list[str]:
    """Make a store hold exactly the population of `seed`, and return the ids in its order.

    Raises ResetError.
    """
    answer = client.request("PUT", Routes(store).records, _prepared(seed, size)[1])
    ids = _decoded(decode_population_ids, answer, store).ids
    if len(set(ids)) != size:
        raise ResetError(f"{store} took {size} records and answered {len(set(ids))} ids")
    return ids


def records(seed: int, size: int, ids: Sequence[str], start: int = 0) -> list[Record]:
    """Return the records that stand under `ids`, those from number `start` of the population."""
    made = _prepared(seed, size)[0][start : start + len(ids)]
    return [
        Record(id_, draft.topic, draft.when, draft.duration, draft.tags)
        for id_, draft in zip(ids, made, strict=True)
    ]


def seed_summary(client: Client, store: str, size: int) -> None:
    """Make the table that a store's summary aggregates hold `size` rows; raises ResetError."""
    answer = client.request("PUT", Routes(store).summary, encode(SummarySize(size)))
    seeded = _decoded(decode_summary_size, answer, store).size
    if seeded != size:
        raise ResetError(f"{store} was to seed {size} rows for its summary and seeded {seeded}")


def _decoded(decode: Callable[[bytes], T], answer: Response, store: str) -> T:
    if answer.status == 0:
        raise ResetError(f"{store} could not be reset: {answer.outcome}, no answer")
    if answer.status != 200:
        raise ResetError(f"{store} could not be reset: {answer.status} {_problem(answer.body)}")
    try:
        return decode(answer.body)
    except msgspec.MsgspecError as error:
        raise ResetError(f"{store} answered its reset with something else: {error}") from error


def _problem(body: bytes) -> str:
    try:
        told = decode_problem(body)
    except msgspec.MsgspecError:
        return ""
    return told.detail or told.title


# Records that a load generator knows: what was last written to each, and which are in doubt.


class RecordPool:
    """Records of nobody else. A request takes its record out, and puts back what became of it.

    So no two requests under way touch the same record, and every answer can be checked. A record
    whose write has no certain answer is in doubt: it holds either, and the next answer is believed.
    """

    __slots__ = ("_doubted", "records")

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self._doubted: set[str] = set()

    def take(self, random: Callable[[], float]) -> Record:
        """Take one out, each as likely as any other; raises IndexError when none is left."""
        records = self.records
        place = int(random() * len(records))
        taken, records[place] = records[place], records[-1]
        records.pop()
        return taken

    def put(self, record: Record) -> None:
        """Put a record in, as it was last written."""
        self.records.append(record)

    def doubt(self, id: str) -> None:
        """Say that a record may hold something else than was last confirmed."""
        self._doubted.add(id)

    def trust(self, id: str) -> None:
        """Say that a record holds what is known of it, or is gone."""
        self._doubted.discard(id)

    def doubts(self, id: str) -> bool:
        """Whether a record is in doubt."""
        return bool(self._doubted) and id in self._doubted

    @property
    def settled(self) -> list[Record]:
        """The records that are not in doubt."""
        return [record for record in self.records if record.id not in self._doubted]
