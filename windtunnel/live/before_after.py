"""What a change of the split did: each pool before and after it, with intervals.

Before is as many seconds up to where it began as there are seconds after from where it was clean
(nothing of the old split left), and none of them with another load. Seconds next to each other are
alike, so blocks of two or more are resampled, as rounds are elsewhere; six blocks are the fewest.

It takes a processor for most of a second, so `python -m windtunnel.live.before_after` does it
beside the load.
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
from windtunnel.recording.histogram import QUANTILES, Histogram, samples_needed
from windtunnel.recording.recorder import Latencies

BLOCK: Final = 2
"""Seconds of the shortest block."""

BLOCKS: Final = 15
"""From so many blocks on they get longer."""

LONGEST: Final = 240
"""Seconds on either side at most."""

LEAST: Final = BLOCK * MIN_ROUNDS
"""Seconds on either side from which on there are intervals."""

ALL: Final = "all requests"

INCONCLUSIVE: Final = "cannot tell"

SHOWN: Final = ("p50", "p99", "p99.9")

Seconds = Mapping[int, Latencies]
"""What a pool got in each second that it got anything in: right answers alone."""

Failures = Mapping[int, tuple[int, int]]
"""How many requests failed in a second, of how many in all."""

Sides = tuple[Seconds, Seconds]
"""What a pool got before and after."""

ALIKE: Final = 0.05
"""Figures that are surely no farther apart than this are called the same."""


class Span(NamedTuple):
    """Whole seconds of the epoch, `end` not among them."""

    begin: int
    end: int

    @property
    def seconds(self) -> int:
        """How many."""
        return max(0, self.end - self.begin)


@dataclass(frozen=True, slots=True)
class Spans:
    """What is compared; `ended` says why watching on does not make it longer, if it does not."""

    before: Span
    after: Span
    ended: str = ""


def spans(change: Mapping[str, float], borders: Sequence[float], first: int, whole: int) -> Spans:
    """Return what is compared of the seconds from `first` to `whole`.

    `borders` are the moments at which the load or the split became another one, this change's own
    excepted.
    """
    began, clean = change["began_at"], change["clean_at"]
    start = max((first, *(border + 1 for border in borders if border <= began)))
    stop = min((whole + 1, *(border for border in borders if border > began)))
    end, begin = math.floor(began), math.ceil(clean)
    earlier = Span(math.ceil(start), end).seconds
    later = Span(begin, math.floor(stop)).seconds
    length = min(earlier, later, LONGEST)
    ended = ""
    if later >= LONGEST <= earlier:
        ended = "Longer spans are not compared."
    elif later >= earlier:
        ended = "There was no more of the same load before it."
    elif stop <= whole:
        ended = "The load or the split became another one after it."
    return Spans(Span(end - length, end), Span(begin, begin + length), ended)


def effect(found: Spans, pools: Mapping[str, Sides], failures: Failures) -> dict[str, Any]:
    """Return the rows of the comparison, and how many seconds more would tell more, if any."""
    rows = [row for pool, sides in pools.items() for row in _rows(pool, found, sides)]
    rows.append(_failed(found, failures))
    tested = [row for row in rows if row.spread is not None]
    corrected = holm([row.spread.p_value for row in tested if row.spread])
    sure = {id(row): p < LEVEL for row, p in zip(tested, corrected, strict=True)}
    told = [row.told(found, sure=sure.get(id(row), False)) for row in rows]
    waits = [row["watch_s"] for row in told if row["watch_s"] is not None]
    return {
        "before": list(found.before),
        "after": list(found.after),
        "seconds": found.after.seconds,
        "ended": found.ended,
        "watch_s": max(waits, default=None),
        "rows": told,
    }


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One figure of a pool on both sides; `lacking` says why it has no interval."""

    pool: str
    measure: str
    unit: str
    before: IntervalEstimate | None
    after: IntervalEstimate | None
    spread: LogRatio | None
    lacking: str = ""
    needs: int | None = None

    def told(self, found: Spans, *, sure: bool) -> dict[str, Any]:
        """As the page is told; `watch_s` is how many seconds more it takes to tell, if it may."""
        verdict, why, watch = self._verdict(found, sure=sure)
        return {
            "pool": self.pool,
            "measure": self.measure,
            "unit": self.unit,
            "before": _figure(self.before, self.unit),
            "after": _figure(self.after, self.unit),
            "ratio": _ratio(self.spread),
            "verdict": verdict,
            "why": why,
            "watch_s": None if found.ended else watch,
        }

    def _verdict(self, found: Spans, *, sure: bool) -> tuple[str, str, int | None]:
        """Return the verdict, why it is none or how near "same" is, and how long to watch on."""
        if self.spread is None:
            if self.before and self.after and self.before.estimate == self.after.estimate == 0:
                return "same", "none on either side", None
            return INCONCLUSIVE, self.lacking, self.needs
        if sure:
            return ("higher" if self.spread.log_ratio > 0 else "lower"), "", None
        low, high = self.spread.interval
        apart = max(high - 1, 1 - low)
        if apart <= ALIKE:
            return "same", f"within {apart:.1%}", None
        reach, seconds = math.log(high) - self.spread.log_ratio, found.after.seconds
        wanted = seconds * (reach / max(abs(self.spread.log_ratio), 1e-9)) ** 2
        alike = seconds * (reach / math.log1p(ALIKE)) ** 2
        more = math.ceil(min(wanted, alike) - seconds)
        return INCONCLUSIVE, "", more if seconds + more <= LONGEST and more > 0 else None


