"""Locust users on the lean client: what every scenario's users have in common."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Final

import gevent
import msgspec
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING

from bench.answer import OK, Answer
from bench.client import Client
from bench.contract import POOL_HEADER, VERB, Operation, decode_problem
from bench.crowd import Crowd, Place

PAUSE: Final = 0.05
"""Seconds that a user waits after a request without an answer, so as not to spin."""

NO_POOL: Final = "none"
"""The pool of a request that no process answered."""


class FailureError(Exception):
    """What Locust shows in its table of failures."""

    def __repr__(self) -> str:
        return str(self)


class ClosedUser(User):
    """Sends its next request when the last one is answered, over one connection of its own.

    `crowd` is set before users are started. Locust's own loop picks a task and yields after every
    request, which costs as much as the request; so there is one task, which goes on until the
    user is told to stop, and ends between two requests.
    """

    abstract = True
    crowd: ClassVar[Crowd]
    place: Place
    client: Client

    def on_start(self) -> None:
        """Take a place in the crowd."""
        self.place = self.crowd.join()
        self.client = Client(self.crowd.target, self.crowd.deadlines)

    def on_stop(self) -> None:
        """Give back what it owned."""
        self.client.close()
        self.crowd.leave(self.place)

    def step(self) -> Answer:
        """Do one operation and report it."""
        raise NotImplementedError

    @task
    def work(self) -> None:
        """Begin at a time of its own, and do one operation after the other."""
        gevent.sleep(self.place.rng.random() * self.crowd.terms.spread)
        while self._state == LOCUST_STATE_RUNNING:
            if self.step().status == 0:
                gevent.sleep(PAUSE)

    def report(self, operation: Operation, answer: Answer, outcome: str, flaw: str) -> None:
        """Count an operation, in the recorder and in whatever listens to Locust's requests."""
        store, us = self.place.store, answer.service_us
        pool = _text(answer.field(POOL_HEADER)) or NO_POOL
        self.crowd.recorder.record(store, operation, pool, outcome, us)
        self.environment.events.request.fire(
            request_type=VERB[operation],
            name=f"{store} {operation}",
            response_time=us / 1000,
            response_length=len(answer.body),
            exception=None if outcome is OK else _failure(outcome, flaw or _told(answer)),
            context=_NOTHING,
            response=answer,
        )


_NOTHING: Final[dict[str, Any]] = {}


@lru_cache(maxsize=256)
def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _told(answer: Answer) -> str:
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
