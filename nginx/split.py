"""The split: pools of processes with their options, and which requests go to which pool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class SplitError(ValueError):
    """A split that is not valid; the message says which part, and what is valid."""

    exit_code = 2


class Balance(StrEnum):
    """How nginx picks a process of a pool."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONN = "least_conn"
    RANDOM_TWO = "random_two"
    IP_HASH = "ip_hash"
    HASH = "hash"


SHED, SPILL, NONE = "shed", "spill", "none"
"""What happens to a request for a full pool; `spill:NAME` names the pool that takes it."""

HASH_KEYS: Mapping[str, str] = {
    "uri": "$request_uri",
    "path": "$uri",
    "client": "$remote_addr",
    "request_id": "$rid",
}
"""nginx's variable for each plain hash key; others are `header:`, `argument:`, `cookie:` + name."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ANY_VALUE = "*"

_POOL_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PREFIX = re.compile(r"/[A-Za-z0-9/_.~-]*")
_NAMED_KEY = re.compile(r"(header|argument|cookie):([A-Za-z][A-Za-z0-9_-]{0,60})")
_VARIABLES = {"argument": "arg", "cookie": "cookie"}
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}): ?([A-Za-z0-9_.,/*+=-]{1,40})")


@dataclass(frozen=True, slots=True)
class Pool:
    """Processes on ports of 127.0.0.1 that nginx balances over, and how it treats them.

    `weights` has one whole number a port, or is empty for equal shares. Times are in seconds.
    `max_conns` 0 and `max_fails` 0 are nginx's "no limit" and "never taken out"; `keepalive` is
    how many idle connections a worker of nginx keeps to the pool.
    """

    ports: tuple[int, ...]
    balance: Balance = Balance.ROUND_ROBIN
    weights: tuple[int, ...] = ()
    hash: str = "uri"
    keepalive: int = 128
    max_conns: int = 0
    max_fails: int = 0
    connect_timeout: float = 2.0
    read_timeout: float = 120.0
    send_timeout: float = 120.0
    retries: int = 0
    maintenance: str = ""
    overflow: str = NONE

    def __post_init__(self) -> None:
        if not self.ports:
            raise SplitError("a pool needs at least one process")
        if len(set(self.ports)) != len(self.ports):
            raise SplitError(f"a port is in the pool twice: {self.ports}")
        if self.weights and len(self.weights) != len(self.ports):
            raise SplitError(f"{len(self.weights)} weights for {len(self.ports)} processes")
        if any(weight < 1 for weight in self.weights):
            raise SplitError("a weight must be a whole number from 1")

    @property
    def members(self) -> tuple[tuple[int, int], ...]:
        """(port, weight) of each process."""
        return tuple(zip(self.ports, self.weights or (1,) * len(self.ports), strict=True))

    @property
    def directive(self) -> str:
        """The balancing line in nginx's `upstream` block; empty for round robin, its default."""
        match self.balance:
            case Balance.ROUND_ROBIN:
                return ""
            case Balance.RANDOM_TWO:
                return "random two least_conn;"
            case Balance.HASH:
                return f"hash {hash_variable(self.hash)} consistent;"
        return f"{self.balance};"


def hash_variable(key: str) -> str:
    """Return nginx's variable for a hash key; raises SplitError."""
    if key in HASH_KEYS:
        return HASH_KEYS[key]
    if match := _NAMED_KEY.fullmatch(key):
        kind, name = match[1], match[2].lower()
        if kind == "header":
            return f"$http_{name.replace('-', '_')}"
        if "-" not in name:
            return f"${_VARIABLES[kind]}_{name}"
        return f"$key_{kind}_{name.replace('_', '__').replace('-', '_d')}"
    raise SplitError(
        f"must be one of {', '.join(HASH_KEYS)}, header:NAME, argument:NAME, cookie:NAME, "
        f"not {key!r}"
    )


def mapped_key(key: str) -> tuple[str, str] | None:
    """Return the source and the pattern of a cookie or argument that nginx has no variable for."""
    match = _NAMED_KEY.fullmatch(key)
    if match is None or match[1] == "header" or "-" not in match[2]:
        return None
    if match[1] == "cookie":
        return "$http_cookie", f"(?:^|;) *{match[2]} *= *([^;]*)"
    return "$args", f"(?:^|&){match[2]}=([^&]*)"


