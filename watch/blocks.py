"""Blocks of the event loop: how many, how long, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from watch.holders import Holder
from watch.report import BlocksReport, HolderBlocks, HolderInfo

BLOCK = 0.01
"""Seconds from which on a turn of the loop is a block."""

_COUNT, _SECONDS = "windtunnel_loop_blocks_total", "windtunnel_loop_blocked_seconds_total"


@dataclass(frozen=True, slots=True)
class LoopHold:
    """For how long one turn held the loop, and who did, if known; from `BLOCK` on it is a block."""

    seconds: float
    holder: Holder | None = None

    def holder_info(self) -> HolderInfo | None:
        """Return the holder as a report has it."""
        return None if self.holder is None else _info(self.holder)


NO_HOLD = LoopHold(0.0)
_UNKNOWN = Holder("", "", "", "")


@dataclass(slots=True)
class _Total:
    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    places: Counter[str] = field(default_factory=Counter)

    def add(self, seconds: float, where: str) -> None:
        self.count += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        if where:
            self.places[where] += 1


class BlockTotals:
    """Adds blocks up by their holders."""

    def __init__(self) -> None:
        self._all = _Total()
        self._by_holder: dict[Holder, _Total] = {}

    def add(self, block: LoopHold) -> None:
        """Count a block."""
        holder = block.holder or _UNKNOWN
        self._all.add(block.seconds, "")
        key = holder._replace(where="")
        self._by_holder.setdefault(key, _Total()).add(block.seconds, holder.where)

    def report(self) -> BlocksReport:
        """Return the totals, the holder of most time first."""
        ranking = sorted(self._by_holder.items(), key=lambda entry: -entry[1].seconds)
        return {
            "at_least_ms": BLOCK * 1000,
            "count": self._all.count,
            "total_ms": self._all.seconds * 1000,
            "by": [_blocks_of(holder, total) for holder, total in ranking],
        }

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format, by handler, store and operation."""
        totals = [(_labels(holder), total) for holder, total in self._by_holder.items()]
        yield f"# HELP {_COUNT} Turns of the event loop of {BLOCK * 1000:g} ms or longer."
        yield f"# TYPE {_COUNT} counter"
        yield from (f"{_COUNT}{{{labels}}} {total.count}" for labels, total in totals)
        yield f"# HELP {_SECONDS} How long these took."
        yield f"# TYPE {_SECONDS} counter"
        yield from (f"{_SECONDS}{{{labels}}} {total.seconds!r}" for labels, total in totals)


def _info(holder: Holder) -> HolderInfo:
    return {
        "handler": holder.handler,
        "store": holder.store,
        "operation": holder.operation,
        "where": holder.where,
    }


def _blocks_of(holder: Holder, total: _Total) -> HolderBlocks:
    where = total.places.most_common(1)[0][0] if total.places else ""
    return {
        **_info(holder._replace(where=where)),
        "count": total.count,
        "total_ms": total.seconds * 1000,
        "longest_ms": total.longest * 1000,
    }


def _labels(holder: Holder) -> str:
    return f'handler="{holder.handler}",store="{holder.store}",operation="{holder.operation}"'
