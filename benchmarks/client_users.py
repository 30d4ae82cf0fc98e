"""What a Locust user costs on this suite's client, and on FastHttpUser's.

`python -m benchmarks.client_users cost URL` prints the CPU time of a checked request, in pairs;
`python -m benchmarks.client_users memory {own,locust} URL USERS` the memory of a user; as JSON.
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
from windtunnel.client import client
from windtunnel.client.address import Address
from windtunnel.client.api import decode_record
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.workload import checks

USERS, REQUESTS, PAIRS = 10, 200, 15
"""Each half of a pair sends `USERS * REQUESTS` requests."""

MEMORY_ROUNDS, MEMORY_TIMEOUT = 3, 240.0
IDLE = 3600.0
"""A think time that outlasts the measurement, in seconds."""

EXPECTED: Final = decode_record(RECORD.encode())


class BenchmarkUser(User):
    """Sends a few requests, counts itself as done, and stays connected."""

    abstract = True
    finished: int = 0
    expected: int = 0
    all_finished = Event()

    def send_request(self) -> None:
        """Send a request, check its response, and report it to Locust's listeners."""
        raise NotImplementedError

    @task
    def work(self) -> None:
        """Send requests, then idle."""
        for _ in range(MEMORY_ROUNDS):
            self.send_request()
            gevent.sleep(0)
        BenchmarkUser.finished += 1
        if BenchmarkUser.finished == BenchmarkUser.expected:
            self.all_finished.set()
        gevent.sleep(IDLE)


class OwnClientUser(BenchmarkUser):
    """On the client of this suite."""

    target: Address
    deadlines: Deadlines
    _client: Client | None = None

    def send_request(self) -> None:
        """See `BenchmarkUser.send_request`."""
        client = self._client
        if client is None:
            client = self._client = Client(self.target, self.deadlines)
        response = client.request("GET", PATH)
        error = checks.failure(response, 200)
        error = error or checks.check_record(checks.parse_record(response.body), EXPECTED)
        self.environment.events.request.fire(
            request_type="GET",
            name=PATH,
            response_time=response.service_us / 1000,
            response_length=len(response.body),
            exception=AssertionError(error) if error else None,
            context={},
            response=response,
        )


class LocustClientUser(FastHttpUser, BenchmarkUser):
    """On Locust's fastest client."""

    def send_request(self) -> None:
        """See `BenchmarkUser.send_request`."""
        with self.client.get(PATH, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif error := checks.check_record(checks.parse_record(response.content), EXPECTED):
                response.failure(error)


USER_CLASSES: Final[dict[str, type[BenchmarkUser]]] = {
    "own": OwnClientUser,
    "locust": LocustClientUser,
}


def make_environment(url: str) -> Environment:
    """Return an environment with Locust's own statistics, as under `locust -f`."""
    OwnClientUser.host = LocustClientUser.host = url
    OwnClientUser.target, OwnClientUser.deadlines = Address(url), Deadlines(60)
    environment = Environment(user_classes=list(USER_CLASSES.values()))
    environment.create_local_runner()
    return environment


def request_cpu_us(users: list[BenchmarkUser]) -> float:
    """Return the CPU microseconds of a request, `REQUESTS` sent by each of `users`."""

    def send_all(user: BenchmarkUser) -> None:
        for _ in range(REQUESTS):
            user.send_request()

    start_ns = process_time_ns()
    gevent.joinall([gevent.spawn(send_all, user) for user in users], raise_error=True)
    return (process_time_ns() - start_ns) / (REQUESTS * len(users)) / 1000


def cost(url: str) -> dict[str, Any]:
    """Return CPU microseconds of a request by kind, pair by pair, and how many requests failed."""
    environment = make_environment(url)
    users = {kind: [cls(environment) for _ in range(USERS)] for kind, cls in USER_CLASSES.items()}
    costs_us: dict[str, list[float]] = {kind: [] for kind in users}
    for kind_users in users.values():  # warm-up
        request_cpu_us(kind_users)
    gc.collect()
    gc.freeze()
    for number in range(PAIRS):
        for kind in list(users) if number % 2 else reversed(users):
            costs_us[kind].append(request_cpu_us(users[kind]))
    return {**costs_us, "failed": environment.stats.total.num_failures}


def memory(kind: str, url: str, count: int) -> dict[str, Any]:
    """Return the kilobytes that a user takes, of `count` that have all sent requests."""
    if reason := client.raise_limit(count):
        return {"reason": reason}
    environment, process, group = make_environment(url), psutil.Process(), Group()
    gc.collect()
    start_bytes, BenchmarkUser.expected = process.memory_info().rss, count
    users = [USER_CLASSES[kind](environment) for _ in range(count)]
    for user in users:
        user.start(group)
    in_time = BenchmarkUser.all_finished.wait(MEMORY_TIMEOUT)
    kilobytes = (process.memory_info().rss - start_bytes) / count / 1000
    missing = 0 if in_time else count - BenchmarkUser.finished
    failed = environment.stats.total.num_failures + missing
    return {"kilobytes": kilobytes, "failed": failed}


def main(measurement: str, *arguments: str) -> None:
    """Measure, and print JSON."""
    if measurement == "cost":
        figures = cost(arguments[0])
    else:
        figures = memory(arguments[0], arguments[1], int(arguments[2]))
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
