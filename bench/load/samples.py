"""Seeded random records: the same seed gives the same data, on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from bench.contract import Draft, encode

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
class Sample:
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
def samples(seed: int) -> list[Sample]:
    """Return the writes that users with `seed` draw from, prepared once a process."""
    rng = random.Random(f"samples:{seed}")
    return [_sample(rng) for _ in range(SAMPLES)]


def _sample(rng: random.Random) -> Sample:
    whole, changed = draft(rng), draft(rng)
    fields = rng.sample(("topic", "when", "duration", "tags"), k=rng.randint(1, 3))
    change = {field: getattr(changed, field) for field in fields}
    return Sample(whole, encode(whole), change, encode(change))
