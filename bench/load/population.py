"""The records that a store starts from, and who owns which of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from typing import Final, TypeVar

import msgspec

from bench.asked.mixes import Mix, consumes
from bench.client import Client
from bench.contract import (
    MAX_POPULATION_BYTES,
    Draft,
    Record,
    Routes,
    Seeded,
    decode_populated,
    decode_problem,
    decode_seeded,
    encode,
)
from bench.load.samples import drafts
from bench.wire.answer import Answer

T = TypeVar("T")

DELETES_PER_SECOND: Final = 5_000
"""What `delete` alone is provided for; a faster store ends its window early."""

LARGEST: Final = 20_000
"""Records that `delete` alone starts from at most, as recreating them takes its time too."""


class ResetError(Exception):
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
    ids = _decoded(decode_populated, answer, store).ids
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
    answer = client.request("PUT", Routes(store).summary, encode(Seeded(size)))
    seeded = _decoded(decode_seeded, answer, store).size
    if seeded != size:
        raise ResetError(f"{store} was to seed {size} rows for its summary and seeded {seeded}")


def _decoded(decode: Callable[[bytes], T], answer: Answer, store: str) -> T:
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
