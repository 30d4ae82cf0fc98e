"""Open load on the stores of a crowd: a lane each, which share a rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from locust.env import Environment

from bench.crowd import Crowd, Place
from bench.lane import Lane, Sent, drain
from bench.schedule import Arrivals, Share, arrivals
from bench.users import StoreUser

MOST_UNDER_WAY = 1_000
"""Requests that may be under way in all unless it is said otherwise."""


class OpenLoad:
    """The lanes of one process; `bound` is how many requests may be under way in all of them."""

    def __init__(
        self, user_class: type[StoreUser], environment: Environment, crowd: Crowd, bound: int
    ) -> None:
        self._seed = crowd.terms.seed
        self._stores = list(crowd.free)
        of_a_store = max(1, bound // len(crowd.free))
        self._places = [crowd.common(store) for store in crowd.free]
        self.lanes = [
            Lane(_maker(user_class, environment, place), of_a_store) for place in self._places
        ]

    def run(self, rate: float, kind: Arrivals, share: Share, start: float | None = None) -> None:
        """Send this process's share of `rate` requests a second from `start` (now) on."""
        begin = perf_counter() if start is None else start
        parts = share.parts * len(self.lanes)
        for place, lane in enumerate(self.lanes):
            own = Share(place * share.parts + share.index, parts)
            times = arrivals(kind, rate, self._seed, own)
            lane.run((begin + time for time in times), rate / parts)

    def pause(self) -> None:
        """Send nothing until `run` is called again."""
        for lane in self.lanes:
            lane.run(iter(()), 0.0)

    def settle(self) -> None:
        """Forget the records whose state is not certain: others are to work on the rest."""
        for place in self._places:
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

    def take_sent(self) -> dict[str, Sent]:
        """What became of what was intended, by store, since the last call."""
        taken = {store: lane.sent for store, lane in zip(self._stores, self.lanes, strict=True)}
        for lane in self.lanes:
            lane.sent = Sent()
        return taken

    @property
    def sent(self) -> Sent:
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


def total(lanes: Sequence[Lane]) -> Sent:
    """The counts of all lanes together."""
    sent = Sent()
    for lane in lanes:
        sent.add(lane.sent)
    return sent


def _maker(
    user_class: type[StoreUser], environment: Environment, place: Place
) -> Callable[[], StoreUser]:
    def make() -> StoreUser:
        user = user_class(environment)
        user.enter(place)
        return user

    return make
