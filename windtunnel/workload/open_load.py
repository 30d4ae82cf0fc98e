"""The open load of one process: a stream for each kind of user, on every store, at its own rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from locust.env import Environment

from windtunnel.workload.arrivals import WHOLE, Arrivals, Share, arrivals
from windtunnel.workload.open_loop import (
    OpenLoop,
    ScheduleStats,
    StreamStats,
    drain,
    merge_stats,
)
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import Assignment, UserPool

Rates = Mapping[str, float]
"""Requests a second by stream; a scenario's only stream is called ""."""


@dataclass(slots=True)
class Stream:
    """The requests of one kind of user: an open loop for each store, and the rate of all."""

    name: str
    loops: dict[str, OpenLoop]
    pace: tuple[float, Arrivals, Share] | None = None

    @property
    def stats(self) -> ScheduleStats:
        """The counts of all stores together."""
        return merge_stats(loop.stats for loop in self.loops.values())

    def run(self, rate: float, kind: Arrivals, share: Share, seed: str, start: float) -> None:
        """Send a share of a rate from `start` on; at an unchanged rate, go on as before."""
        if self.pace == (rate, kind, share):
            return
        self.pace = rate, kind, share
        parts = share.parts * len(self.loops)
        for number, loop in enumerate(self.loops.values()):
            loop_share = Share(number * share.parts + share.index, parts)
            times = arrivals(kind, rate, seed, loop_share, self.name) if rate else iter(())
            loop.run((start + time for time in times), rate / parts)


class OpenLoad:
    """The streams of one process; `max_in_flight` limits the requests in flight of all of them.

    Each kind of user has a stream, and a rate, of its own; all work on the same records.
    """

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        user_pool: UserPool,
        max_in_flight: int,
    ) -> None:
        self._seed = f"{user_pool.config.seed}:{user_pool.round}"
        self._assignments = {
            store: user_pool.shared_assignment(store) for store in user_pool.free_records
        }
        per_loop = max(1, max_in_flight // (len(user_classes) * len(self._assignments)))
        self.streams = {
            user_class.stream: Stream(
                user_class.stream,
                {
                    store: OpenLoop(_user_factory(user_class, environment, assignment), per_loop)
                    for store, assignment in self._assignments.items()
                },
            )
            for user_class in user_classes
        }
        self._loops = [loop for stream in self.streams.values() for loop in stream.loops.values()]

    def run(
        self, rates: Rates, kind: Arrivals, share: Share = WHOLE, start: float | None = None
    ) -> None:
        """Send this process's share of `rates` from `start` (now) on.

        A stream at an unchanged rate goes on as it is; a stream without a rate sends nothing.
        """
        start_s = perf_counter() if start is None else start
        for name, stream in self.streams.items():
            stream.run(rates.get(name, 0.0), kind, share, self._seed, start_s)

    def pause(self) -> None:
        """Send nothing until `run` is called again."""
        self.run({}, "constant")

    def drop_uncertain_records(self) -> None:
        """Forget the records whose state is in doubt, before other users work on the rest."""
        for assignment in self._assignments.values():
            pool = assignment.record_pool
            pool.records[:] = pool.certain_records

    def count_from(self, since: float) -> None:
        """Reset the counts, and count only what is scheduled for `since` or later."""
        for loop in self._loops:
            loop.count_from(since)

    def end(self, until: float) -> None:
        """Send nothing that is scheduled for `until` or later."""
        for loop in self._loops:
            loop.end(until)

    def drain(self, timeout: float) -> None:
        """Wait until every request has its response, `timeout` seconds at most."""
        drain(self._loops, timeout)

    def take_stats(self) -> StreamStats:
        """Return the counts since the last call, by store and stream."""
        stats: StreamStats = {store: {} for store in self._assignments}
        for name, stream in self.streams.items():
            for store, loop in stream.loops.items():
                stats[store][name], loop.stats = loop.stats, ScheduleStats()
        return stats

    @property
    def stats(self) -> ScheduleStats:
        """The counts of all streams together."""
        return merge_stats(loop.stats for loop in self._loops)

    @property
    def error(self) -> BaseException | None:
        """The exception that ended a user, if there was one."""
        return next((loop.error for loop in self._loops if loop.error), None)

    def close(self) -> None:
        """Stop at once."""
        for loop in self._loops:
            loop.close()


def _user_factory(
    user_class: type[StoreUser], environment: Environment, assignment: Assignment
) -> Callable[[], StoreUser]:
    def make_user() -> StoreUser:
        user = user_class(environment)
        user.assign(assignment)
        return user

    return make_user
