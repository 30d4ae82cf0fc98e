"""Which pool a request goes to, as maps and locations of nginx."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nginx.split import (
    ANY_VALUE,
    NONE,
    Balance,
    Split,
    hash_variable,
    header_variable_and_value,
    mapped_key,
)

POOL = "$pool"
SERVED = "$served"
NO_ANSWER = "@no_answer"


@dataclass(frozen=True, slots=True)
class Map:
    """One `map` of nginx: from values of the variable `source` to values of `target`."""

    source: str
    target: str
    values: tuple[tuple[str, str], ...]
    default: str


@dataclass(frozen=True, slots=True)
class Overflow:
    """The location for a request whose `pool` is full: `target` takes it, if any pool does.

    `unanswered` is the location if no process of `target` answers.
    """

    location: str
    pool: str
    target: str | None
    unanswered: str


def overflows(split: Split) -> list[Overflow]:
    """Return the locations for requests whose pool is full, spilled on as the pools say.

    A pool that was full is not tried again: a request that was refused by all is shed.
    """
    full = [name for name, pool in split.pools.items() if pool.overflow != NONE]
    return [overflow for name in full for overflow in _spills(split, (name,))]


def _full_location(pools: tuple[str, ...]) -> str:
    return f"@full_{'-'.join(pools)}"


def _spills(split: Split, full: tuple[str, ...]) -> list[Overflow]:
    """Return the overflows of a request for which these pools were full, the last one just now."""
    location, pool = _full_location(full), full[-1]
    target = split.spill(pool)
    if target is None or target in full:
        return [Overflow(location, pool, None, "")]
    if split.pools[target].overflow == NONE:
        return [Overflow(location, pool, target, NO_ANSWER)]
    next_full = (*full, target)
    return [
        Overflow(location, pool, target, _full_location(next_full)),
        *_spills(split, next_full),
    ]


def prefixes(split: Split) -> list[tuple[str, str]]:
    """Return (prefix, pool) of each location, the longest first, `/` last."""
    ordered = sorted(split.routes.items(), key=lambda route: (-len(route[0]), route[0]))
    return [*ordered, ("/", split.default)]


def route_maps(split: Split) -> list[Map]:
    """Return the maps in the order of evaluation: each falls back on the one before it."""
    paths = tuple((f'"~^{re.escape(prefix)}"', pool) for prefix, pool in prefixes(split)[:-1])
    steps = [("$uri", paths)]
    if split.methods:
        steps.append(("$request_method", tuple(split.methods.items())))
    steps += _headers(split)
    names = ["", *(f"$pool_{number}" for number in range(1, len(steps))), POOL]
    return [
        Map(source, names[i + 1], values, names[i] or split.default)
        for i, (source, values) in enumerate(steps)
    ]


def key_maps(split: Split) -> list[Map]:
    """Return the maps that extract a hash key from cookies or arguments if its name has a dash."""
    maps = {}
    for pool in split.pools.values():
        mapped = mapped_key(pool.hash)
        if pool.balance == Balance.HASH and mapped:
            source, pattern = mapped
            variable = hash_variable(pool.hash)
            maps[variable] = Map(source, variable, ((f'"~*{pattern}"', "$1"),), '""')
    return list(maps.values())


def _headers(split: Split) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """The header named first in the file decides, so its map comes last."""
    values: dict[str, list[tuple[str, str]]] = {}
    for header, pool in split.headers.items():
        variable, value = header_variable_and_value(header)
        text = '"~."' if value == ANY_VALUE else f'"\\\\{value}"'
        values.setdefault(variable, []).append((text, pool))
    return [(variable, tuple(pairs)) for variable, pairs in reversed(values.items())]
