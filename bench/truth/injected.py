"""Injected delays: does the client's histogram say what the server's own record says?

The client keeps each answer's X-Request-Id, by which the proxy's record of the same requests is
found. What is judged is the median. The tails stand beside it: what the kernel takes to wake the
client up is in the histogram, as it should be, and not in the server's record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import gevent

from bench import histogram
from bench.answer import OK
from bench.client import Client, Target
from bench.deadlines import Deadlines
from bench.histogram import Histogram
from bench.recorder import Recorder, encode
from bench.truth import known, processes
from bench.truth.verdict import ExperimentError, Verdict, ms

LOADS = {3: (1_000, 1), 30: (400, 1), 300: (100, 4)}
"""By delay in ms: how many requests, and how many at a time; on one connection where that is soon
enough, as answers that come in a burst wait for each other in the client."""

QUICKLY = 100
SHARE, NEAR_US = 0.01, 300.0
PATH = "/ping"


def injected(quick: bool) -> Iterator[Verdict]:
    """Find 3 ms, 30 ms and 300 ms of injected delay."""
    for delay, (number, at_once) in LOADS.items():
        count = min(number, QUICKLY) if quick else number
        with processes.server() as port, processes.proxy(port, "delay", delay / 1000) as harmed:
            found, ids = ask(harmed.url, count, at_once)
            seen = {each.request_id: each for each in harmed.seen()}
        if not set(ids) <= set(seen):
            raise ExperimentError("an answer has a request id that the proxy never saw")
        record = [(each.answered - each.arrived) * 1e6 for each in map(seen.__getitem__, ids)]
        yield _judge(delay, found, sorted(record))


def _judge(delay: int, found: Histogram, record: Sequence[float]) -> Verdict:
    (_, median), *tail = known.reportable(found)
    reported, truth = found.quantile(median), known.at(record, median)
    told = (f"{name} {ms(known.at(record, q))}: {ms(found.quantile(q))}" for name, q in tail)
    return Verdict(
        f"injected {delay} ms: p50",
        ms(truth),
        ms(reported),
        "1 % or 0.3 ms",
        abs(reported - truth) <= max(SHARE * truth, NEAR_US),
        ", ".join(told),
    )


def ask(url: str, count: int, at_once: int) -> tuple[Histogram, Sequence[str]]:
    """Send `count` requests, `at_once` at a time; return their histogram and their ids."""
    recorder, deadlines, target = Recorder(), Deadlines(10.0), Target(url)
    ids: list[str] = []

    def work() -> None:
        client = Client(target, deadlines)
        for _ in range(count // at_once):
            answer = client.request("GET", PATH)
            recorder.record("", "", "", answer.outcome, answer.service_us)
            ids.append(answer.field(b"X-Request-Id").decode())
        client.close()

    gevent.joinall([gevent.spawn(work) for _ in range(at_once)], raise_error=True)
    recorded = recorder.take()
    if {key.outcome for key in recorded} != {OK}:
        raise ExperimentError(f"not all answers came: {', '.join(k.outcome for k in recorded)}")
    [times] = recorded.values()
    return histogram.decode(encode(times.service)), ids