def _rows(pool: str, found: Spans, sides: Sides) -> list[EffectRow]:
    kind = "response" if all(_any_response(side) for side in sides) else "service"
    seconds = found.after.seconds
    if not any(sides) or not seconds:
        return []
    cut = [
        _blocks(side, span.end - seconds if end else span.begin, seconds, from_end=end)
        for side, span, end in zip(sides, (found.before, found.after), (True, False), strict=True)
    ]
    rates = [_rate(blocks) for blocks in cut]
    rows = [_row(pool, "rate", "/s", rates, seconds)]
    if not all(sides):
        return rows
    for name in SHOWN:
        q = QUANTILES[name]
        by_block = [_histograms(blocks, kind) for blocks in cut]
        samples = min(sum(h.count for h in each.values()) for each in by_block)
        label, needed = f"{name} {kind}", samples_needed(q)
        if samples < needed:
            rows.append(_too_few(pool, label, samples, needed, seconds))
        else:
            quantiles = [Quantile(q, each) for each in by_block]
            rows.append(_row(pool, label, "ms", quantiles, seconds))
    return rows


def _failed(found: Spans, failures: Failures) -> EffectRow:
    """The share of requests that failed, whichever pool they went to: some reach none."""
    sides = [Ratio(_shares(span, failures)) for span in (found.before, found.after)]
    if not all(side.rounds for side in sides):
        return EffectRow(ALL, "failures", "%", None, None, None, "no requests on one side")
    before, after = map(Bootstrap, sides)
    if before.estimate > 0 and after.estimate > 0:
        return _row(ALL, "failures", "%", sides, found.after.seconds)
    return EffectRow(ALL, "failures", "%", before.figure, after.figure, None, "none on one side")


def _shares(span: Span, failures: Failures) -> dict[int, tuple[float, float]]:
    """Failures, in hundredths, and requests of each block of a span."""
    length = max(BLOCK, span.seconds // BLOCKS)
    found: dict[int, tuple[float, float]] = {}
    for at in range(span.begin, span.end):
        failed, number = failures.get(at, (0, 0))
        block = (at - span.begin) // length
        before = found.get(block, (0.0, 0.0))
        found[block] = (before[0] + 100 * failed, before[1] + number)
    return {block: pair for block, pair in found.items() if pair[1]}


def _row(pool: str, measure: str, unit: str, sides: Sequence[Estimator], seconds: int) -> EffectRow:
    if not all(side.rounds for side in sides):
        return EffectRow(pool, measure, unit, None, None, None, "no requests on one side")
    before, after = map(Bootstrap, sides)
    spread = (
        None if min(before.estimate, after.estimate) <= 0 else unpaired_log_ratio(after, before)
    )
    if spread is not None:
        return EffectRow(pool, measure, unit, before.figure, after.figure, spread)
    needs, lacking = None, "answers in too few seconds"
    if seconds < LEAST:
        needs, lacking = LEAST - seconds, f"{seconds} s of {LEAST} s"
    elif min(before.estimate, after.estimate) <= 0:
        lacking = "no requests on one side"
    return EffectRow(pool, measure, unit, before.figure, after.figure, None, lacking, needs)


def _too_few(pool: str, measure: str, samples: int, needed: int, seconds: int) -> EffectRow:
    more = math.ceil(seconds * needed / samples) - seconds if samples else None
    within = more is not None and seconds + more <= LONGEST
    why = f"{samples:,} answers of {needed:,}"
    return EffectRow(pool, measure, "ms", None, None, None, why, more if within else None)


class Block(NamedTuple):
    """Some seconds that are counted as one."""

    seconds: int
    times: Latencies


def _blocks(side: Seconds, begin: int, seconds: int, *, from_end: bool) -> dict[int, Block]:
    """Part a side; what does not fill a block is left out where it is farthest from the change."""
    length = max(BLOCK, seconds // BLOCKS)
    number = max(1, seconds // length)
    length = min(length, seconds)
    start = begin + (seconds - number * length if from_end else 0)
    found: dict[int, Block] = {}
    for index in range(number):
        total = Latencies.empty()
        for at in range(start + index * length, start + (index + 1) * length):
            if at in side:
                total.merge(side[at])
        found[index] = Block(length, total)
    return found


def _rate(blocks: Mapping[int, Block]) -> Ratio:
    return Ratio({i: (float(b.times.service.count), float(b.seconds)) for i, b in blocks.items()})


def _histograms(blocks: Mapping[int, Block], kind: str) -> dict[int, Histogram]:
    histograms: dict[int, Histogram] = {i: getattr(b.times, kind) for i, b in blocks.items()}
    return {index: histogram for index, histogram in histograms.items() if histogram}


def _any_response(side: Seconds) -> bool:
    return any(times.response for times in side.values())


def _figure(figure: IntervalEstimate | None, unit: str) -> dict[str, float | None] | None:
    """Recorded are microseconds, told are milliseconds."""
    if figure is None:
        return None
    scale = 1000 if unit == "ms" else 1
    parts = {"estimate": figure.estimate, "low": figure.low, "high": figure.high}
    return {name: None if value is None else value / scale for name, value in parts.items()}


def _ratio(spread: LogRatio | None) -> dict[str, float] | None:
    if spread is None:
        return None
    low, high = spread.interval
    return {"estimate": math.exp(spread.log_ratio), "low": low, "high": high}


class EffectQuestion(msgspec.Struct, array_like=True):
    """What a process of its own is asked: `Spans` in parts, and the sides of each pool."""

    before: Span
    after: Span
    ended: str
    pools: dict[str, Sides]
    failures: dict[int, tuple[int, int]]


def main() -> None:
    """Answer the question on standard input (msgpack), on standard output (JSON)."""
    asked = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=EffectQuestion)
    answer = effect(Spans(asked.before, asked.after, asked.ended), asked.pools, asked.failures)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
