"""A proxy forwards everything, and records when each request arrived and was responded to."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator

import gevent
import pytest

from benchmarks.processes import server_process
from tests.validation.proxied import STORE
from validation.proxy_process import proxy_process
from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with server_process() as (_, port):
        yield port


def ping(url: str, count: int, connections: int) -> list[str]:
    """Send `count` requests over so many connections; return the ids of their responses."""
    request_ids: list[str] = []

    def send() -> None:
        client = Client(Address(url), Deadlines(10.0))
        for _ in range(count // connections):
            response = client.request("GET", "/ping")
            request_ids.append(response.header(b"X-Request-Id").decode())
        client.close()

    gevent.joinall([gevent.spawn(send) for _ in range(connections)], raise_error=True)
    return request_ids


def test_a_proxy_forwards_everything_and_records_it(port: int) -> None:
    with proxy_process(port, "delay", 0.02) as proxy:
        with urllib.request.urlopen(f"{proxy.url}/ping") as response:
            assert response.read() == b"pong"
            request_id = response.headers["X-Request-Id"]
        body = json.dumps([]).encode()
        put = urllib.request.Request(
            f"{proxy.url}/{STORE}/records",
            body,
            {"Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(put) as response:
            assert json.load(response) == {"ids": []}
        requests = proxy.finish()
    lines = [request.line for request in requests]
    assert lines == ["GET /ping HTTP/1.1", f"PUT /{STORE}/records HTTP/1.1"]
    assert requests[0].request_id == request_id
    assert all(request.response_s - request.arrival_s >= 0.02 for request in requests)


def test_requests_on_one_connection_are_recorded_apart(port: int) -> None:
    with proxy_process(port, "delay", 0.005) as proxy:
        response_ids = ping(proxy.url, 6, connections=2)
        recorded_ids = {request.request_id for request in proxy.finish()}
    assert set(response_ids) == recorded_ids
    assert len(response_ids) == len(recorded_ids) == 6


def test_a_server_that_is_gone_ends_the_connection() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    with proxy_process(free_port, "delay", 0) as proxy:
        assert ping(proxy.url, 1, connections=1) == [""]
