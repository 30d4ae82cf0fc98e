"""How processes are divided between fast and slow work: what the tuner and the planner try."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from windtunnel.tuning.system_model import Pool, SystemModel, Work

FAST, SLOW = "fast", "slow"
ROUTE: Final = "/slow/"
ROUND_ROBIN: Final = "round_robin"
TOGETHER: Final = "together"

PROCESSES: Final = 64
"""As many are divided at most."""
_NAME: Final = re.compile(
    rf"(?P<fast>\d{{1,3}})(?:\+(?P<slow>\d{{1,3}})|-{TOGETHER})(?:-(?P<balance>[a-z_]+))?"
)


@dataclass(frozen=True, slots=True)
class PoolLayout:
    """So many processes for fast and for slow work; `slow` 0 is everything in one pool."""

    fast: int
    slow: int
    balance: str = ROUND_ROBIN

    @property
    def name(self) -> str:
        """As `3+1`, `4-together`, `3+1-least_conn`."""
        sizes = f"{self.fast}+{self.slow}" if self.slow else f"{self.fast}-{TOGETHER}"
        return sizes if self.balance == ROUND_ROBIN else f"{sizes}-{self.balance}"

    @property
    def processes(self) -> int:
        """How many work in all."""
        return self.fast + self.slow

    @property
    def description(self) -> str:
        """In words."""
        balance = self.balance.replace("_", " ")
        if not self.slow:
            return f"everything in one pool of {self.fast}, {balance}"
        return f"{self.fast} fast and {self.slow} slow, {balance}"

    @property
    def settings(self) -> Mapping[str, str]:
        """What `windtunnel split set` is to be told; a pool that nothing goes to keeps one."""
        return {
            "pools.fast.processes": str(self.fast),
            "pools.slow.processes": str(self.slow or 1),
            "pools.fast.balance": self.balance,
            "pools.slow.balance": self.balance,
            f'routes."{ROUTE}"': SLOW if self.slow else FAST,
        }

    def system_model(self, fast: Work, slow: Work, cores: float | None) -> SystemModel:
        """What the model simulates of it."""
        pools = {FAST: Pool((1,) * self.fast, self.balance)}
        if self.slow:
            pools[SLOW] = Pool((1,) * self.slow, self.balance)
        return SystemModel(
            (fast, slow), pools, {FAST: FAST, SLOW: SLOW if self.slow else FAST}, cores
        )


def pool_layouts(processes: int, balances: Sequence[str] = (ROUND_ROBIN,)) -> Iterator[PoolLayout]:
    """Every way to divide so many, by each balance; one process takes no balancing."""
    for balance in balances:
        for slow in range(processes):
            layout = PoolLayout(processes - slow, slow, balance)
            if balance == balances[0] or max(layout.fast, layout.slow) > 1:
                yield layout


def read(name: str) -> PoolLayout:
    """The layout of a name as `3+1`, `4-together` or `2+2-least_conn`; raises ValueError."""
    match = _NAME.fullmatch(name.strip())
    if not match or not int(match["fast"]):
        raise ValueError(f"{name!r} is no layout: write 3+1, 4-together or 2+2-least_conn")
    return PoolLayout(int(match["fast"]), int(match["slow"] or 0), match["balance"] or ROUND_ROBIN)
