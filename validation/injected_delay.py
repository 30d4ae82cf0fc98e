"""Injected delays: does what is reported say what the server's own record says?

The record is the proxy's: from the first byte of a request to the last one of its answer. It is
compared twice: the percentiles of the histogram with those of the record, and request by request,
joined by X-Request-Id, those that the run kept whole. The far tail stands beside it: what the
kernel takes to wake the client up is in the histogram, as it should be, and not in the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from validation import fault_shapes, ground_truth
from validation.fault_shapes import Loaded
from validation.measurement import service
from validation.proxy import ProxiedRequest
from validation.verdict import Verdict, ms
from windtunnel.recording.histogram import Histogram

LOADS = {3: (4, 1), 30: (12, 1), 300: (16, 4)}
"""By delay in ms: seconds, and closed users; one where that is soon enough, as answers that come
in a burst wait for each other in the client."""

QUICKLY = 3
"""So many times less."""

JUDGED = ("p50", "p90")
SHARE, NEAR_US = 0.01, 300.0
BOUND = "1 % or 0.3 ms"


def injected(quick: bool) -> Iterator[Verdict]:
    """Find 3 ms, 30 ms and 300 ms of injected delay."""
    for delay, (seconds, users) in LOADS.items():
        options = ("--users", str(users), "--rounds", "1", "--duration")
        duration = seconds / QUICKLY if quick else seconds
        cells = fault_shapes.loaded(("delay", delay / 1000), *options, f"{duration:g}")
        yield from _by_percentile(f"injected {delay} ms", cells)
        yield _by_request(f"injected {delay} ms", cells)


def _by_percentile(name: str, cells: Sequence[Loaded]) -> Iterator[Verdict]:
    found = service([each.cell for each in cells])
    record = sorted(us for each in cells for us in map(taken, each.measured))
    figures = dict(ground_truth.reportable(found))
    beside = [_told(which, q, found, record) for which, q in figures.items() if which not in JUDGED]
    for which in JUDGED:
        if which not in figures:
            continue
        reported, truth = found.quantile(figures[which]), ground_truth.at(record, figures[which])
        yield _verdict(f"{name}: service {which}", truth, reported, ", ".join(beside))
        beside = []


def _told(which: str, q: float, found: Histogram, record: Sequence[float]) -> str:
    return f"{which} {ms(ground_truth.at(record, q))}: {ms(found.quantile(q))}"


def _by_request(name: str, cells: Sequence[Loaded]) -> Verdict:
    seen = {read.request_id: read for each in cells for read in each.seen}
    kept = [sample for each in cells for sample in each.samples]
    record = [taken(seen[sample.request_id or ""]) for sample in kept]
    more = median(each.service_us - us for each, us in zip(kept, record, strict=True))
    truth = median(record)
    return _verdict(f"{name}: request by request", truth, truth + more, f"{len(kept)} joined")


def _verdict(name: str, truth: float, found: float, beside: str) -> Verdict:
    passed = abs(found - truth) <= max(SHARE * truth, NEAR_US)
    return Verdict(name, ms(truth), ms(found), BOUND, passed, beside)


def taken(read: ProxiedRequest) -> float:
    """For how long the server had a request, in microseconds."""
    return (read.answered - read.arrived) * 1e6
