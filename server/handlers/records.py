"""A store's records: create, read, update, edit, delete, find, and the whole population."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec

from server.api import record as records
from server.api.decoding import decoded
from server.api.enums import Operation
from server.api.record import ID, Draft, named, new_id
from server.api.schemas import RecordIds, RecordList, SummaryResult, SummarySize
from server.body_limits import POPULATION_LIMIT, RECORD_LIMIT
from server.errors import BadRequest, Invalid, NotFound, WrongMediaType
from server.handlers.base import JSON, Handler
from server.stores import Store
from server.stores.modes import CallTimes

MERGE_PATCH = "application/merge-patch+json"

DEFAULT_LIMIT, MOST = 10, 1000


class StoreHandler(Handler):
    """A route of one store."""

    def initialize(self, store: Store) -> None:
        """Take what the router found."""
        self.store = store
        self.store_id = store.id
        self.times = CallTimes()

    def body(self, *kinds: str) -> bytes:
        """Return the body; raises WrongMediaType unless it says that it is of `kinds`."""
        kind = self.request.headers.get("Content-Type", "")
        if kind not in kinds and kind.partition(";")[0].strip().lower() not in kinds:
            got = f"not {kind}" if kind else "and said so by Content-Type"
            raise WrongMediaType(f"the body should be {' or '.join(kinds)}, {got}", "Content-Type")
        return self.request.body


class RecordsHandler(StoreHandler):
    """All records of a store."""

    async def post(self) -> None:
        """Create one."""
        self.operation = Operation.CREATE
        record = named(new_id(), decoded(self.body(JSON), records.decode_draft))
        await self.store.create(self.times, record)
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Location", f"{self.request.path}/{record.id}")
        self.respond(records.encode(record))

    async def get(self) -> None:
        """Find."""
        self.operation = Operation.FIND
        given = self.query("min_duration", "limit")
        least = _number(given.get("min_duration"))
        found = await self.store.find(self.times, least, _limit(given.get("limit")))
        self.respond(records.encode(RecordList(found)))

    async def put(self) -> None:
        """Replace the population."""
        self.operation = "reset"
        drafts = decoded(self.body(JSON), records.decode_drafts)
        population = [named(new_id(), draft) for draft in drafts]
        await self.store.reset(population)
        self.respond(records.encode(RecordIds([record.id for record in population])))

    @classmethod
    def body_limit(cls, method: str) -> int:
        """Return how many bytes the body may have."""
        return POPULATION_LIMIT if method == "PUT" else RECORD_LIMIT


class RecordHandler(StoreHandler):
    """One record of a store."""

    def initialize(self, store: Store, id: str) -> None:  # type: ignore[override]
        """Take what the router found."""
        self.store = store
        self.store_id = store.id
        self.times = CallTimes()
        self.id = id

    def prepare(self) -> None:
        """Refuse what can be no id."""
        super().prepare()
        if not ID.fullmatch(self.id):
            raise BadRequest("id: it has 24 lower-case hexadecimal digits", "id")

    async def get(self) -> None:
        """Read."""
        self.operation = Operation.READ
        record = await self.store.read(self.times, self.id)
        if record is None:
            raise self.missing()
        self.respond(records.encode(record))

    async def put(self) -> None:
        """Update."""
        self.operation = Operation.UPDATE
        draft: Draft = decoded(self.body(JSON), records.decode_draft)
        record = named(self.id, draft)
        if not await self.store.update(self.times, record):
            raise self.missing()
        self.respond(records.encode(record))

    async def patch(self) -> None:
        """Edit: read, change, write, without a lock."""
        self.operation = Operation.EDIT
        change = decoded(self.body(JSON, MERGE_PATCH), records.decode_change)
        record = await self.store.edit(self.times, self.id, change)
        if record is None:
            raise self.missing()
        self.respond(records.encode(record))

    async def delete(self) -> None:
        """Delete."""
        self.operation = Operation.DELETE
        if not await self.store.delete(self.times, self.id):
            raise self.missing()
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()

    def missing(self) -> NotFound:
        """Return the error for an id that the store does not have."""
        return NotFound(f"{self.store.id} has no record {self.id}")


_decode_size = msgspec.json.Decoder(SummarySize).decode


class SummaryHandler(StoreHandler):
    """The heavy aggregation over a table of its own."""

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
        seed = decoded(self.body(JSON), _decode_size)
        await self.store.seed_summary(seed.size)
        self.respond(records.encode(seed))


def _number(text: str | None) -> float:
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
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST):
        raise Invalid(f"limit: {text!r:.80} is not a whole number from 1 to {MOST}", "limit")
    return int(text)
