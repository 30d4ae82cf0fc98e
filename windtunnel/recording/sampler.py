"""Some requests of every second, whole: where the time of each went."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from windtunnel.client.response import Response

TIMING_HEADER: Final = b"Server-Timing"
ID_HEADER: Final = b"X-Request-Id"

_PART: Final = re.compile(rb"(\w+);dur=([\d.]+)")


class Sample(NamedTuple):
    """A request with its answer; times in microseconds."""

    store: str
    operation: str
    answer: Response
    service_us: float
    response_us: float | None


class Sampler:
    """Keeps `size` requests between two calls of `take`, each as likely as any other.

    Vitter, Random sampling with a reservoir, 1985 (algorithm R). The first after a pause would be
    those that waited longest.
    """

    __slots__ = ("_kept", "_random", "_seen", "_size")

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._random: Callable[[], float] = random.Random(f"samples:{seed}").random
        self._kept: list[Sample] = []
        self._seen = 0

    def offer(self, sample: Sample) -> None:
        """Keep a request, or not."""
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append(sample)
        elif (place := int(self._random() * self._seen)) < self._size:
            self._kept[place] = sample

    def take(self) -> list[Sample]:
        """Return what was kept, and begin anew."""
        kept, self._kept, self._seen = self._kept, [], 0
        return kept


def told(sample: Sample) -> dict[str, Any]:
    """Return a sample as in `samples.jsonl`."""
    return {
        "operation": sample.operation,
        "request_id": sample.answer.field(ID_HEADER).decode("latin-1") or None,
        "service_us": round(sample.service_us, 1),
        "response_us": None if sample.response_us is None else round(sample.response_us, 1),
        "parts_us": parts(sample),
    }


def parts(sample: Sample) -> dict[str, float | None]:
    """Return the parts of a request's time, by where it was spent; their sum is the whole.

    Before the send it was in the generator, connecting included. What no handler saw went by on
    the way and waiting for the loop, `loop`; `nginx` is a part of that which only its log knows.
    """
    times = timing(sample.answer)
    whole, wait, driver = (times.get(name, 0.0) for name in ("handler", "wait", "driver"))
    before = 0.0 if sample.response_us is None else sample.response_us - sample.service_us
    found = {
        "generator": before,
        "loop": sample.service_us - whole,
        "wait": wait,
        "driver": driver,
        "handler": whole - wait - driver,
    }
    return {"nginx": None} | {name: round(max(us, 0.0), 1) for name, us in found.items()}


def timing(answer: Response) -> dict[str, float]:
    """Return what the server's clocks say, in microseconds; nothing if it said nothing."""
    field = answer.field(TIMING_HEADER)
    return {name.decode(): float(ms) * 1000 for name, ms in _PART.findall(field)}
