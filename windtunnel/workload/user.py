"""Locust users on the lean client: what every scenario's users have in common."""

from __future__ import annotations

from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any, ClassVar, Final

import gevent
import msgspec
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING

from windtunnel.client.api import METHOD, POOL_HEADER, decode_problem
from windtunnel.client.client import Client
from windtunnel.client.response import OK, Response
from windtunnel.recording.recorder import NO_POOL
from windtunnel.recording.sampler import RequestSample
from windtunnel.workload.user_pool import Assignment, UserPool

PAUSE: Final = 0.05
"""Seconds that a user waits after a request without an answer, so as not to spin."""


class FailureError(Exception):
    """What Locust shows in its table of failures."""

    def __repr__(self) -> str:
        return str(self)


class StoreUser(User):
    """Sends requests to a store, one at a time, over one connection of its own.

    Closed: the next one when the last one is answered. Under open load users of Locust's are idle,
    and others of the same class, made by `OpenLoad`, send when they are told to.

    `crowd` is set before users are started. Locust's own loop picks a task and yields after every
    request, which costs as much as the request; so there is one task, which goes on until the
    user is told to stop, and ends between two requests.
    """

    abstract = True
    stream: ClassVar[str] = ""
    """Which of a scenario's rates it sends at, where there are several."""

    crowd: ClassVar[UserPool]
    cookies: ClassVar[bool] = False
    """Whether users of this scenario keep cookies, each for itself, whatever the options say."""
    place: Assignment
    shown: str
    """What Locust's tables have before the operation."""

    client: Client
    pool = NO_POOL
    """Which answered last."""
    intended = 0.0
    """When the request under way was to be sent; 0 under closed load, which intends nothing."""

    def enter(self, place: Assignment) -> None:
        """Take a place in the crowd."""
        self.place, self.shown = place, place.store
        terms = self.crowd.terms
        self.client = Client(
            self.crowd.target,
            self.crowd.deadlines,
            retry_stale=terms.retry_stale,
            jar=CookieJar() if self.cookies or terms.cookies else None,
        )
        self.client.owner = self

    def step(self) -> Response:
        """Do one operation and report it."""
        raise NotImplementedError

    @task
    def work(self) -> None:
        """Work while the load is closed, and be idle while it is open."""
        while self._state == LOCUST_STATE_RUNNING:
            if self.crowd.closed.is_set():
                self._work_closed(self.crowd)
            else:
                self._state = LOCUST_STATE_WAITING  # so that it can be stopped
                self.crowd.closed.wait()
                self._state = LOCUST_STATE_RUNNING

    def _work_closed(self, crowd: UserPool) -> None:
        """Begin at a time of its own, and do one operation after the other."""
        self.enter(crowd.join())
        try:
            gevent.sleep(self.place.rng.random() * crowd.terms.spread)
            while self._state == LOCUST_STATE_RUNNING and crowd.closed.is_set():
                if self.step().status == 0:
                    gevent.sleep(PAUSE)
        finally:
            self.client.close()
            crowd.leave(self.place)

    def send(self, intended: float) -> None:
        """Do one operation that was to begin at `intended`."""
        self.intended = intended
        try:
            self.step()
        except Exception as error:
            fire = self.environment.events.user_error.fire
            fire(user_instance=self, exception=error, tb=error.__traceback__)
            raise

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def report(self, operation: str, answer: Response, outcome: str, flaw: str) -> None:
        """Count an operation, in the recorder and in whatever listens to Locust's requests.

        These hear of the response time under open load, of the service time under closed.
        """
        store, crowd, intended = self.place.store, self.crowd, self.intended
        service_us = shown_us = answer.service_us
        response_us = None
        if intended:
            response_us = shown_us = (answer.done - intended) * 1e6
        if intended >= crowd.since:
            pool = self.pool = _text(answer.field(POOL_HEADER)) or NO_POOL
            crowd.recorder.record(store, operation, pool, outcome, service_us, response_us)
            if crowd.sampler is not None and outcome is OK:
                crowd.sampler.offer(
                    RequestSample(store, operation, answer, service_us, response_us)
                )
            if answer.retried:
                crowd.retried[store] += 1
        self.environment.events.request.fire(
            request_type=METHOD[operation],
            name=f"{self.shown} {operation}",
            response_time=shown_us / 1000,
            response_length=len(answer.body),
            exception=None if outcome is OK else _failure(outcome, flaw or _told(answer)),
            context=_NOTHING,
            response=answer,
        )


_NOTHING: Final[dict[str, Any]] = {}


@lru_cache(maxsize=256)
def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _told(answer: Response) -> str:
    """What the server says of a failure of its own; refusals name ids, each of them another."""
    if answer.status < 500:
        return ""
    try:
        return decode_problem(answer.body).detail
    except msgspec.MsgspecError:
        return ""


@lru_cache(maxsize=256)
def _failure(outcome: str, flaw: str) -> FailureError:
    return FailureError(f"{outcome}: {flaw}" if flaw else outcome)
