"""The recorder of a process: latencies by store, operation, pool and outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from windtunnel.recording.histogram import HIGHEST_US, MASKS, Histogram

NO_POOL: Final = "none"
"""The pool of a request that no process answered."""


class Key(NamedTuple):
    """What a histogram is of. `outcome` is "ok" or a failure's name."""

    store: str
    operation: str
    pool: str
    outcome: str


class Latencies(NamedTuple):
    """The latencies of the same requests; `response` stays empty under closed load."""

    service: Histogram
    response: Histogram

    @classmethod
    def empty(cls) -> Latencies:
        """Return those of no request."""
        return cls(Histogram(), Histogram())

    def merge(self, other: Latencies) -> None:
        """Add those of other requests, exactly."""
        self.service.merge(other.service)
        self.response.merge(other.response)


Histograms = dict[Key, Latencies]


def merge_into(total: Histograms, histograms: Mapping[Key, Latencies]) -> None:
    """Add histograms to `total`, exactly; they are left as they are."""
    for key, latencies in histograms.items():
        total.setdefault(key, Latencies.empty()).merge(latencies)


def _counts() -> tuple[dict[int, int], dict[int, int]]:
    return {}, {}


class Recorder:
    """The requests since it was made, or since `take`."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = defaultdict[
            tuple[str, str, str, str], tuple[dict[int, int], dict[int, int]]
        ](_counts)

    def record(
        self,
        store: str,
        operation: str,
        pool: str,
        outcome: str,
        service_us: float,
        response_us: float | None = None,
    ) -> None:
        """Count a request, in microseconds; beyond 60 s it counts as 60 s.

        This is `Histogram.record`, written out: it is done for each request that is measured.
        """
        service, response = self._counts[store, operation, pool, outcome]
        value = int(service_us) if service_us < HIGHEST_US else HIGHEST_US
        value |= MASKS[value.bit_length()]
        service[value] = service.get(value, 0) + 1
        if response_us is not None:
            value = int(response_us) if response_us < HIGHEST_US else HIGHEST_US
            value |= MASKS[value.bit_length()]
            response[value] = response.get(value, 0) + 1

    def take(self) -> Histograms:
        """Return what was recorded, and begin anew."""
        taken, self._counts = self._counts, defaultdict(_counts)
        return {
            Key(*key): Latencies(Histogram(service), Histogram(response))
            for key, (service, response) in taken.items()
        }
