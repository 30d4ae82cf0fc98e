"""Blocks of the event loop: how many, how long, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.api.schemas import BlocksInfo, Held, HolderInfo
from server.holding import Holder

BLOCK = 0.01
"""Seconds from which on a turn of the loop is a block."""

_COUNT, _SECONDS = "windtunnel_loop_blocks_total", "windtunnel_loop_blocked_seconds_total"


@dataclass(frozen=True, slots=True)
class Block:
    """One turn that took long, or the longest one that did not; whose, if anybody was seen."""

    seconds: float
    holder: Holder | None = None

    def length(self) -> float:
        """What blocks are compared by."""
        return self.seconds

    def told(self) -> HolderInfo | None:
        """Return the holder as `/loop` has it."""
        return None if self.holder is None else _told(self.holder)


NONE = Block(0.0)
_NOBODY = Holder("", "", "", "")


@dataclass(slots=True)
class _Sum:
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


class Blocks:
    """Adds blocks up by their holders."""

    def __init__(self) -> None:
        self._all = _Sum()
        self._by: dict[Holder, _Sum] = {}

    def add(self, block: Block) -> None:
        """Count one."""
        holder = block.holder or _NOBODY
        self._all.add(block.seconds, "")
        who = holder._replace(where="")
        self._by.setdefault(who, _Sum()).add(block.seconds, holder.where)

    def report(self) -> BlocksInfo:
        """Return what `/loop` answers."""
        ranked = sorted(self._by.items(), key=lambda entry: -entry[1].seconds)
        return {
            "at_least_ms": BLOCK * 1000,
            "count": self._all.count,
            "total_ms": self._all.seconds * 1000,
            "by": [_held(holder, blocks) for holder, blocks in ranked],
        }

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format, by handler, store and operation."""
        yield f"# HELP {_COUNT} Turns of the event loop of {BLOCK * 1000:g} ms or longer."
        yield f"# TYPE {_COUNT} counter"
        yield from (f"{_COUNT}{{{_label(who)}}} {s.count}" for who, s in self._by.items())
        yield f"# HELP {_SECONDS} How long these took."
        yield f"# TYPE {_SECONDS} counter"
        yield from (f"{_SECONDS}{{{_label(who)}}} {s.seconds!r}" for who, s in self._by.items())


def _told(holder: Holder) -> HolderInfo:
    return {
        "handler": holder.handler,
        "store": holder.store,
        "operation": holder.operation,
        "where": holder.where,
    }


def _held(holder: Holder, blocks: _Sum) -> Held:
    where = blocks.places.most_common(1)[0][0] if blocks.places else ""
    return {
        **_told(holder._replace(where=where)),
        "count": blocks.count,
        "total_ms": blocks.seconds * 1000,
        "longest_ms": blocks.longest * 1000,
    }


def _label(holder: Holder) -> str:
    return f'handler="{holder.handler}",store="{holder.store}",operation="{holder.operation}"'
