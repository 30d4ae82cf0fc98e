"""Steady open load over kept-alive connections, for a process of its own: gevent patches nothing.

    python -m tests.nginx.steady PORT RATE REQUESTS CONNECTIONS MARKS

Prints a line at each of MARKS moments, equally far apart, and in the end how many requests had
which outcome, as JSON. A connection that is closed is opened anew; no request is sent twice.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from itertools import islice
from time import perf_counter

import gevent
from gevent.event import Event

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.workload.arrivals import constant

RECORDS = "/memory/async/volatile/records"
RECORD = b'{"topic":"t","when":"2026-01-01T00:00:00Z","duration":1.0,"tags":[]}'
FIND = ("GET", f"/slow{RECORDS}?min_duration=2", b"", 200)
WORK = (("GET", "/ping", b"", 200), ("POST", RECORDS, RECORD, 201), FIND)


class SteadyLoad:
    """Requests on schedule, over connections that take turns."""

    def __init__(self, port: int, connections: int) -> None:
        self._deadlines, self._target = Deadlines(20), Address(f"http://127.0.0.1:{port}")
        self.idle = deque(self._client() for _ in range(connections))
        self.outcomes: Counter[str] = Counter()
        self.done = Event()

    def run(self, rate: float, requests: int, marks: int) -> None:
        """Send them all, at equal distances, and wait for their answers."""
        begun, every = perf_counter(), requests // (marks + 1)
        for number, time in enumerate(islice(constant(rate), requests), 1):
            gevent.sleep(max(0.0, begun + time - perf_counter()))
            gevent.spawn(self._send, *WORK[number % len(WORK)])
            if number % every == 0 and number < every * (marks + 1):
                print(f"{number} requests", flush=True)
        while self.outcomes.total() < requests:
            self.done.wait()
            self.done.clear()

    def _client(self) -> Client:
        return Client(self._target, self._deadlines)

    def _send(self, verb: str, path: str, body: bytes, right: int) -> None:
        client = self.idle.popleft() if self.idle else self._client()  # never wait for an answer
        answer = client.request(verb, path, body)
        whole = answer.outcome != "ok" or answer.status == right
        self.outcomes[answer.outcome if whole else f"status-{answer.status}"] += 1
        self.idle.append(client)
        self.done.set()


if __name__ == "__main__":
    port, rate, requests, connections, marks = map(int, sys.argv[1:])
    load = SteadyLoad(port, connections)
    load.run(rate, requests, marks)
    opened = sum(client.connections for client in load.idle)
    print(json.dumps({"outcomes": load.outcomes, "clients": len(load.idle), "opened": opened}))
