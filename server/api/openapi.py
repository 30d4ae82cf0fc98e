"""The OpenAPI 3.1 document, made from the types that are decoded and answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from server.api.enums import Durability, Mode
from server.api.problem_details import ProblemDetails
from server.api.record import Change, Draft, Record
from server.api.schemas import (
    Catalog,
    HealthStatus,
    RecordIds,
    RecordList,
    Sleep,
    SummaryResult,
    SummarySize,
)
from watch.report import LoopReport

VERSION = "1.0.0"

JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"

SCHEMAS = (
    list[Draft], Change, Record, RecordList, RecordIds, SummaryResult, SummarySize, Sleep,
    HealthStatus, Catalog, LoopReport, ProblemDetails,
)  # fmt: skip

Json = dict[str, Any]


def document(engines: Sequence[str]) -> Json:
    """Return the document for a server that has `engines`."""
    _, components = msgspec.json.schema_components(
        SCHEMAS, ref_template="#/components/schemas/{name}"
    )
    store = _store_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Windtunnel's server",
            "version": VERSION,
            "description": "One record type over many databases, drivers and modes.",
        },
        "paths": {
            **store,
            **{f"/slow{path}": _slow(item) for path, item in store.items()},
            "/sleep": _sleep(),
            "/slow/sleep": _slow(_sleep()),
            **_plain_paths(),
        },
        "components": {
            "schemas": components,
            "parameters": _parameters(engines),
            "headers": _headers(),
            "responses": _problems(),
        },
    }


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _content(name: str, *kinds: str) -> Json:
    return {kind: {"schema": _ref("schemas", name)} for kind in kinds}


def _operation(
    id: str,
    summary: str,
    answers: Mapping[int, str | None],
    problems: Iterable[int] = (),
    body: Json | None = None,
    parameters: Sequence[Json] = (),
) -> Json:
    operation: Json = {
        "operationId": id,
        "summary": summary,
        "responses": {
            **{str(status): _answer(status, name) for status, name in answers.items()},
            **{str(status): _ref("responses", str(status)) for status in problems},
        },
    }
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    if parameters:
        operation["parameters"] = list(parameters)
    return operation


def _answer(status: int, name: str | None) -> Json:
    headers = {header: _ref("headers", header) for header in _headers() if header != "Location"}
    if status == 201:
        headers["Location"] = _ref("headers", "Location")
    answer: Json = {"description": "done" if name is None else name, "headers": headers}
    if name is not None:
        answer["content"] = _content(name, JSON)
    return answer


def _store_paths() -> Json:
    of_store = [_ref("parameters", name) for name in ("engine", "mode", "durability")]
    prefix = "/{engine}/{mode}/{durability}"
    of_record = [*of_store, _ref("parameters", "id")]
    return {
        f"{prefix}/records": {"parameters": of_store, **_records()},
        f"{prefix}/records/{{id}}": {"parameters": of_record, **_record()},
        f"{prefix}/summary": {"parameters": of_store, **_summary()},
    }


WRITE = (400, 404, 413, 415, 422, 501, 503)
READ = (400, 404, 422, 501, 503)


def _records() -> Json:
    drafts = {JSON: {"schema": {"type": "array", "items": _ref("schemas", "Draft")}}}
    return {
        "post": _operation("create", "Create", {201: "Record"}, WRITE, _content("Draft", JSON)),
        "get": _operation(
            "find",
            "Find records of a greater duration, newest first",
            {200: "RecordList"},
            READ,
            parameters=[_ref("parameters", "min_duration"), _ref("parameters", "limit")],
        ),
        "put": _operation(
            "reset", "Make the store hold exactly these", {200: "RecordIds"}, WRITE, drafts
        ),
    }


def _record() -> Json:
    change = _content("Change", JSON, MERGE_PATCH)
    return {
        "get": _operation("read", "Read", {200: "Record"}, READ),
        "put": _operation("update", "Update", {200: "Record"}, WRITE, _content("Draft", JSON)),
        "patch": _operation("edit", "Edit: read, change, write", {200: "Record"}, WRITE, change),
        "delete": _operation("delete", "Delete", {204: None}, READ),
    }


def _summary() -> Json:
    size = _content("SummarySize", JSON)
    return {
        "get": _operation("summary", "Aggregate by tag, heavily", {200: "SummaryResult"}, READ),
        "put": _operation(
            "seed", "Seed the summary's own table", {200: "SummarySize"}, WRITE, size
        ),
    }


def _sleep() -> Json:
    parameters = [_ref("parameters", "ms"), _ref("parameters", "sleep_mode")]
    summary = "Take a set time: blocking unless `mode` is threads or async"
    return {"get": _operation("sleep", summary, {200: "Sleep"}, (422,), parameters=parameters)}


def _slow(item: Json) -> Json:
    return {
        verb: {**operation, "operationId": f"slow_{operation['operationId']}"}
        if isinstance(operation, dict)
        else operation
        for verb, operation in item.items()
    }


def _plain_paths() -> Json:
    def get(id: str, summary: str, name: str) -> Json:
        return {"get": _operation(id, summary, {200: name})}

    ready = get("readyz", "Does it take requests?", "HealthStatus")
    ready["get"]["responses"]["503"] = _answer(503, "HealthStatus")
    return {
        "/healthz": get("healthz", "Does it live?", "HealthStatus"),
        "/readyz": ready,
        "/stores": get("stores", "Which stores there are, each with its ledger", "Catalog"),
        "/loop": get("loop", "How late and how busy the event loop is", "LoopReport"),
        "/ping": _text("ping", "Needs the event loop and nothing else", "text/plain"),
        "/metrics": _text("metrics", "For Prometheus", "text/plain"),
        "/": _text("index", "For people", "text/html"),
        "/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This description, for machines (OpenAPI 3.1)",
                "responses": {
                    "200": {
                        "description": "OpenAPI 3.1",
                        "content": {JSON: {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    }


def _text(id: str, summary: str, kind: str) -> Json:
    content = {kind: {"schema": {"type": "string"}}}
    return {
        "get": {
            "operationId": id,
            "summary": summary,
            "responses": {"200": {"description": summary, "content": content}},
        }
    }


def _parameters(engines: Sequence[str]) -> Json:
    def param(name: str, location: str, **schema: Any) -> Json:
        required = location == "path"
        return {"name": name, "in": location, "required": required, "schema": schema}

    return {
        "engine": param("engine", "path", type="string", enum=list(engines)),
        "mode": param("mode", "path", type="string", enum=[m.value for m in Mode]),
        "durability": param(
            "durability", "path", type="string", enum=[d.value for d in Durability]
        ),
        "id": param("id", "path", type="string", pattern="^[0-9a-f]{24}$"),
        "ms": {
            **param("ms", "query", type="integer", minimum=1, maximum=10_000),
            "required": True,
        },
        "sleep_mode": param("mode", "query", type="string", enum=[*Mode], default=Mode.BLOCKING),
        "min_duration": param("min_duration", "query", type="number", default=0),
        "limit": param("limit", "query", type="integer", minimum=1, maximum=1000, default=10),
    }


def _headers() -> Json:
    def text(description: str) -> Json:
        return {"description": description, "schema": {"type": "string"}}

    return {
        "X-Request-Id": text("the request's own, if it is short and plain; else made here"),
        "X-Process": text("pool, port and pid of the process that answered"),
        "X-Pool": text("the pool of that process"),
        "Server-Timing": text("handler, wait (for a connection or thread) and driver, in ms"),
        "Location": text("where the new record is"),
    }


_PROBLEMS = {
    400: "not what the route takes: bad JSON, bad id",
    404: "no such record or store",
    413: "too large a body",
    415: "not said to be JSON",
    422: "a field is wrong; it is named",
    501: "the engine does not offer it",
    503: "the database is down or late, or all connections are in use (then with Retry-After)",
}


def _problems() -> Json:
    content = _content("ProblemDetails", "application/problem+json")
    return {
        str(status): {"description": text, "content": content} for status, text in _PROBLEMS.items()
    }
