"""Samples of requests: where the time of some of every second went."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from windtunnel.client.response import Response
from windtunnel.recording.series import SampledRequest

TIMING_HEADER: Final = b"Server-Timing"
ID_HEADER: Final = b"X-Request-Id"

_DURATION: Final = re.compile(rb"(\w+);dur=([\d.]+)")


class RequestSample(NamedTuple):
    """A request with its response; times in microseconds."""

    store: str
    operation: str
    response: Response
    service_us: float
    response_us: float | None

    def as_line(self) -> SampledRequest:
        """Return the sample as in `samples.jsonl`; of its conditions it has the store alone."""
        return SampledRequest(
            store=self.store,
            operation=self.operation,
            request_id=self.response.header(ID_HEADER).decode("latin-1") or None,
            service_us=round(self.service_us, 1),
            response_us=None if self.response_us is None else round(self.response_us, 1),
            parts_us=self.parts_us(),
        )

    def parts_us(self) -> dict[str, float | None]:
        """Return the parts of a request's time, by where it was spent; their sum is the whole.

        Before the send it was in the generator, connecting included. The time that no handler
        measured passed on the way and waiting for the loop, `loop`; `nginx` is a part of that
        which only its log knows.
        """
        times = server_timing(self.response)
        handler, wait, driver = (times.get(name, 0.0) for name in ("handler", "wait", "driver"))
        before = 0.0 if self.response_us is None else self.response_us - self.service_us
        parts = {
            "generator": before,
            "loop": self.service_us - handler,
            "wait": wait,
            "driver": driver,
            "handler": handler - wait - driver,
        }
        return {"nginx": None} | {name: round(max(us, 0.0), 1) for name, us in parts.items()}


def server_timing(response: Response) -> dict[str, float]:
    """Return the durations of `Server-Timing` by name, in microseconds."""
    field = response.header(TIMING_HEADER)
    return {name.decode(): float(ms) * 1000 for name, ms in _DURATION.findall(field)}


class Sampler:
    """A random sample of `size` requests between two calls of `take`, all equally likely.

    Vitter, Random sampling with a reservoir, 1985 (algorithm R). The first after a pause would be
    those that waited longest.
    """

    __slots__ = ("_offered", "_random", "_samples", "_size")

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._random: Callable[[], float] = random.Random(f"samples:{seed}").random
        self._samples: list[RequestSample] = []
        self._offered = 0

    def offer(self, sample: RequestSample) -> None:
        """Keep a sample, or not, with the same chance for each of this second."""
        self._offered += 1
        if len(self._samples) < self._size:
            self._samples.append(sample)
        elif (index := int(self._random() * self._offered)) < self._size:
            self._samples[index] = sample

    def take(self) -> list[RequestSample]:
        """Return the samples that were kept, and start anew."""
        samples, self._samples, self._offered = self._samples, [], 0
        return samples
