"""Open load on the stores of a crowd: a lane for each kind of user on each, at shared rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from locust.env import Environment

from windtunnel.workload.arrivals import WHOLE, Arrivals, Share, arrivals
from windtunnel.workload.open_loop import (
    OpenLoop,
    ScheduleStats,
    ScheduleStatsByStream,
    added,
    drain,
)
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import Assignment, UserPool

Rates = Mapping[str, float]
"""Requests a second by stream; a scenario's only one is called ""."""

MOST_UNDER_WAY = 1_000
"""Requests that may be under way in all unless it is said otherwise."""


@dataclass(slots=True)
class Stream:
    """The lanes of one kind of user, a store each, and at what rate they send now."""

    name: str
    lanes: dict[str, OpenLoop]
    pace: tuple[float, Arrivals, Share] | None = None

    def run(self, rate: float, kind: Arrivals, share: Share, seed: str, begin: float) -> None:
        """Send a share of a rate from `begin` on; go on where it is that of before."""
        if self.pace == (rate, kind, share):
            return
        self.pace = rate, kind, share
        parts = share.parts * len(self.lanes)
        for place, lane in enumerate(self.lanes.values()):
            own = Share(place * share.parts + share.index, parts)
            times = arrivals(kind, rate, seed, own, self.name) if rate else iter(())
            lane.run((begin + time for time in times), rate / parts)


class OpenLoad:
    """The streams of one process; `bound` is how many requests may be under way in all of them.

    Each kind of user has a stream, and a rate, of its own; all work on the same records.
    """

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        crowd: UserPool,
        bound: int,
    ) -> None:
        self._seed = f"{crowd.terms.seed}:{crowd.round}"
        self._places = {store: crowd.common(store) for store in crowd.free}
        of_a_lane = max(1, bound // (len(user_classes) * len(self._places)))
        self.streams = {
            kind.stream: Stream(
                kind.stream,
                {
                    s: OpenLoop(_maker(kind, environment, p), of_a_lane)
                    for s, p in self._places.items()
                },
            )
            for kind in user_classes
        }
        self.lanes = [lane for each in self.streams.values() for lane in each.lanes.values()]

    def run(
        self, rates: Rates, kind: Arrivals, share: Share = WHOLE, start: float | None = None
    ) -> None:
        """Send this process's share of `rates` from `start` (now) on.

        A stream whose rate stays what it was goes on as it is; one without a rate sends nothing.
        """
        begin = perf_counter() if start is None else start
        for name, stream in self.streams.items():
            stream.run(rates.get(name, 0.0), kind, share, self._seed, begin)

    def pause(self) -> None:
        """Send nothing until `run` is called again."""
        self.run({}, "constant")

    def settle(self) -> None:
        """Forget the records whose state is not certain: others are to work on the rest."""
        for place in self._places.values():
            place.stock.records[:] = place.stock.settled

    def count_from(self, since: float) -> None:
        """Count anew, and only what is intended for `since` or later."""
        for lane in self.lanes:
            lane.count_from(since)

    def end(self, until: float) -> None:
        """Send nothing that is intended for `until` or later."""
        for lane in self.lanes:
            lane.end(until)

    def drain(self, timeout: float) -> None:
        """Wait until all is answered, `timeout` seconds at most."""
        drain(self.lanes, timeout)

    def take_sent(self) -> ScheduleStatsByStream:
        """What became of what was intended, by store and stream, since the last call."""
        taken: ScheduleStatsByStream = {store: {} for store in self._places}
        for name, stream in self.streams.items():
            for store, lane in stream.lanes.items():
                taken[store][name], lane.sent = lane.sent, ScheduleStats()
        return taken

    @property
    def sent(self) -> ScheduleStats:
        """What became of all that was intended."""
        return total(self.lanes)

    @property
    def broken(self) -> BaseException | None:
        """What broke a sender, if anything did."""
        return next((lane.broken for lane in self.lanes if lane.broken), None)

    def close(self) -> None:
        """Stop at once."""
        for lane in self.lanes:
            lane.close()


def total(lanes: Iterable[OpenLoop]) -> ScheduleStats:
    """The counts of all lanes together."""
    return added(lane.sent for lane in lanes)


def _maker(
    user_class: type[StoreUser], environment: Environment, place: Assignment
) -> Callable[[], StoreUser]:
    def make() -> StoreUser:
        user = user_class(environment)
        user.enter(place)
        return user

    return make
