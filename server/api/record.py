"""The record that is stored, and its JSON."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Topic = Annotated[str, Meta(max_length=10_000)]
When = Annotated[datetime, Meta(tz=True)]
Tag = Annotated[str, Meta(max_length=200)]
Tags = Annotated[list[Tag], Meta(max_length=100)]

ID = re.compile(r"[0-9a-f]{24}")

_process = os.urandom(5).hex()
_counter = itertools.count(int.from_bytes(os.urandom(2), "big"))


def new_id() -> str:
    """Return 24 lower-case hex digits: seconds, a mark of this process, a counter.

    The shape of MongoDB's ObjectId, used for every engine alike, so that each index is filled
    in the same order. Call it after fork only.
    """
    return f"{int(time.time()):08x}{_process}{next(_counter) & 0xFFFFFF:06x}"


def _utc(when: datetime) -> datetime:
    if when.microsecond % 1000:
        raise ValueError("`when` is finer than a millisecond")
    try:
        return when.astimezone(UTC)
    except OverflowError:
        raise ValueError("`when` lies outside the years 1 to 9999 in UTC") from None


def _check_characters(topic: str, tags: list[str]) -> None:
    """Refuse U+0000, which PostgreSQL cannot store: one rule for every store."""
    if "\0" in topic:
        raise ValueError("`topic` holds the character U+0000")
    for index, tag in enumerate(tags):
        if "\0" in tag:
            raise ValueError(f"`tags[{index}]` holds the character U+0000")


class Draft(Struct, forbid_unknown_fields=True, gc=False):
    """A record before it has an id: the body of create and update."""

    topic: Topic
    when: When
    duration: float
    tags: Tags

    def __post_init__(self) -> None:
        self.when = _utc(self.when)
        _check_characters(self.topic, self.tags)


class Change(Struct, forbid_unknown_fields=True, gc=False):
    """The fields that an edit sets: the body of PATCH."""

    topic: Topic | UnsetType = UNSET
    when: When | UnsetType = UNSET
    duration: float | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.when is not UNSET:
            self.when = _utc(self.when)
        _check_characters(self.topic or "", self.tags or [])


class Record(Struct, gc=False):
    """A stored record. `when` is UTC with whole milliseconds; `duration` is finite."""

    id: str
    topic: str
    when: datetime
    duration: float
    tags: list[str]

    def apply(self, change: Change) -> Record:
        """Return this record with the fields that `change` sets."""
        return Record(
            self.id,
            self.topic if change.topic is UNSET else change.topic,
            self.when if change.when is UNSET else change.when,
            self.duration if change.duration is UNSET else change.duration,
            self.tags if change.tags is UNSET else change.tags,
        )


class TagSummary(Struct, gc=False):
    """One row of a summary: how many, how long on average and at most (same unit as duration)."""

    tag: str
    count: int
    mean: float
    longest: float


_encoder = msgspec.json.Encoder()
encode = _encoder.encode
decode = msgspec.json.Decoder(Record).decode
decode_draft = msgspec.json.Decoder(Draft).decode
decode_drafts = msgspec.json.Decoder(list[Draft]).decode
decode_change = msgspec.json.Decoder(Change).decode


def with_id(id: str, draft: Draft) -> Record:
    """Return the record of `draft` under `id`."""
    return Record(id, draft.topic, draft.when, draft.duration, draft.tags)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_millis(when: datetime) -> int:
    """Return milliseconds since 1970, exactly, before and after it."""
    delta = when - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_millis(millis: int) -> datetime:
    """Return the UTC time that is `millis` milliseconds from 1970 (negative: before it)."""
    seconds, rest = divmod(millis, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


TAG_COUNT = 50


def summary_rows(size: int) -> Iterator[tuple[int, str, float]]:
    """Yield `size` rows (number, tag, duration) for a summary's table, the same every time.

    50 tags in turn; durations 0 to 1000 s, spread by Knuth's multiplicative hash.
    """
    for number in range(size):
        yield (
            number,
            f"tag-{number % TAG_COUNT:02d}",
            number * 2_654_435_761 % 4_294_967_296 % 1_000_000 / 1000,
        )
