"""How nginx picks a process of a pool, step by step as its own modules do.

Sources: ngx_http_upstream_round_robin.c (smooth weighted round robin), .._least_conn_module.c,
.._random_module.c (`random two least_conn`), .._ip_hash_module.c, .._hash_module.c.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import accumulate, cycle


class Balancer(ABC):
    """Picks one of a pool's processes, each with a weight, for every request."""

    def __init__(self, weights: Sequence[int], source: random.Random) -> None:
        self.weights = tuple(weights)
        self.in_flight = [0] * len(weights)
        """How many requests each process has, waiting and at work."""
        self._source = source

    @abstractmethod
    def pick(self) -> int:
        """The place of the process that gets the next request."""


class RoundRobin(Balancer):
    """Each in turn; with weights smoothly, so that a heavy one does not get its share at once."""

    def __init__(self, weights: Sequence[int], source: random.Random) -> None:
        super().__init__(weights, source)
        self._turns = cycle(turns(weights))

    def pick(self) -> int:
        return next(self._turns)


class LeastConn(Balancer):
    """The one with the fewest requests for its weight; those that have as few take turns."""

    def __init__(self, weights: Sequence[int], source: random.Random) -> None:
        super().__init__(weights, source)
        self._current = [0] * len(weights)

    def pick(self) -> int:
        loads = [n / weight for n, weight in zip(self.in_flight, self.weights, strict=True)]
        least = min(loads)
        ties = [place for place, load in enumerate(loads) if load == least]
        return ties[0] if len(ties) == 1 else turn(self._current, self.weights, ties)


class RandomTwo(Balancer):
    """Of two drawn by weight, the one with fewer requests for its weight."""

    def __init__(self, weights: Sequence[int], source: random.Random) -> None:
        super().__init__(weights, source)
        self._places = range(len(weights))
        self._cumulative = list(accumulate(weights))

    def pick(self) -> int:
        first = self._draw()
        if len(self._places) == 1:
            return first
        other = self._draw()
        while other == first:
            other = self._draw()
        return min(first, other, key=lambda place: self.in_flight[place] / self.weights[place])

    def _draw(self) -> int:
        return self._source.choices(self._places, cum_weights=self._cumulative)[0]


class Hash(Balancer):
    """By a key with many values, each as frequent as any other: at random, by weight."""

    def __init__(self, weights: Sequence[int], source: random.Random) -> None:
        super().__init__(weights, source)
        self._places = range(len(weights))
        self._cumulative = list(accumulate(weights))

    def pick(self) -> int:
        return self._source.choices(self._places, cum_weights=self._cumulative)[0]


class IpHash(Balancer):
    """By the client's address: a generator has one, so one process gets all."""

    def pick(self) -> int:
        return 0


BALANCERS: Mapping[str, type[Balancer]] = {
    "round_robin": RoundRobin,
    "least_conn": LeastConn,
    "random_two": RandomTwo,
    "ip_hash": IpHash,
    "hash": Hash,
}
"""By the names of nginx/split.toml."""


def turns(weights: Sequence[int]) -> list[int]:
    """One whole sequence of smooth weighted round robin: as many places as weights in all."""
    current, every = [0] * len(weights), range(len(weights))
    return [turn(current, weights, every) for _ in range(sum(weights))]


def turn(current: list[int], weights: Sequence[int], among: Sequence[int]) -> int:
    """The next place of smooth weighted round robin among some; `current` is its memory."""
    for place in among:
        current[place] += weights[place]
    best = max(among, key=lambda place: current[place])
    current[best] -= sum(weights[place] for place in among)
    return best
