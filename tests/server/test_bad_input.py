"""Bad bodies are refused with the field at fault, and nothing of them is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.conftest import DRAFT, Server

STORE = "/memory/blocking/volatile"

GOOD = json.dumps(DRAFT)


def raw(**fields: str) -> str:
    """The good draft with the JSON text of some fields replaced."""
    pairs = {name: json.dumps(value) for name, value in DRAFT.items()} | fields
    return "{" + ",".join(f'"{name}":{text}' for name, text in pairs.items()) + "}"


FIELDS = [
    pytest.param(raw(topic="1"), "topic", id="topic is a number"),
    pytest.param(raw(topic="null"), "topic", id="topic is null"),
    pytest.param(raw(topic=json.dumps("x" * 10_001)), "topic", id="topic is too long"),
    pytest.param(raw(topic=json.dumps("x" * (1 << 20))), "topic", id="topic of a megabyte"),
    pytest.param(raw(topic=r'"\ud800"'), "topic", id="half a surrogate pair"),
    pytest.param(raw(topic=r'"a\u0000b"'), "topic", id="NUL in topic"),
    pytest.param(raw(topic='"a\tb"'), "topic", id="an unescaped control character"),
    pytest.param(raw(topic='"\udcff"'), "topic", id="not UTF-8"),
    pytest.param(raw(when='"yesterday"'), "when", id="no date"),
    pytest.param(raw(when="1700000000"), "when", id="date as a number"),
    pytest.param(raw(when='"2026-11-21T02:48:24"'), "when", id="date without a zone"),
    pytest.param(raw(when='"2026-02-30T00:00:00Z"'), "when", id="no such day"),
    pytest.param(raw(when='"2026-11-21T02:48:24.1234Z"'), "when", id="finer than a millisecond"),
    pytest.param(raw(when='"2026-11-21T02:48:24.1230001Z"'), "when", id="finer than a microsecond"),
    pytest.param(raw(when='"0001-01-01T00:00:00+01:00"'), "when", id="before the first year"),
    pytest.param(raw(when='"9999-12-31T23:59:59-01:00"'), "when", id="after the last year"),
    pytest.param(raw(duration='"1"'), "duration", id="duration is text"),
    pytest.param(raw(duration="true"), "duration", id="duration is a bool"),
    pytest.param(raw(duration="NaN"), "duration", id="NaN"),
    pytest.param(raw(duration="Infinity"), "duration", id="Infinity"),
    pytest.param(raw(duration="-Infinity"), "duration", id="-Infinity"),
    pytest.param(raw(duration="1e400"), "duration", id="1e400"),
    pytest.param(raw(duration="1" + "0" * 400), "duration", id="a huge integer"),
    pytest.param(raw(tags='"a"'), "tags", id="tags is text"),
    pytest.param(raw(tags=json.dumps(["a"] * 101)), "tags", id="too many tags"),
    pytest.param(raw(tags='["a","b","c",4]'), "tags[3]", id="a tag is a number"),
    pytest.param(raw(tags=json.dumps(["a", "x" * 201])), "tags[1]", id="a tag is too long"),
    pytest.param(raw(tags=r'["a","b","\u0000"]'), "tags[2]", id="NUL in a tag"),
    pytest.param(raw(tags='["a",NaN]'), "tags[1]", id="NaN in tags"),
    pytest.param(raw(colour='"red"'), "colour", id="unknown field"),
    pytest.param(raw(id='"0123456789abcdef01234567"'), "id", id="ids are made here"),
]

ALL = FIELDS + [
    pytest.param(json.dumps({k: v for k, v in DRAFT.items() if k != name}), name, id=f"no {name}")
    for name in DRAFT
]

MALFORMED = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{", id="cut off"),
    pytest.param(GOOD.encode() + b"x", id="something behind it"),
    pytest.param(GOOD.encode("utf-16"), id="utf-16"),
    pytest.param(b"topic=a", id="a form"),
]


def stored(server: Server) -> Any:
    return server.call("GET", f"{STORE}/records?min_duration=-1e308&limit=1000").json["records"]


@pytest.fixture(scope="module")
def record(server: Server) -> Any:
    server.call("PUT", f"{STORE}/records", [])
    return server.create(STORE)


def refuse(server: Server, method: str, path: str, body: bytes, **headers: str) -> Any:
    """Send it, check that it was refused and that nothing changed; return the problem."""
    before = stored(server)
    answer = server.call(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    assert stored(server) == before
    return answer.json


@pytest.mark.parametrize(("body", "field"), ALL)
def test_create_names_the_field(server: Server, record: Any, body: str, field: str) -> None:
    raw_body = body.encode("utf-8", "surrogateescape")
    problem = refuse(server, "POST", f"{STORE}/records", raw_body)
    assert (problem["status"], problem["field"]) == (422, field)


@pytest.mark.parametrize(("body", "field"), ALL)
def test_update_names_the_field(server: Server, record: Any, body: str, field: str) -> None:
    raw_body = body.encode("utf-8", "surrogateescape")
    problem = refuse(server, "PUT", f"{STORE}/records/{record['id']}", raw_body)
    assert (problem["status"], problem["field"]) == (422, field)


@pytest.mark.parametrize(("body", "field"), FIELDS)
def test_edit_names_the_field(server: Server, record: Any, body: str, field: str) -> None:
    raw_body = body.encode("utf-8", "surrogateescape")
    problem = refuse(server, "PATCH", f"{STORE}/records/{record['id']}", raw_body)
    assert (problem["status"], problem["field"]) == (422, field)


@pytest.mark.parametrize(("body", "field"), ALL)
def test_a_population_names_the_record_too(
    server: Server, record: Any, body: str, field: str
) -> None:
    raw_body = f"[{GOOD},{body}]".encode("utf-8", "surrogateescape")
    problem = refuse(server, "PUT", f"{STORE}/records", raw_body)
    assert (problem["status"], problem["field"]) == (422, f"[1].{field}")


@pytest.mark.parametrize("body", MALFORMED)
def test_no_json_is_a_bad_request(server: Server, record: Any, body: bytes) -> None:
    assert refuse(server, "POST", f"{STORE}/records", body)["status"] == 400
    assert refuse(server, "PATCH", f"{STORE}/records/{record['id']}", body)["status"] == 400


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"1", b'"a"', b"[" * 100_000, b'["1:00.1234567",' + b"[" * 100_000]
)
def test_json_of_another_shape_is_invalid(server: Server, record: Any, body: bytes) -> None:
    assert refuse(server, "POST", f"{STORE}/records", body)["status"] == 422


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_body_must_say_that_it_is_json(server: Server, record: Any, kind: str) -> None:
    problem = refuse(server, "POST", f"{STORE}/records", GOOD.encode(), Content_Type=kind)
    assert (problem["status"], problem["field"]) == (415, "Content-Type")


def test_merge_patch_is_for_patch_only(server: Server, record: Any) -> None:
    kind = "application/merge-patch+json"
    problem = refuse(server, "POST", f"{STORE}/records", GOOD.encode(), Content_Type=kind)
    assert problem["status"] == 415


@pytest.mark.parametrize("id", ["1", "g" * 24, "0" * 25, "0" * 23 + "A", "%30" * 24, ""])
def test_a_bad_id_is_a_bad_request(server: Server, record: Any, id: str) -> None:
    for method, body in (("GET", None), ("DELETE", None), ("PUT", DRAFT), ("PATCH", {})):
        answer = server.call(method, f"{STORE}/records/{id}", body)
        assert (answer.status, answer.json["field"]) == (400, "id")


@pytest.mark.parametrize("size", [-1, 10**8, 10**30, 1.5, "1", None])
def test_a_bad_size_names_the_field(server: Server, size: Any) -> None:
    answer = server.call("PUT", f"{STORE}/summary", {"size": size})
    assert (answer.status, answer.json["field"]) == (422, "size")
