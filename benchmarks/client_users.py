"""Users of Locust's, on this suite's client and on FastHttpUser's: what each of them takes.

`python -m benchmarks.client_users cost URL` prints the CPU time of a checked request, in pairs;
`python -m benchmarks.client_users memory {lean,fast} URL USERS` the memory of a user. Both as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
from time import process_time_ns
from typing import Any, Final

import gevent
import psutil
from gevent.event import Event
from gevent.pool import Group
from locust import FastHttpUser, User, task
from locust.env import Environment

from benchmarks.fixed_nginx import PATH, RECORD
from windtunnel.client import descriptors
from windtunnel.client.address import Address
from windtunnel.client.api import decode_record
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines
from windtunnel.workload import checks

USERS, REQUESTS, PAIRS = 10, 200, 15
"""Of a pair each half sends `USERS * REQUESTS` requests."""

MEMORY_ROUNDS, MEMORY_TIMEOUT = 3, 240.0
IDLE = 3600.0
"""A think time that outlasts the measurement, in seconds."""

EXPECTED: Final = decode_record(RECORD.encode())


class Asking(User):
    """Asks a number of times, says so, and stays."""

    abstract = True
    done: int = 0
    expected: int = 0
    all_done = Event()

    def one(self) -> None:
        """Send a request, check its answer, and let Locust's listeners know."""
        raise NotImplementedError

    @task
    def work(self) -> None:
        """Ask, then idle."""
        for _ in range(MEMORY_ROUNDS):
            self.one()
            gevent.sleep(0)
        Asking.done += 1
        if Asking.done == Asking.expected:
            self.all_done.set()
        gevent.sleep(IDLE)


class Lean(Asking):
    """On the client of this suite."""

    target: Address
    deadlines: Deadlines
    _client: Client | None = None

    def one(self) -> None:
        """See `Asking.one`."""
        client = self._client
        if client is None:
            client = self._client = Client(self.target, self.deadlines)
        answer = client.request("GET", PATH)
        flaw = checks.failure(answer, 200)
        flaw = flaw or checks.check_record(checks.parse_record(answer.body), EXPECTED)
        self.environment.events.request.fire(
            request_type="GET",
            name=PATH,
            response_time=answer.service_us / 1000,
            response_length=len(answer.body),
            exception=AssertionError(flaw) if flaw else None,
            context={},
            response=answer,
        )


class Fast(FastHttpUser, Asking):
    """On Locust's fastest."""

    def one(self) -> None:
        """See `Asking.one`."""
        with self.client.get(PATH, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif flaw := checks.check_record(checks.parse_record(answer.content), EXPECTED):
                answer.failure(flaw)


KINDS: Final[dict[str, type[Asking]]] = {"lean": Lean, "fast": Fast}


def environment(url: str) -> Environment:
    """Return one with Locust's own statistics, as under `locust -f`."""
    Lean.host = Fast.host = url
    Lean.target, Lean.deadlines = Address(url), Deadlines(60)
    made = Environment(user_classes=[Lean, Fast])
    made.create_local_runner()
    return made


def microseconds(users: list[Asking]) -> float:
    """Return the CPU time of a request, `REQUESTS` sent by each of `users`."""

    def ask(user: Asking) -> None:
        for _ in range(REQUESTS):
            user.one()

    before = process_time_ns()
    gevent.joinall([gevent.spawn(ask, user) for user in users], raise_error=True)
    return (process_time_ns() - before) / (REQUESTS * len(users)) / 1000


def cost(url: str) -> dict[str, Any]:
    """Return microseconds of both, pair by pair, and how many requests failed."""
    made = environment(url)
    users = {kind: [cls(made) for _ in range(USERS)] for kind, cls in KINDS.items()}
    found: dict[str, list[float]] = {kind: [] for kind in users}
    for each in users.values():
        microseconds(each)
    gc.collect()
    gc.freeze()
    for number in range(PAIRS):
        order = list(KINDS) if number % 2 else list(KINDS)[::-1]
        for kind in order:
            found[kind].append(microseconds(users[kind]))
    return {**found, "failed": made.stats.total.num_failures}


def memory(kind: str, url: str, count: int) -> dict[str, Any]:
    """Return the kilobytes that a user takes, of `count` that have all asked."""
    too_many = descriptors.raise_limit(count)
    if too_many:
        return {"reason": too_many}
    made, own, group = environment(url), psutil.Process(), Group()
    gc.collect()
    before, Asking.expected = own.memory_info().rss, count
    users = [KINDS[kind](made) for _ in range(count)]
    for user in users:
        user.start(group)
    in_time = Asking.all_done.wait(MEMORY_TIMEOUT)
    kilobytes = (own.memory_info().rss - before) / count / 1000
    failed = made.stats.total.num_failures + (0 if in_time else count - Asking.done)
    return {"kilobytes": kilobytes, "failed": failed}


def main(what: str, *arguments: str) -> None:
    """Measure, and print JSON."""
    if what == "cost":
        found = cost(arguments[0])
    else:
        found = memory(arguments[0], arguments[1], int(arguments[2]))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
