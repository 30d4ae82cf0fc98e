"""The effect of a change of the split on each pool and kind of request, with intervals.

Both sides are equally long: before ends when the change began, after begins when old workers had
drained; neither has another load in it. Adjacent seconds are alike, so blocks of two or more are
resampled, as rounds are elsewhere; six blocks are the fewest.

This keeps a processor busy for most of a second, so it runs in a child process
(`python -m windtunnel.live.before_after`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from windtunnel.analysis.estimators import Estimator, Quantile, Ratio
from windtunnel.analysis.stats import (
    LEVEL,
    MIN_ROUNDS,
    Bootstrap,
    IntervalEstimate,
    LogRatio,
    holm,
    unpaired_log_ratio,
)
from windtunnel.live.compared_spans import MAX_SPAN_S, ComparedSpans, Span
from windtunnel.recording.histogram import QUANTILES, Histogram, samples_needed
from windtunnel.recording.recorder import Latencies

MIN_BLOCK_S: Final = 2
"""The shortest block."""

MAX_BLOCKS: Final = 15
"""Longer spans get longer blocks."""

MIN_SPAN_S: Final = MIN_BLOCK_S * MIN_ROUNDS
"""The shortest span on either side that gives intervals."""

QUANTILE_NAMES: Final = ("p50", "p99", "p99.9")

ALL_REQUESTS: Final = "all requests"

INCONCLUSIVE: Final = "inconclusive"

EQUIVALENCE: Final = 0.05
"""Figures are the same if the interval of their ratio is within this share of 1."""

Seconds = Mapping[int, Latencies]
"""Latencies of the successes of a pool or kind, by second; seconds without any are left out."""

Sides = tuple[Seconds, Seconds]
"""Latencies before and after."""

Failures = Mapping[int, tuple[int, int]]
"""Failures and all requests, by second."""


def effect(spans: ComparedSpans, pools: Mapping[str, Sides], failures: Failures) -> dict[str, Any]:
    """Return the rows of the comparison, and how many seconds more would decide more, if any."""
    rows = [row for pool, sides in pools.items() for row in _rows(pool, spans, sides)]
    rows.append(_failure_row(spans, failures))
    tested = [row for row in rows if row.ratio is not None]
    p_values = holm([row.ratio.p_value for row in tested if row.ratio])
    significant = {id(row): p < LEVEL for row, p in zip(tested, p_values, strict=True)}
    cells = [row.as_dict(spans, significant=significant.get(id(row), False)) for row in rows]
    waits = [row["watch_s"] for row in cells if row["watch_s"] is not None]
    return {
        "before": list(spans.before),
        "after": list(spans.after),
        "seconds": spans.after.seconds,
        "ended": spans.limit,
        "watch_s": max(waits, default=None),
        "rows": cells,
    }


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One figure of a pool on both sides.

    Without an interval of its ratio, `reason` says why, and `wait_s` how much longer it takes.
    """

    pool: str
    measure: str
    unit: str
    before: IntervalEstimate | None
    after: IntervalEstimate | None
    ratio: LogRatio | None
    reason: str = ""
    wait_s: int | None = None

    def as_dict(self, spans: ComparedSpans, *, significant: bool) -> dict[str, Any]:
        """Return the row as the page gets it; `watch_s` is how much longer a verdict takes."""
        verdict, reason, wait_s = self._verdict(spans.after.seconds, significant=significant)
        return {
            "pool": self.pool,
            "measure": self.measure,
            "unit": self.unit,
            "before": _estimate(self.before, self.unit),
            "after": _estimate(self.after, self.unit),
            "ratio": _ratio_interval(self.ratio),
            "verdict": verdict,
            "why": reason,
            "watch_s": None if spans.limit else wait_s,
        }

    def _verdict(self, span_s: int, *, significant: bool) -> tuple[str, str, int | None]:
        """Return the verdict, the reason for it, and how many seconds more it takes to decide."""
        if self.ratio is None:
            if self.before and self.after and self.before.estimate == self.after.estimate == 0:
                return "same", "none on either side", None
            return INCONCLUSIVE, self.reason, self.wait_s
        if significant:
            return ("higher" if self.ratio.log_ratio > 0 else "lower"), "", None
        low, high = self.ratio.interval
        difference = max(high - 1, 1 - low)
        if difference <= EQUIVALENCE:
            return "same", f"within {difference:.1%}", None
        half_width = math.log(high) - self.ratio.log_ratio
        to_differ = span_s * (half_width / max(abs(self.ratio.log_ratio), 1e-9)) ** 2
        to_equal = span_s * (half_width / math.log1p(EQUIVALENCE)) ** 2
        wait_s = math.ceil(min(to_differ, to_equal) - span_s)
        return INCONCLUSIVE, "", wait_s if span_s + wait_s <= MAX_SPAN_S and wait_s > 0 else None


def _rows(pool: str, spans: ComparedSpans, sides: Sides) -> list[EffectRow]:
    latency = "response" if all(_has_response_times(side) for side in sides) else "service"
    seconds = spans.after.seconds
    if not any(sides) or not seconds:
        return []
    blocks = [
        _blocks(sides[0], spans.before.end - seconds, seconds, from_end=True),
        _blocks(sides[1], spans.after.begin, seconds, from_end=False),
    ]
    rows = [_row(pool, "rate", "/s", [_rate(side) for side in blocks], seconds)]
    if not all(sides):
        return rows
    histograms = [_histograms(side, latency) for side in blocks]
    samples = min(sum(h.count for h in side.values()) for side in histograms)
    for name in QUANTILE_NAMES:
        q, label = QUANTILES[name], f"{name} {latency}"
        if samples < samples_needed(q):
            rows.append(_row_of_too_few(pool, label, samples, samples_needed(q), seconds))
        else:
            quantiles = [Quantile(q, side) for side in histograms]
            rows.append(_row(pool, label, "ms", quantiles, seconds))
    return rows


