"""Service level objectives: how one is written, and how it is read.

`p99(response, read) < 50ms`, `p99(read) < 20ms on postgres-*/async/*`, `throughput > 500/s`,
`failures < 0.1%`, `regression < 10%`. Without `service` or `response` a latency is the one that
counts under the load: response time when it is open, service time when it is closed. Without an
operation every operation must hold.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from bench.summary import PER_MILLE, RESPONSE, SERVICE

LATENCIES: Final = (*PER_MILLE, "max")
RATES: Final = ("throughput", "failures", "regression")
OPERATIONS: Final = ("create", "read", "update", "edit", "delete", "find", "summary")
EXAMPLE: Final = "p99(response, read) < 50ms on postgres-*/async/*"

_UNITS: Final = {
    **{name: {"us": 1.0, "ms": 1e3, "s": 1e6} for name in LATENCIES},
    "throughput": {"/s": 1.0},
    "failures": {"%": 0.01},
    "regression": {"%": 0.01},
}
_NAME: Final = re.compile(r"\s*([a-z][a-z0-9]*(?:\.\d+)?)")
_AMOUNT: Final = re.compile(r"\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*([a-z/%]*)", re.IGNORECASE)
_GLOB: Final = re.compile(r"\s*(\S+)\s*$")


class SloError(ValueError):
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

    @property
    def limit(self) -> float:
        """In microseconds, requests a second, or a share of 1."""
        return self.amount * _UNITS[self.measure][self.unit]

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self.measure == "throughput"

    def speaks_of(self, store: str) -> bool:
        """Whether it asks something of this store."""
        return self.glob is None or fnmatchcase(store, self.glob)

    def held_by(self, value: float) -> bool:
        """Whether a figure, in the unit of `limit`, is on the right side of it."""
        return value > self.limit if self.at_least else value < self.limit

    def __str__(self) -> str:
        inside = ", ".join(filter(None, (self.latency, self.operation)))
        what = f"{self.measure}({inside})" if inside else self.measure
        sign = ">" if self.at_least else "<"
        place = f" on {self.glob}" if self.glob else ""
        return f"{what} {sign} {self.amount:.17g}{self.unit}{place}"


def parse(text: str) -> Slo:
    """Read an objective; raises SloError."""
    measure, position = _measure(text)
    latency, operation, position = _inside(text, position, measure)
    position = _sign(text, position, measure)
    amount, unit, position = _amount(text, position, measure)
    return Slo(measure, amount, unit, latency, operation, _glob(text, position))


def _measure(text: str) -> tuple[str, int]:
    found = _NAME.match(text)
    known = (*LATENCIES, *RATES)
    if not found or found[1] not in known:
        raise _error(text, 0, f"expected one of {', '.join(known)}")
    return found[1], found.end()


def _inside(text: str, position: int, measure: str) -> tuple[str | None, str | None, int]:
    position = _skip(text, position)
    if text[position : position + 1] != "(":
        return None, None, position
    if measure == "regression":
        raise _error(text, position, "regression takes nothing in brackets")
    end = text.find(")", position)
    if end < 0:
        raise _error(text, position, "the bracket is never closed")
    latency, operation = None, None
    start = position + 1
    for name in text[start:end].split(","):
        word = name.strip()
        if word in {SERVICE, RESPONSE} and measure in LATENCIES and not (latency or operation):
            latency = word
        elif word in OPERATIONS and operation is None:
            operation = word
        else:
            kinds = "service or response, then " if measure in LATENCIES else ""
            raise _error(text, start, f"expected {kinds}one of {', '.join(OPERATIONS)}")
        start += len(name) + 1
    return latency, operation, end + 1


def _sign(text: str, position: int, measure: str) -> int:
    position, wanted = _skip(text, position), ">" if measure == "throughput" else "<"
    if text[position : position + 1] != wanted:
        raise _error(text, position, f"expected {wanted} after {measure}")
    return position + 1


def _amount(text: str, position: int, measure: str) -> tuple[float, str, int]:
    found, units = _AMOUNT.match(text, position), _UNITS[measure]
    if not found:
        raise _error(text, _skip(text, position), f"expected a number with {' or '.join(units)}")
    amount, unit = float(found[1]), found[2]
    if unit not in units:
        raise _error(text, found.start(2), f"expected {' or '.join(units)} after {found[1]}")
    if not 0 < amount < 1e12:
        raise _error(text, found.start(1), "expected more than 0")
    return amount, unit, found.end()


def _glob(text: str, position: int) -> str | None:
    position = _skip(text, position)
    if position == len(text):
        return None
    if not re.match(r"on\s", text[position:]):
        raise _error(text, position, "expected 'on' and a glob of stores, or the end")
    found = _GLOB.match(text, position + 3)
    if not found:
        raise _error(text, position + 3, "expected one glob of stores, as redis/*/fast")
    return found[1]


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _error(text: str, position: int, why: str) -> SloError:
    position = _skip(text, position)
    seen = repr(text[position : position + 20]) if position < len(text) else "the end"
    whole = " ".join(text.split())
    return SloError(
        f"--slo {whole!r}, place {position + 1} ({seen}): {why}; write it as {EXAMPLE!r}"
    )
