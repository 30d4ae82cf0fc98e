"""The load that the stores of a table have in common."""

from __future__ import annotations

import msgspec

from windtunnel.recording.conditions import LoadConditions

ALONE = "each operation alone"
"""The mix of cells in which one operation ran by itself."""


class TableLoad(LoadConditions, frozen=True, kw_only=True):
    """The load that the cells of a table were measured under; no two loads share a table.

    `mix` is `ALONE` for the cells in which one operation ran by itself; `beside` describes what
    came at rates of its own beside the load, `target` is the address that was loaded.
    """

    target: str | None = None
    beside: str | None = None

    @property
    def open(self) -> bool:
        """Whether requests came by a schedule, whatever the answers did."""
        return self.rate is not None

    @property
    def kind(self) -> str:
        """Closed or open load, and which latencies therefore stand in the table."""
        slow = "" if self.slow_rate is None else f"{self.slow_rate:g}/s slow"
        beside = self.beside or slow
        plus = f" + {beside}" if beside else ""
        if self.rate is not None:
            return f"open, {self.rate:g} requests/s{plus}: response and service time"
        users = f"{self.users or 0} user{'' if self.users == 1 else 's'}"
        return f"closed, {users}{plus}: service time"

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts open loads first, mixes before operations alone, then by every condition."""
        values = msgspec.structs.astuple(self)
        return (
            not self.open,
            self.mix == ALONE,
            self.mix or "",
            *((False, 0) if value is None else (True, value) for value in values),
        )
