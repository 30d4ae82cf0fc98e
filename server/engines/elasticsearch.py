"""Elasticsearch through its own client, sync and async: an index for each store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from server.addresses import UrlForm
from server.api.enums import Durability, Mode, Operation
from server.api.record import TAG_COUNT, Record, TagSummary, summary_rows
from server.engines.base import Engine, Errors, Op, Promise, Service
from server.errors import DeadlineExceeded, Invalid, Unavailable

BATCH = 5000
CONFLICTS = 50

URL_FORM = UrlForm({"http": "http", "https": "https"}, None, r"[A-Za-z0-9._~/-]*")

TRANSLOG = {Durability.FAST: "async", Durability.SAFE: "request"}

UNSEARCHED = {"index": False, "doc_values": False}
RECORD = {
    "id": {"type": "keyword", **UNSEARCHED},
    "topic": {"type": "keyword", **UNSEARCHED},
    "when": {"type": "date", "index": False},
    "duration": {"type": "double"},
    "tags": {"type": "keyword", **UNSEARCHED},
}
ROW = {"tag": {"type": "keyword"}, "duration": {"type": "double"}}

SUMMARY = {
    "tags": {
        "terms": {"field": "tag", "size": 20 * TAG_COUNT, "order": {"_key": "asc"}},
        "aggs": {"mean": {"avg": {"field": "duration"}}, "longest": {"max": {"field": "duration"}}},
    }
}


class Elasticsearch(Engine):
    """elasticsearch-py over urllib3 (sync) and aiohttp (async)."""

    name = "elasticsearch"
    title = "Elasticsearch"
    service = Service("elasticsearch", {None: "http://127.0.0.1:19200"}, URL_FORM.normalize)
    drivers = dict.fromkeys(Mode, "elasticsearch")
    durabilities = {
        Durability.FAST: Promise("index.translog.durability=async, synced each 5 s", False, False),
        Durability.SAFE: Promise("index.translog.durability=request", True, True),
    }
    round_trips = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}
    codec = "JSON of the client"
    transport = "TCP (HTTP/1.1)"
    notes = (
        "find sees a write only after a refresh (index.refresh_interval, 1 s by default); read by "
        "id sees it at once",
        "one shard, no replica; only duration is indexed, `when` has doc values to sort by",
        "update is the update API with every field (detect_noop off), the only one-trip way that "
        f"tells a missing record; the server tries again, up to {CONFLICTS} times, when another "
        "update of the same record comes between",
        "summary is asked for past the request cache",
        "one client for each store with connections_per_node = connections; no retries",
    )
    shared = True

    def options(self) -> dict[str, Any]:
        """Return what both clients are made with."""
        return {
            "connections_per_node": self.opening.connections,
            "request_timeout": self.deadline,
            "max_retries": 0,
            "retry_on_timeout": False,
        }

    def connect(self) -> Any:
        """Return a client, which connects when it is first used."""
        from elasticsearch import Elasticsearch as Client

        _silence_client_log()
        return Client(self.address, **self.options()).options(ignore_status=404)

    async def aconnect(self) -> Any:
        """Return a client, which connects when it is first used."""
        from elasticsearch import AsyncElasticsearch as Client

        _silence_client_log()
        return Client(self.address, **self.options()).options(ignore_status=404)

    def errors(self) -> Errors:
        """Return the client's errors; what the server refuses is its state, but for a 400."""
        from elastic_transport import ConnectionTimeout, TransportError
        from elasticsearch import ApiError, BadRequestError

        return (
            (ConnectionTimeout, DeadlineExceeded),
            (TransportError, Unavailable),
            (BadRequestError, Invalid),
            (ApiError, Unavailable),
        )

    def prepare(self, db: Any) -> Op[None]:
        """Make the index unless it is there."""
        if not (yield db.indices.exists(index=self.collection)):
            yield from self._make(db, self.collection, RECORD, ignore_status=400)

    def _make(
        self, db: Any, index: str, fields: Mapping[str, Any], ignore_status: int = 404
    ) -> Op[None]:
        settings = {
            "number_of_shards": 1,
            "number_of_replicas": 0,
            "translog.durability": TRANSLOG[self.durability],
        }
        mapping = {"dynamic": "strict", "properties": fields}
        indices = db.options(ignore_status=ignore_status).indices
        yield indices.create(index=index, settings={"index": settings}, mappings=mapping)

    def ping(self, db: Any) -> Op[str]:
        """Return the server's version; not every distribution answers on `/`."""
        answer = yield db.nodes.info(
            node_id="_local", metric="_none", filter_path="nodes.*.version"
        )
        node = next(iter(answer["nodes"].values()))
        return f"Elasticsearch {node['version']}"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Recreate the index, load it, and refresh it, so that a search sees it."""
        documents = ((record.id, msgspec.to_builtins(record)) for record in records)
        yield from self._load(db, self.collection, RECORD, documents)

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Recreate the summary's index and load it."""
        rows = summary_rows(size)
        documents = ((str(n), {"tag": tag, "duration": duration}) for n, tag, duration in rows)
        yield from self._load(db, self._rows, ROW, documents)

    def _load(
        self,
        db: Any,
        index: str,
        fields: Mapping[str, Any],
        documents: Iterator[tuple[str, dict[str, Any]]],
    ) -> Op[None]:
        yield db.indices.delete(index=index)
        yield from self._make(db, index, fields)
        while batch := list(islice(documents, BATCH)):
            lines = [line for id_, doc in batch for line in ({"index": {"_id": id_}}, doc)]
            answer = yield db.bulk(index=index, operations=lines, filter_path="errors")
            if answer["errors"]:
                raise Unavailable(f"{self.title}: the index {index} could not be loaded")
        yield db.indices.flush(index=index)
        yield db.indices.refresh(index=index)

    @property
    def _rows(self) -> str:
        return f"{self.collection}_summary"

    def create(self, db: Any, record: Record) -> Op[None]:
        """PUT by id."""
        _body(
            (
                yield db.index(
                    index=self.collection, id=record.id, document=msgspec.to_builtins(record)
                )
            )
        )

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """GET by id, which is real-time."""
        document = _body((yield db.get(index=self.collection, id=id)))
        return _record(document["_source"]) if document["found"] else None

    def update(self, db: Any, record: Record) -> Op[bool]:
        """The update API with every field."""
        answer = yield db.update(
            index=self.collection,
            id=record.id,
            doc=msgspec.to_builtins(record),
            detect_noop=False,
            retry_on_conflict=CONFLICTS,
        )
        return "result" in answer.body

    def delete(self, db: Any, id: str) -> Op[bool]:
        """DELETE by id."""
        answer = _body((yield db.delete(index=self.collection, id=id)))
        return bool(answer["result"] == "deleted")

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """A range query over duration, sorted by `when`."""
        answer = yield db.search(
            index=self.collection,
            query={"range": {"duration": {"gt": min_duration}}},
            sort={"when": "desc"},
            size=limit,
            track_total_hits=False,
        )
        return [_record(hit["_source"]) for hit in _body(answer)["hits"]["hits"]]

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """A terms aggregation over tag."""
        answer = yield db.search(index=self._rows, aggs=SUMMARY, size=0, request_cache=False)
        return [
            TagSummary(b["key"], b["doc_count"], b["mean"]["value"], b["longest"]["value"])
            for b in _body(answer)["aggregations"]["tags"]["buckets"]
        ]


def _record(source: dict[str, Any]) -> Record:
    return msgspec.convert(source, Record)


def _body(answer: Any) -> dict[str, Any]:
    """Return the body of an answer; raises Unavailable where the index itself is missing."""
    body: dict[str, Any] = answer.body
    if "error" in body:
        raise Unavailable(f"Elasticsearch: {body['error']['reason']}")
    return body


def _silence_client_log() -> None:
    """Keep the client from logging each failed call: the answer says so."""
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