def _row(pool: str, measure: str, unit: str, sides: Sequence[Estimator], span_s: int) -> EffectRow:
    if not all(side.rounds for side in sides):
        return EffectRow(pool, measure, unit, None, None, None, "no requests on one side")
    before, after = map(Bootstrap, sides)
    has_zero = min(before.estimate, after.estimate) <= 0
    ratio = None if has_zero else unpaired_log_ratio(after, before)
    reason, wait_s = "", None
    if ratio is None:
        reason = "no requests on one side" if has_zero else "answers in too few seconds"
        if span_s < MIN_SPAN_S:
            reason, wait_s = f"{span_s} s of {MIN_SPAN_S} s", MIN_SPAN_S - span_s
    return EffectRow(
        pool,
        measure,
        unit,
        before.interval_estimate,
        after.interval_estimate,
        ratio,
        reason,
        wait_s,
    )


def _row_of_too_few(pool: str, measure: str, samples: int, needed: int, span_s: int) -> EffectRow:
    wait_s = math.ceil(span_s * needed / samples) - span_s if samples else None
    if wait_s is not None and span_s + wait_s > MAX_SPAN_S:
        wait_s = None
    reason = f"{samples:,} of {needed:,} samples"
    return EffectRow(pool, measure, "ms", None, None, None, reason, wait_s)


def _failure_row(spans: ComparedSpans, failures: Failures) -> EffectRow:
    """Return the row of the share of failures, those included that reached no pool."""
    sides = [Ratio(_failure_shares(span, failures)) for span in (spans.before, spans.after)]
    if not all(side.rounds for side in sides):
        return EffectRow(ALL_REQUESTS, "failures", "%", None, None, None, "no requests on one side")
    before, after = map(Bootstrap, sides)
    if before.estimate > 0 and after.estimate > 0:
        return _row(ALL_REQUESTS, "failures", "%", sides, spans.after.seconds)
    return EffectRow(
        ALL_REQUESTS,
        "failures",
        "%",
        before.interval_estimate,
        after.interval_estimate,
        None,
        "none on one side",
    )


def _failure_shares(span: Span, failures: Failures) -> dict[int, tuple[float, float]]:
    """Return failures, in hundredths, and requests of each block of a span."""
    length = max(MIN_BLOCK_S, span.seconds // MAX_BLOCKS)
    blocks: dict[int, tuple[float, float]] = {}
    for at in range(span.begin, span.end):
        failed, number = failures.get(at, (0, 0))
        index = (at - span.begin) // length
        hundredths, total = blocks.get(index, (0.0, 0.0))
        blocks[index] = (hundredths + 100 * failed, total + number)
    return {index: block for index, block in blocks.items() if block[1]}


class Block(NamedTuple):
    """Adjacent seconds that are resampled as one."""

    seconds: int
    latencies: Latencies


def _blocks(side: Seconds, begin: int, span_s: int, *, from_end: bool) -> dict[int, Block]:
    """Divide a side; what does not fill a block is left out, farthest from the change."""
    length = max(MIN_BLOCK_S, span_s // MAX_BLOCKS)
    number = max(1, span_s // length)
    length = min(length, span_s)
    start = begin + (span_s - number * length if from_end else 0)
    blocks: dict[int, Block] = {}
    for index in range(number):
        total = Latencies.empty()
        for at in range(start + index * length, start + (index + 1) * length):
            if at in side:
                total.merge(side[at])
        blocks[index] = Block(length, total)
    return blocks


def _rate(blocks: Mapping[int, Block]) -> Ratio:
    return Ratio(
        {i: (float(b.latencies.service.count), float(b.seconds)) for i, b in blocks.items()}
    )


def _histograms(blocks: Mapping[int, Block], latency: str) -> dict[int, Histogram]:
    histograms: dict[int, Histogram] = {
        index: getattr(block.latencies, latency) for index, block in blocks.items()
    }
    return {index: histogram for index, histogram in histograms.items() if histogram}


def _has_response_times(side: Seconds) -> bool:
    return any(latencies.response for latencies in side.values())


def _estimate(figure: IntervalEstimate | None, unit: str) -> dict[str, float | None] | None:
    """Return an estimate for the page: latencies in milliseconds, recorded in microseconds."""
    if figure is None:
        return None
    scale = 1000 if unit == "ms" else 1
    parts = {"estimate": figure.estimate, "low": figure.low, "high": figure.high}
    return {name: None if value is None else value / scale for name, value in parts.items()}


def _ratio_interval(ratio: LogRatio | None) -> dict[str, float] | None:
    if ratio is None:
        return None
    low, high = ratio.interval
    return {"estimate": math.exp(ratio.log_ratio), "low": low, "high": high}


class EffectQuestion(msgspec.Struct, array_like=True):
    """The input of the child process: the arguments of `effect`."""

    spans: ComparedSpans
    pools: dict[str, Sides]
    failures: dict[int, tuple[int, int]]


def main() -> None:
    """Read a question from standard input (msgpack), and print its effect (JSON)."""
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=EffectQuestion)
    answer = effect(question.spans, question.pools, question.failures)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
