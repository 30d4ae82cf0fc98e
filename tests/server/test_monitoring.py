"""What the server tells of itself: metrics, loop, the page for people."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.server.conftest import DRAFT, MEMORY, Server, serving


def families(server: Server) -> dict[str, Any]:
    answer = server.call("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.body.decode())}


def counts(server: Server) -> dict[tuple[str, str, str], float]:
    return {
        (s.labels["store"], s.labels["operation"], s.labels["status"]): s.value
        for s in families(server)["windtunnel_request_seconds"].samples
        if s.name.endswith("_count")
    }


def test_requests_are_counted_by_store_operation_and_status() -> None:
    store = MEMORY.strip("/")
    with serving() as server:
        place = f"{MEMORY}/records/{server.create()['id']}"
        for method, body in (("GET", None), ("GET", None), ("PUT", DRAFT), ("PATCH", {})):
            assert server.call(method, place, body).status == 200
        server.call("POST", f"{MEMORY}/records", {})
        server.call("GET", f"{MEMORY}/records")
        server.call("DELETE", place)
        server.call("DELETE", place)
        server.call("GET", "/ping")
        server.call("GET", "/nowhere")
        request_counts = counts(server)
    assert request_counts == {
        (store, "create", "2xx"): 1,
        (store, "create", "4xx"): 1,
        (store, "read", "2xx"): 2,
        (store, "update", "2xx"): 1,
        (store, "edit", "2xx"): 1,
        (store, "find", "2xx"): 1,
        (store, "delete", "2xx"): 1,
        (store, "delete", "4xx"): 1,
        ("", "ping", "2xx"): 1,
        ("", "missing", "4xx"): 1,
    }


def buckets(family: Any) -> dict[tuple[tuple[str, str], ...], dict[str, float]]:
    """Return labels -> upper bound -> count, in the order of the text."""
    groups: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            labels = dict(sample.labels)
            bound = labels.pop("le")
            groups.setdefault(tuple(labels.items()), {})[bound] = sample.value
    return groups


def test_buckets_grow_and_end_with_all(server: Server) -> None:
    server.call("GET", "/ping")
    for name in ("windtunnel_request_seconds", "windtunnel_loop_lag_seconds"):
        groups = buckets(families(server)[name])
        assert groups
        for group in groups.values():
            assert list(group.values()) == sorted(group.values())
            assert list(group)[-1] == "+Inf"
    metrics = families(server)
    assert metrics["windtunnel_requests_in_flight"].samples[0].value == 1  # this one
    assert metrics["process_cpu_seconds"].samples
    assert metrics["windtunnel_loop_busy_seconds"].samples[0].value > 0


def test_a_blocking_store_shows_in_the_loop(server: Server) -> None:
    before = server.call("GET", "/loop").json
    rows = 300_000
    server.call("PUT", "/memory/blocking/volatile/summary", {"size": rows})
    server.call("GET", "/memory/blocking/volatile/summary")
    after = server.call("GET", "/loop").json
    assert after["exact"] is True
    assert after["busy_s"] > before["busy_s"]
    assert 0 < after["recent"]["busy_share"] <= 1
    assert sum(after["lag"]["counts"]) >= sum(before["lag"]["counts"])
    server.call("PUT", "/memory/blocking/volatile/summary", {"size": 0})


def test_the_page_for_people(server: Server) -> None:
    answer = server.call("GET", "/")
    page = answer.body.decode()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for word in ("memory", "blocking", "volatile", "curl", "/openapi.json", f":{server.port}/"):
        assert word in page
    assert 'href="/memory/async/volatile/records"' in page
    assert "Toy &lt;server&gt;" in page
    assert "Toy <server>" not in page


def test_the_host_header_cannot_inject_into_the_page(server: Server) -> None:
    answer = server.call("GET", "/", headers={"Host": 'a"><script>alert(1)</script>'})
    assert b"<script>" not in answer.body
