"""What one process recorded under Locust, second by second, until it is fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import gevent
import msgspec

from bench.crowd import Crowd
from bench.lane import Sent
from bench.recorder import Key, Recorded, Times, merge

FIELD: Final = "windtunnel"
"""Under which a worker's report to its master stands."""


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What was recorded since the last one: by second (of the epoch), by store, counts by store."""

    seconds: dict[int, list[tuple[Key, Times]]]
    sent: dict[str, Sent]
    retried: dict[str, int]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Report).decode


class Collector:
    """Drains the recorder of a crowd at the end of every second of the clock."""

    def __init__(self, crowd: Crowd, take_sent: Callable[[], dict[str, Sent]]) -> None:
        self._crowd = crowd
        self._take_sent = take_sent
        self._seconds: dict[int, Recorded] = {}
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def fetch(self) -> Report:
        """Return what was recorded since the last call, the second under way excepted."""
        taken, self._seconds = self._seconds, {}
        retried = dict(self._crowd.retried)
        self._crowd.retried.clear()
        return Report(
            {second: list(recorded.items()) for second, recorded in taken.items()},
            self._take_sent(),
            retried,
        )

    def end(self) -> Report:
        """Return what is left, and collect no more."""
        self._greenlet.kill()
        self._drain(int(time.time()))
        return self.fetch()

    def _work(self) -> None:
        while True:
            gevent.sleep(1 - time.time() % 1)
            self._drain(round(time.time()) - 1)

    def _drain(self, second: int) -> None:
        merge(self._seconds.setdefault(second, {}), self._crowd.recorder.take())


def by_store(recorded: Mapping[Key, Times]) -> dict[str, Recorded]:
    """Part what was recorded by store."""
    parts: dict[str, Recorded] = {}
    for key, times in recorded.items():
        parts.setdefault(key.store, {})[key] = times
    return parts