def header_variable_and_value(text: str) -> tuple[str, str]:
    """Return nginx's variable of a header and its value, of `Name: value`; raises SplitError."""
    match = _HEADER.fullmatch(text)
    if match is None:
        advice = "write a header as 'Name: value' of at most 40 characters, or 'Name: *' for any"
        raise SplitError(f'routes.headers."{text}": {advice}')
    return f"$http_{match[1].replace('-', '_').lower()}", match[2]


@dataclass(frozen=True, slots=True)
class Split:
    """`pools` by name, and which requests go to which.

    A header (`Name: value`, `Name: *`) decides first, then a method, then the longest prefix of
    the path, then `default`.
    """

    pools: Mapping[str, Pool]
    routes: Mapping[str, str] = field(default_factory=lambda: {"/slow/": "slow"})
    default: str = "fast"
    methods: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, pool in self.pools.items():
            check_name(name)
            spill_target(name, pool.overflow, list(self.pools))
        check_routes(self.pools, self.routes, self.default, self.methods, self.headers)

    @property
    def ports(self) -> tuple[int, ...]:
        """Every process's port."""
        return tuple(port for pool in self.pools.values() for port in pool.ports)

    def spill(self, name: str) -> str | None:
        """Return the pool that takes the requests of a full pool, if one does."""
        return spill_target(name, self.pools[name].overflow, list(self.pools))

    @property
    def drain_timeout(self) -> int:
        """Seconds that the longest request may take after a reload, and a few more."""
        return int(max(pool.read_timeout for pool in self.pools.values())) + 10

    def with_pool(self, name: str, pool: Pool) -> Split:
        """Return the split with one pool replaced."""
        return replace(self, pools={**self.pools, name: pool})

    def with_ports(self, name: str, ports: tuple[int, ...]) -> Split:
        """Return the split with other ports in a pool; weights of another number are dropped."""
        pool = self.pools[name]
        weights = pool.weights if len(pool.weights) == len(ports) else ()
        return self.with_pool(name, replace(pool, ports=ports, weights=weights))


def check_name(name: str) -> None:
    """Raise SplitError unless a pool can have this name."""
    if not _POOL_NAME.fullmatch(name):
        raise SplitError(f"{name!r} is not a pool name: use lower-case letters, digits and _")


def spill_target(name: str, overflow: str, pools: list[str]) -> str | None:
    """Return the pool that `overflow` means, None for none and shed; raises SplitError."""
    kind, _, target = overflow.partition(":")
    if kind != SPILL or (target and target not in pools) or target == name or pools == [name]:
        if overflow in {NONE, SHED}:
            return None
        raise SplitError(f"overflow {overflow!r}: choose none, shed, spill or spill:ANOTHER_POOL")
    return target or next(other for other in pools if other != name)


def check_routes(
    pools: Mapping[str, object],
    routes: Mapping[str, str],
    default: str,
    methods: Mapping[str, str],
    headers: Mapping[str, str],
) -> None:
    """Raise SplitError, which begins with the key at fault, for a route that is not valid."""
    for prefix in routes:
        if prefix == "/" or not _PREFIX.fullmatch(prefix):
            raise SplitError(
                f'routes."{prefix}": a prefix must start with / and have plain characters only'
            )
    for method in methods:
        if method not in METHODS:
            raise SplitError(f"routes.methods.{method}: choose from {', '.join(METHODS)}")
    for header in headers:
        header_variable_and_value(header)
    for key, pool in route_keys(routes, default, methods, headers):
        if not isinstance(pool, str) or pool not in pools:
            raise SplitError(f"{key}: unknown pool {pool!r}")


def route_keys(
    routes: Mapping[str, str],
    default: str,
    methods: Mapping[str, str],
    headers: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """Yield the key in split.toml of each route, and its pool."""
    yield "routes.default", default
    yield from ((f'routes."{prefix}"', pool) for prefix, pool in routes.items())
    yield from ((f"routes.methods.{method}", pool) for method, pool in methods.items())
    yield from ((f'routes.headers."{header}"', pool) for header, pool in headers.items())
