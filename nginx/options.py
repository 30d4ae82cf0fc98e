"""The keys of a pool in split.toml: what each may hold, in TOML and as text of a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nginx.split import NONE, SHED, SPILL, Balance, SplitError, hash_variable

Value = int | float | str | list[int]

MOST_PROCESSES = 64
_PAGE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,80}")


def _whole_number(least: int, most: int) -> Callable[[Any], Value]:
    def check(value: Any) -> Value:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise SplitError(f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    return check


def _seconds(value: Any) -> Value:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0.001 <= value <= 3600:
        raise SplitError(f"must be seconds from 0.001 to 3600, not {value!r}")
    return float(value)


def _weights(value: Any) -> Value:
    if not isinstance(value, list):
        raise SplitError(f"must be a whole number per process, such as [3, 1], not {value!r}")
    return [int(_whole_number(1, 1000)(weight)) for weight in value]  # type: ignore[arg-type]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise SplitError(f"must be text, not {value!r}")
    return value


def _balance(value: Any) -> Value:
    if value not in list(Balance):
        raise SplitError(f"must be one of {', '.join(Balance)}, not {value!r}")
    return str(value)


def _hash(value: Any) -> Value:
    hash_variable(_text(value))
    return str(value)


def _page(value: Any) -> Value:
    if _text(value) and not _PAGE.fullmatch(value):
        raise SplitError(f"must be a file name, such as maintenance.html, not {value!r}")
    return str(value)


def _overflow(value: Any) -> Value:
    if value not in (NONE, SHED, SPILL) and not str(value).startswith(f"{SPILL}:"):
        raise SplitError(f"must be one of none, shed, spill, spill:POOL, not {value!r}")
    return str(value)


CHECKS: Mapping[str, Callable[[Any], Value]] = {
    "processes": _whole_number(1, MOST_PROCESSES),
    "balance": _balance,
    "hash": _hash,
    "weights": _weights,
    "keepalive": _whole_number(0, 10_000),
    "max_conns": _whole_number(0, 100_000),
    "max_fails": _whole_number(0, 1000),
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "send_timeout": _seconds,
    "retries": _whole_number(0, 10),
    "maintenance": _page,
    "overflow": _overflow,
}

DEFAULTS: Mapping[str, Value] = {
    "processes": 1,
    "balance": str(Balance.ROUND_ROBIN),
    "hash": "uri",
    "weights": [],
    "keepalive": 128,
    "max_conns": 0,
    "max_fails": 0,
    "connect_timeout": 2.0,
    "read_timeout": 120.0,
    "send_timeout": 120.0,
    "retries": 0,
    "maintenance": "",
    "overflow": NONE,
}


def complete_table(table: Mapping[str, Any]) -> dict[str, Value]:
    """Return a pool's table with every key, defaults filled in; raises SplitError with the key."""
    values: dict[str, Value] = {}
    for name in table:
        if name not in CHECKS:
            raise SplitError(f"{name}: unknown key; choose from {', '.join(CHECKS)}")
    for name, default in DEFAULTS.items():
        try:
            values[name] = CHECKS[name](table.get(name, default))
        except SplitError as error:
            raise SplitError(f"{name}: {error}") from None
    return values


def from_text(name: str, text: str) -> Value:
    """Parse a value as people type it: `2`, `0.5`, `3,1`, `least_conn`; raises SplitError."""
    default = DEFAULTS.get(name, "")
    if isinstance(default, str):
        return text
    parts = text.strip("[] ").split(",")
    try:
        if isinstance(default, list):
            return [int(part) for part in parts if part.strip()]
        return type(default)(text)
    except ValueError:
        raise SplitError(f"must be {_TYPES[type(default)]}, not {text!r}") from None


_TYPES = {int: "a whole number", float: "seconds", list: "whole numbers such as 3,1"}


def as_text(value: Value) -> str:
    """Return a value as `from_text` reads it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
