"""Injected delays: do reported service times agree with the server's own record?

The record is the proxy's: from the first byte of a request to the last one of its response. It is
compared twice: the quantiles of the histogram with those of the record, and request by request,
joined by X-Request-Id, those that the run kept in full. The far tail is printed and not judged:
what the kernel takes to wake the client up is in the histogram, as it should be, and not in the
record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from benchmarks.harness import Check
from validation import ground_truth
from validation.measurement import in_ms, service_times
from validation.proxied_cells import ProxiedCell, measure_cells
from validation.proxy import ProxiedRequest

LOADS: Final = {3: (4, 1), 30: (12, 1), 300: (16, 4)}
"""Seconds and closed users by delay in ms; one user where that gives enough samples, as responses
that come in a burst wait for each other in the client."""

QUICK_FACTOR = 3
"""A quick experiment takes so many times less."""

JUDGED = ("p50", "p90")
SHARE, TOLERANCE_US = 0.01, 300.0
BOUND: Final = "1 % or 0.3 ms"


def injected(quick: bool) -> Iterator[Check]:
    """Injected delays of 3 ms, 30 ms and 300 ms."""
    for delay_ms, (seconds, users) in LOADS.items():
        options = ("--users", str(users), "--rounds", "1", "--duration")
        duration = seconds / QUICK_FACTOR if quick else seconds
        cells = measure_cells(("delay", delay_ms / 1000), *options, f"{duration:g}")
        yield from _check_quantiles(f"injected {delay_ms} ms", cells)
        yield _check_requests(f"injected {delay_ms} ms", cells)


def _check_quantiles(name: str, cells: Sequence[ProxiedCell]) -> Iterator[Check]:
    reported = service_times([proxied.cell for proxied in cells])
    record_us = sorted(us for proxied in cells for us in map(held_us, proxied.measured_requests))
    quantiles = dict(ground_truth.reportable(reported))
    tail = ", ".join(
        f"{label} {in_ms(ground_truth.quantile(record_us, q))}: {in_ms(reported.quantile(q))}"
        for label, q in quantiles.items()
        if label not in JUDGED
    )
    for label in JUDGED:
        if label in quantiles:
            q = quantiles[label]
            truth_us = ground_truth.quantile(record_us, q)
            yield _check(f"{name}: service {label}", truth_us, reported.quantile(q), tail)
            tail = ""


def _check_requests(name: str, cells: Sequence[ProxiedCell]) -> Check:
    requests = {read.request_id: read for proxied in cells for read in proxied.requests}
    samples = [sample for proxied in cells for sample in proxied.samples]
    record_us = [held_us(requests[sample.request_id or ""]) for sample in samples]
    excess_us = median(s.service_us - us for s, us in zip(samples, record_us, strict=True))
    truth_us = median(record_us)
    note = f"{len(samples)} joined"
    return _check(f"{name}: request by request", truth_us, truth_us + excess_us, note)


def _check(name: str, truth_us: float, reported_us: float, note: str) -> Check:
    passed = abs(reported_us - truth_us) <= max(SHARE * truth_us, TOLERANCE_US)
    return Check(name, in_ms(reported_us), BOUND, passed, expected=in_ms(truth_us), note=note)


def held_us(request: ProxiedRequest) -> float:
    """For how long the server had a request, in microseconds."""
    return (request.response_s - request.arrival_s) * 1e6
