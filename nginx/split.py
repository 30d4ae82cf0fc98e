"""The split: pools of processes, and which routes go to which pool."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FILE = Path(__file__).with_name("split.toml")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PREFIX = re.compile(r"/[A-Za-z0-9/_.~-]*")


class SplitError(ValueError):
    """A split that cannot be; the text says which part and what would do."""


class Balance(StrEnum):
    """How nginx picks a process of a pool."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONN = "least_conn"
    RANDOM_TWO = "random_two"
    IP_HASH = "ip_hash"

    @property
    def directive(self) -> str:
        """The line in nginx's `upstream` block; empty for round robin, its default."""
        return {"round_robin": "", "random_two": "random two least_conn;"}.get(self, f"{self};")


@dataclass(frozen=True, slots=True)
class Pool:
    """Processes on ports of 127.0.0.1 that nginx balances over.

    `weights` has one whole number a port, or is empty for equal shares.
    """

    ports: tuple[int, ...]
    balance: Balance = Balance.ROUND_ROBIN
    weights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.ports:
            raise SplitError("a pool needs at least one process")
        if len(set(self.ports)) != len(self.ports):
            raise SplitError(f"a port is in the pool twice: {self.ports}")
        if self.weights and len(self.weights) != len(self.ports):
            raise SplitError(f"{len(self.weights)} weights for {len(self.ports)} processes")
        if any(weight < 1 for weight in self.weights):
            raise SplitError("a weight is a whole number from 1 on")

    @property
    def members(self) -> tuple[tuple[int, int], ...]:
        """(port, weight) of each process."""
        return tuple(zip(self.ports, self.weights or (1,) * len(self.ports), strict=True))


@dataclass(frozen=True, slots=True)
class Split:
    """`pools` by name, and the pool of each path prefix; the longest prefix wins."""

    pools: Mapping[str, Pool]
    routes: Mapping[str, str] = field(default_factory=lambda: {"/slow/": "slow"})
    default: str = "fast"

    def __post_init__(self) -> None:
        for name in self.pools:
            if not _NAME.fullmatch(name):
                raise SplitError(f"pool name {name!r}: use small letters, digits and _")
        for prefix, pool in {**self.routes, "/": self.default}.items():
            if not _PREFIX.fullmatch(prefix):
                raise SplitError(f"route {prefix!r}: a prefix starts with / and is plain text")
            if pool not in self.pools:
                raise SplitError(f"route {prefix!r} goes to {pool!r}, which is no pool")

    @property
    def ports(self) -> tuple[int, ...]:
        """Every process's port."""
        return tuple(port for pool in self.pools.values() for port in pool.ports)

    def with_pool(self, name: str, pool: Pool) -> Split:
        """The same split with one pool replaced."""
        return replace(self, pools={**self.pools, name: pool})

    def with_ports(self, name: str, ports: tuple[int, ...]) -> Split:
        """The same split with other processes in a pool; weights that no longer fit are dropped."""
        pool = self.pools[name]
        weights = pool.weights if len(pool.weights) == len(ports) else ()
        return self.with_pool(name, replace(pool, ports=ports, weights=weights))


@dataclass(frozen=True, slots=True)
class Plan:
    """What split.toml says, before ports are given out."""

    pools: Mapping[str, Mapping[str, Any]]
    routes: Mapping[str, str]
    default: str

    def processes(self, pool: str) -> int:
        """How many processes the pool starts with."""
        return int(self.pools[pool].get("processes", 1))

    def split(self, ports: Mapping[str, tuple[int, ...]]) -> Split:
        """The split with these ports a pool."""
        pools = {name: _pool(table, ports[name]) for name, table in self.pools.items()}
        return Split(pools, dict(self.routes), self.default)


def _pool(table: Mapping[str, Any], ports: tuple[int, ...]) -> Pool:
    weights = tuple(table.get("weights", ()))
    balance = Balance(table.get("balance", Balance.ROUND_ROBIN))
    return Pool(ports, balance, weights if len(weights) == len(ports) else ())


def read_plan(path: Path = DEFAULT_FILE) -> Plan:
    """Read split.toml; raises SplitError that names the file and what is wrong in it."""
    try:
        return _plan(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, OSError, KeyError, AttributeError, ValueError) as error:
        raise SplitError(f"{path}: {error}") from error


def _plan(table: Mapping[str, Any]) -> Plan:
    routes = dict(table["routes"])
    default = routes.pop("default", "fast")
    plan = Plan(table["pools"], routes, default)
    trial = {name: tuple(range(1, plan.processes(name) + 1)) for name in plan.pools}
    for name, pool in plan.pools.items():
        if unknown := set(pool) - {"processes", "balance", "weights"}:
            raise SplitError(f"pools.{name}: unknown {', '.join(sorted(unknown))}")
        if len(pool.get("weights", ())) not in {0, plan.processes(name)}:
            raise SplitError(f"pools.{name}: weights must number {plan.processes(name)} or none")
    plan.split(trial)
    return plan
