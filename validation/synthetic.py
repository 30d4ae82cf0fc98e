"""Synthetic requests with a long tail, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from windtunnel.client.response import OK
from windtunnel.recording.recorder import Histograms, Recorder

MILLION: Final = 1_000_000
OPERATIONS: Final = ("create", "read", "edit", "delete")


class SyntheticRequest(NamedTuple):
    """One request: operation, service and response time in microseconds."""

    operation: str
    service_us: float
    response_us: float


def synthetic_requests(count: int, seed: str) -> Iterator[SyntheticRequest]:
    """Draw `count` requests from a seed."""
    generator = random.Random(seed)
    for _ in range(count):
        service_us = generator.lognormvariate(7, 1)
        operation = generator.choice(OPERATIONS)
        response_us = service_us + generator.expovariate(1 / 200)
        yield SyntheticRequest(operation, service_us, response_us)


def record(requests: Iterable[SyntheticRequest], store: str) -> Histograms:
    """Record requests as those of a store."""
    recorder = Recorder()
    for operation, service_us, response_us in requests:
        recorder.record(store, operation, "fast", OK, service_us, response_us)
    return recorder.take()
