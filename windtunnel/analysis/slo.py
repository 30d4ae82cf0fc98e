"""Service level objectives: how one is written, and how it is read.

`p99(response, read) < 50ms`, `p99(read) < 20ms on postgres-*/async/*`, `throughput > 500/s`,
`failures < 0.1%`, `regression < 10%`. Without `service` or `response` a latency is the one that
counts under the load: response time when it is open, service time when it is closed. Without an
operation every operation must hold. Last comes the pool that answered, as in
`p99(response, read, fast) < 50ms`: `fast`, `slow`, or of another name `pool:reports`; without one
every pool must hold.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from windtunnel.analysis.keys import OPERATIONS, StoreKey
from windtunnel.analysis.metrics import RESPONSE, SERVICE
from windtunnel.errors import UsageError
from windtunnel.recording.histogram import QUANTILES

LATENCIES: Final = (*QUANTILES, "max")
RATES: Final = ("throughput", "failures", "regression")
POOLS: Final = ("fast", "slow")
EXAMPLE: Final = "p99(response, read) < 50ms on postgres-*/async/*"

_UNITS: Final = {
    **{name: {"us": 1.0, "ms": 1e3, "s": 1e6} for name in LATENCIES},
    "throughput": {"/s": 1.0},
    "failures": {"%": 0.01},
    "regression": {"%": 0.01},
}
_NAME: Final = re.compile(r"\s*([a-z][a-z0-9]*(?:\.\d+)?)")
_AMOUNT: Final = re.compile(r"\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*([a-z/%]*)", re.IGNORECASE)
_POOL: Final = re.compile(r"pool:([a-z][a-z0-9_]{0,30})")
_GLOB: Final = re.compile(r"\s*(\S+)\s*$")


_ORDER: Final = ("latency", "operation", "pool")
_Qualifiers: TypeAlias = tuple[str | None, str | None, str | None]


class SloError(UsageError):
    """An objective that cannot be read; the message is one line that names the place."""


@dataclass(frozen=True, slots=True)
class Slo:
    """A condition that must hold. `str` writes it so that `parse` reads it back."""

    measure: str
    amount: float
    unit: str
    latency: str | None = None
    operation: str | None = None
    glob: str | None = None
    pool: str | None = None

    @property
    def limit(self) -> float:
        """In microseconds, requests a second, or a share of 1."""
        return self.amount * _UNITS[self.measure][self.unit]

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self.measure == "throughput"

    def applies_to(self, store: StoreKey) -> bool:
        """Whether it applies to this store, by its id, or by `<variant> <id>`."""
        names = (store.store, str(store))
        return self.glob is None or any(fnmatchcase(name, self.glob) for name in names)

    def applies_to_operation(self, operation: str, pool: str | None) -> bool:
        """Whether it applies to what this pool answered of an operation."""
        return self.operation in {None, operation} and self.applies_to_pool(pool)

    def applies_to_pool(self, pool: str | None) -> bool:
        """Whether it applies to what this pool answered."""
        return self.pool in {None, pool}

    def is_met_by(self, value: float) -> bool:
        """Whether a figure, in the unit of `limit`, is on the right side of it."""
        return value > self.limit if self.at_least else value < self.limit

    def __str__(self) -> str:
        pool = self.pool if self.pool is None or self.pool in POOLS else f"pool:{self.pool}"
        qualifiers = ", ".join(filter(None, (self.latency, self.operation, pool)))
        subject = f"{self.measure}({qualifiers})" if qualifiers else self.measure
        sign = ">" if self.at_least else "<"
        stores = f" on {self.glob}" if self.glob else ""
        amount = repr(self.amount).removesuffix(".0")
        return f"{subject} {sign} {amount}{self.unit}{stores}"


def parse(text: str) -> Slo:
    """Read an objective; raises SloError."""
    measure, position = _measure(text)
    (latency, operation, pool), position = _qualifiers(text, position, measure)
    position = _sign(text, position, measure)
    amount, unit, position = _amount(text, position, measure)
    return Slo(measure, amount, unit, latency, operation, _glob(text, position), pool)


def _measure(text: str) -> tuple[str, int]:
    match = _NAME.match(text)
    names = (*LATENCIES, *RATES)
    if not match or match[1] not in names:
        raise _error(text, 0, f"expected one of {', '.join(names)}")
    return match[1], match.end()


def _qualifiers(text: str, position: int, measure: str) -> tuple[_Qualifiers, int]:
    """What stands in brackets: latency, operation and pool."""
    position = _skip(text, position)
    if text[position : position + 1] != "(":
        return (None, None, None), position
    if measure == "regression":
        raise _error(text, position, "regression takes nothing in brackets")
    end = text.find(")", position)
    if end < 0:
        raise _error(text, position, "the bracket is never closed")
    qualifiers: dict[str, str] = {}
    start = position + 1
    for part in text[start:end].split(","):
        kind, word = _kind_and_word(part.strip())
        if kind is None or not _may_follow(kind, measure, qualifiers):
            raise _error(text, start, _expected(measure))
        qualifiers[kind] = word
        start += len(part) + 1
    latency, operation, pool = map(qualifiers.get, _ORDER)
    return (latency, operation, pool), end + 1


def _kind_and_word(word: str) -> tuple[str | None, str]:
    """What kind of qualifier this is, and the word that counts."""
    if word in {SERVICE, RESPONSE}:
        return "latency", word
    if word in OPERATIONS:
        return "operation", word
    if word in POOLS:
        return "pool", word
    match = _POOL.fullmatch(word)
    return ("pool", match[1]) if match else (None, word)


def _may_follow(kind: str, measure: str, before: Container[str]) -> bool:
    """Whether a qualifier of this kind may follow: latency, operation, pool, each at most once."""
    if kind == "latency" and measure not in LATENCIES:
        return False
    return not any(later in before for later in _ORDER[_ORDER.index(kind) :])


def _expected(measure: str) -> str:
    kinds = "service or response, then " if measure in LATENCIES else ""
    return f"expected {kinds}one of {', '.join(OPERATIONS)}, then a pool (fast, slow, pool:NAME)"


def _sign(text: str, position: int, measure: str) -> int:
    position, sign = _skip(text, position), ">" if measure == "throughput" else "<"
    if text[position : position + 1] != sign:
        raise _error(text, position, f"expected {sign} after {measure}")
    return position + 1


def _amount(text: str, position: int, measure: str) -> tuple[float, str, int]:
    match, units = _AMOUNT.match(text, position), _UNITS[measure]
    if not match:
        raise _error(text, _skip(text, position), f"expected a number with {' or '.join(units)}")
    amount, unit = float(match[1]), match[2]
    if unit not in units:
        raise _error(text, match.start(2), f"expected {' or '.join(units)} after {match[1]}")
    if not 0 < amount < 1e12:
        raise _error(text, match.start(1), "expected more than 0")
    return amount, unit, match.end()


def _glob(text: str, position: int) -> str | None:
    position = _skip(text, position)
    if position == len(text):
        return None
    if not re.match(r"on\s", text[position:]):
        raise _error(text, position, "expected 'on' and a glob of stores, or the end")
    match = _GLOB.match(text, position + 3)
    if not match:
        raise _error(text, position + 3, "expected one glob of stores, as redis/*/fast")
    return match[1]


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _error(text: str, position: int, why: str) -> SloError:
    position = _skip(text, position)
    near = repr(text[position : position + 20]) if position < len(text) else "the end"
    objective = " ".join(text.split())
    return SloError(f"{objective!r}, place {position + 1} ({near}): {why}; write it as {EXAMPLE!r}")
