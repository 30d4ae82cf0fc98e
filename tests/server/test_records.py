"""The life of records and the summary over HTTP."""

from __future__ import annotations

import pytest

from tests.server.conftest import DRAFT, MEMORY, Server

MODES = ["blocking", "threads", "async"]


@pytest.mark.parametrize("lead", ["", "/slow"])
@pytest.mark.parametrize("mode", MODES)
def test_a_record_lives_and_dies(server: Server, mode: str, lead: str) -> None:
    records = f"{lead}/memory/{mode}/volatile/records"
    creation = server.call("POST", records, DRAFT)
    place = creation.headers["Location"]
    assert creation.status == 201
    assert place == f"{records}/{creation.json['id']}"
    when = "2026-11-21T02:48:24.123000Z"
    assert creation.json == {"id": creation.json["id"], **DRAFT, "when": when}
    assert server.call("GET", place).json == creation.json
    changed = server.call("PATCH", place, {"duration": 7}).json
    assert changed == {**creation.json, "duration": 7.0}
    updated = server.call("PUT", place, {**DRAFT, "topic": "new"})
    assert (updated.status, updated.json) == (200, {**creation.json, "topic": "new"})
    deletion = server.call("DELETE", place)
    assert (deletion.status, deletion.body) == (204, b"")
    for method, body in (("GET", None), ("PATCH", {}), ("PUT", DRAFT), ("DELETE", None)):
        missing = server.call(method, place, body)
        assert missing.status == 404
        assert creation.json["id"] in missing.json["detail"]


def test_merge_patch_is_taken_by_its_own_name(server: Server) -> None:
    place = f"{MEMORY}/records/{server.create()['id']}"
    kind = {"Content-Type": "application/merge-patch+json; charset=utf-8"}
    assert server.call("PATCH", place, {"tags": []}, kind).json["tags"] == []


def test_population_and_find(server: Server) -> None:
    store = "/memory/threads/volatile"
    drafts = [
        {**DRAFT, "duration": number, "when": f"2026-11-{number:02d}T00:00:00Z"}
        for number in range(1, 21)
    ]
    ids = server.call("PUT", f"{store}/records", drafts).json["ids"]
    assert len(set(ids)) == 20
    records = server.call("GET", f"{store}/records?min_duration=15&limit=3").json["records"]
    assert [record["id"] for record in records] == [ids[19], ids[18], ids[17]]
    assert len(server.call("GET", f"{store}/records").json["records"]) == 10
    assert server.call("PUT", f"{store}/records", []).json == {"ids": []}
    assert server.call("GET", f"{store}/records").json == {"records": []}


def test_summary(server: Server) -> None:
    assert server.call("PUT", f"{MEMORY}/summary", {"size": 100}).json == {"size": 100}
    summary = server.call("GET", f"{MEMORY}/summary").json
    assert summary["size"] == 100
    assert [row["tag"] for row in summary["tags"]] == [f"tag-{n:02d}" for n in range(50)]
    assert all(row["count"] == 2 and row["mean"] <= row["longest"] for row in summary["tags"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("min_duration=x", "min_duration"),
        ("min_duration=nan", "min_duration"),
        ("min_duration=1e400", "min_duration"),
        ("min_duration=", "min_duration"),
        ("limit=", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1.5", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=1&limit=2", "limit"),
        ("longer=1", "longer"),
        ("%ff=1", "\xff"),
    ],
)
def test_wrong_arguments_of_find_are_named(server: Server, query: str, field: str) -> None:
    answer = server.call("GET", f"{MEMORY}/records?{query}")
    assert (answer.status, answer.json["field"]) == (422, field)
