"""The Locust user on the lean client that every scenario's users derive from."""

from __future__ import annotations

from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any, ClassVar, Final

import gevent
import msgspec
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING

from windtunnel.client.api import POOL_HEADER, decode_problem
from windtunnel.client.client import Client
from windtunnel.client.response import OK, Response
from windtunnel.recording.recorder import NO_POOL
from windtunnel.recording.sampler import RequestSample
from windtunnel.workload.user_pool import Assignment, UserPool

PAUSE: Final = 0.05
"""Seconds that a user waits after a request without a response, so as not to spin."""


class FailureError(Exception):
    """A failed request in Locust's table of failures."""

    def __repr__(self) -> str:
        return str(self)


class StoreUser(User):
    """Sends requests to a store, one at a time, over a connection of its own.

    Under closed load it sends the next request when the last one has its response. Under open load
    Locust's users are idle, and users of the same class that `OpenLoad` makes send on schedule.

    `user_pool` is set before users are started. Locust's own loop picks a task and yields after
    every request, which costs as much as the request; so there is one task, which goes on until
    the user is stopped, and ends between two requests.
    """

    abstract = True
    stream: ClassVar[str] = ""
    """The name of the rate it sends at, where a scenario has several."""

    user_pool: ClassVar[UserPool]
    cookies: ClassVar[bool] = False
    """Whether each user of this scenario keeps its cookies, whatever the options say."""
    assignment: Assignment
    label: str
    """What stands before the name of a request in Locust's tables."""

    client: Client
    pool = NO_POOL
    """The pool that answered the last request."""
    scheduled = 0.0
    """The scheduled start of the request in flight; 0 under closed load, which has no schedule."""

    def assign(self, assignment: Assignment) -> None:
        """Take over an assignment, and make a client for it."""
        self.assignment, self.label = assignment, assignment.store
        config = self.user_pool.config
        self.client = Client(
            self.user_pool.address,
            self.user_pool.deadlines,
            retry_stale=config.retry_stale,
            jar=CookieJar() if self.cookies or config.cookies else None,
        )
        self.client.owner = self

    def step(self) -> Response:
        """Do one operation and report it."""
        raise NotImplementedError

    @task
    def work(self) -> None:
        """Work while the load is closed, and be idle while it is open."""
        while self._state == LOCUST_STATE_RUNNING:
            if self.user_pool.closed_load.is_set():
                self._work_closed(self.user_pool)
            else:
                self._state = LOCUST_STATE_WAITING  # so that it can be stopped
                self.user_pool.closed_load.wait()
                self._state = LOCUST_STATE_RUNNING

    def _work_closed(self, user_pool: UserPool) -> None:
        """Start at a random time, and do one operation after the other."""
        self.assign(user_pool.join())
        try:
            gevent.sleep(self.assignment.rng.random() * user_pool.config.spread)
            while self._state == LOCUST_STATE_RUNNING and user_pool.closed_load.is_set():
                if self.step().status == 0:
                    gevent.sleep(PAUSE)
        finally:
            self.client.close()
            user_pool.leave(self.assignment)

    def send(self, scheduled: float) -> None:
        """Do one operation whose scheduled start was `scheduled`."""
        self.scheduled = scheduled
        try:
            self.step()
        except Exception as error:
            fire = self.environment.events.user_error.fire
            fire(user_instance=self, exception=error, tb=error.__traceback__)
            raise

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def report(self, method: str, name: str, response: Response, outcome: str, flaw: str) -> None:
        """Record a request under a name, and fire Locust's request event.

        `outcome` is `OK`, `WRONG` with a flaw in a few words, or the name of a failure. The event
        carries the response time under open load, and the service time under closed load.
        """
        store, user_pool, scheduled = self.assignment.store, self.user_pool, self.scheduled
        service_us = latency_us = response.service_us
        response_us = None
        if scheduled:
            response_us = latency_us = (response.done_at - scheduled) * 1e6
        if scheduled >= user_pool.since:
            pool = self.pool = _text(response.header(POOL_HEADER)) or NO_POOL
            user_pool.recorder.record(store, name, pool, outcome, service_us, response_us)
            if user_pool.sampler is not None and outcome is OK:
                user_pool.sampler.offer(
                    RequestSample(store, name, response, service_us, response_us)
                )
            if response.retried:
                user_pool.retries[store] += 1
        self.environment.events.request.fire(
            request_type=method,
            name=f"{self.label} {name}",
            response_time=latency_us / 1000,
            response_length=len(response.body),
            exception=None if outcome is OK else _failure(outcome, flaw or _detail(response)),
            context=_NO_CONTEXT,
            response=response,
        )


_NO_CONTEXT: Final[dict[str, Any]] = {}


@lru_cache(maxsize=256)
def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _detail(response: Response) -> str:
    """The detail of a server's own error; a refusal's names ids, so each would be counted apart."""
    if response.status < 500:
        return ""
    try:
        return decode_problem(response.body).detail
    except msgspec.MsgspecError:
        return ""


@lru_cache(maxsize=256)
def _failure(outcome: str, flaw: str) -> FailureError:
    return FailureError(f"{outcome}: {flaw}" if flaw else outcome)
