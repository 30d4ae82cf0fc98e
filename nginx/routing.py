"""Which pool a request goes to, as nginx's maps and locations say it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nginx.split import (
    ANY_VALUE,
    NONE,
    Balance,
    Split,
    hash_variable,
    header_condition,
    mapped_key,
)

POOL = "$pool"
SERVED = "$served"
NO_ANSWER = "@no_answer"


@dataclass(frozen=True, slots=True)
class Map:
    """One `map` of nginx: the variable looked at, the one set, and what becomes what."""

    source: str
    target: str
    values: tuple[tuple[str, str], ...]
    default: str


@dataclass(frozen=True, slots=True)
class Overflow:
    """Where nginx goes with a request for a full pool: `pool` is full, `to` takes it, if any does.

    `then` is where it goes should nobody of `to` answer.
    """

    location: str
    pool: str
    to: str | None
    then: str


def overflows(split: Split) -> list[Overflow]:
    """The places for requests that a pool is too full for, each spilled on as its pools say.

    A pool that was full is not asked again: what has been to all of them is shed.
    """
    full = [name for name, pool in split.pools.items() if pool.overflow != NONE]
    return [one for name in full for one in _spilled(split, (name,))]


def _full_at(pools: tuple[str, ...]) -> str:
    return f"@full_{'-'.join(pools)}"


def _spilled(split: Split, past: tuple[str, ...]) -> list[Overflow]:
    here, to = _full_at(past), split.spill(past[-1])
    if to is None or to in past:
        return [Overflow(here, past[-1], None, "")]
    if split.pools[to].overflow == NONE:
        return [Overflow(here, past[-1], to, NO_ANSWER)]
    further = (*past, to)
    return [Overflow(here, past[-1], to, _full_at(further)), *_spilled(split, further)]


def prefixes(split: Split) -> list[tuple[str, str]]:
    """(prefix, pool) of each location, the longest first, `/` last."""
    ordered = sorted(split.routes.items(), key=lambda route: (-len(route[0]), route[0]))
    return [*ordered, ("/", split.default)]


def routing(split: Split) -> list[Map]:
    """The maps in the order in which they decide: each falls back on the one before it."""
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


def keys(split: Split) -> list[Map]:
    """The maps that find a hash key in the cookies or arguments where a name has a dash."""
    found = {}
    for pool in split.pools.values():
        mapped = mapped_key(pool.hash)
        if pool.balance == Balance.HASH and mapped:
            source, pattern = mapped
            variable = hash_variable(pool.hash)
            found[variable] = Map(source, variable, ((f'"~*{pattern}"', "$1"),), '""')
    return list(found.values())


def _headers(split: Split) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """The header named first in the file decides, so its map comes last."""
    found: dict[str, list[tuple[str, str]]] = {}
    for header, pool in split.headers.items():
        variable, value = header_condition(header)
        text = '"~."' if value == ANY_VALUE else f'"\\\\{value}"'
        found.setdefault(variable, []).append((text, pool))
    return [(variable, tuple(values)) for variable, values in reversed(found.items())]
