"""A store's records: create, read, update, edit, delete, find, and the whole population."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec

from server.api import record as records
from server.api.decoding import decode_body
from server.api.enums import Operation
from server.api.record import ID, Draft, new_id, with_id
from server.api.schemas import RecordIds, RecordList, SummaryResult, SummarySize
from server.body_limits import POPULATION_LIMIT, RECORD_LIMIT
from server.errors import BadRequest, Invalid, NotFound, WrongMediaType
from server.handlers.base import JSON, Handler
from server.stores import Store
from server.stores.modes import CallTimes

MERGE_PATCH = "application/merge-patch+json"

DEFAULT_LIMIT, MAX_LIMIT = 10, 1000


class StoreHandler(Handler):
    """A route of one store."""

    def initialize(self, store: Store) -> None:
        """Take the store that the path names."""
        self.store = store
        self.store_id = store.id
        self.times = CallTimes()

    def body(self, *media_types: str) -> bytes:
        """Return the body; raises WrongMediaType unless Content-Type is one of `media_types`."""
        content_type = self.request.headers.get("Content-Type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        if content_type not in media_types and media_type not in media_types:
            reason = f"not {content_type}" if content_type else "and said so by Content-Type"
            detail = f"the body should be {' or '.join(media_types)}, {reason}"
            raise WrongMediaType(detail, "Content-Type")
        return self.request.body


class RecordsHandler(StoreHandler):
    """All records of a store."""

    async def post(self) -> None:
        """Create one."""
        self.operation = Operation.CREATE
        record = with_id(new_id(), decode_body(self.body(JSON), records.decode_draft))
        await self.store.create(self.times, record)
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Location", f"{self.request.path}/{record.id}")
        self.respond(records.encode(record))

    async def get(self) -> None:
        """Find."""
        self.operation = Operation.FIND
        arguments = self.query("min_duration", "limit")
        min_duration = _min_duration(arguments.get("min_duration"))
        limit = _limit(arguments.get("limit"))
        matches = await self.store.find(self.times, min_duration, limit)
        self.respond(records.encode(RecordList(matches)))

    async def put(self) -> None:
        """Replace the population."""
        self.operation = "reset"
        drafts = decode_body(self.body(JSON), records.decode_drafts)
        population = [with_id(new_id(), draft) for draft in drafts]
        await self.store.reset(population)
        self.respond(records.encode(RecordIds([record.id for record in population])))

    @classmethod
    def body_limit(cls, method: str) -> int:
        """Return how many bytes the body may have."""
        return POPULATION_LIMIT if method == "PUT" else RECORD_LIMIT


class RecordHandler(StoreHandler):
    """One record of a store."""

    def initialize(self, store: Store, id: str) -> None:  # type: ignore[override]
        """Take the store that the path names."""
        self.store = store
        self.store_id = store.id
        self.times = CallTimes()
        self.id = id

    def prepare(self) -> None:
        """Refuse an id of another form."""
        super().prepare()
        if not ID.fullmatch(self.id):
            raise BadRequest("id: it has 24 lower-case hexadecimal digits", "id")

    async def get(self) -> None:
        """Read."""
        self.operation = Operation.READ
        record = await self.store.read(self.times, self.id)
        if record is None:
            raise self.not_found()
        self.respond(records.encode(record))

    async def put(self) -> None:
        """Update."""
        self.operation = Operation.UPDATE
        draft: Draft = decode_body(self.body(JSON), records.decode_draft)
        record = with_id(self.id, draft)
        if not await self.store.update(self.times, record):
            raise self.not_found()
        self.respond(records.encode(record))

    async def patch(self) -> None:
        """Edit: read, change, write, without a lock."""
        self.operation = Operation.EDIT
        change = decode_body(self.body(JSON, MERGE_PATCH), records.decode_change)
        record = await self.store.edit(self.times, self.id, change)
        if record is None:
            raise self.not_found()
        self.respond(records.encode(record))

    async def delete(self) -> None:
        """Delete."""
        self.operation = Operation.DELETE
        if not await self.store.delete(self.times, self.id):
            raise self.not_found()
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()

    def not_found(self) -> NotFound:
        """Return the error for an id that the store does not have."""
        return NotFound(f"{self.store.id} has no record {self.id}")


_decode_size = msgspec.json.Decoder(SummarySize).decode


class SummaryHandler(StoreHandler):
    """The heavy aggregation, over the summary's own table."""

    async def get(self) -> None:
        """Summarize."""
        self.operation = Operation.SUMMARY
        self.query()
        rows = await self.store.summary(self.times)
        size = sum(row.count for row in rows)
        self.respond(records.encode(SummaryResult(size, rows)))

    async def put(self) -> None:
        """Seed the table."""
        self.operation = "seed"
        seed = decode_body(self.body(JSON), _decode_size)
        await self.store.seed_summary(seed.size)
        self.respond(records.encode(seed))


def _min_duration(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Invalid(f"min_duration: {text!r:.80} is not a finite number", "min_duration")
    return number


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_LIMIT):
        raise Invalid(f"limit: {text!r:.80} is not a whole number from 1 to {MAX_LIMIT}", "limit")
    return int(text)
