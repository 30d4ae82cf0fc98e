"""The keys of a pool in split.toml: what each may hold, in TOML and as text of a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nginx.split import NONE, SHED, SPILL, Balance, SplitError, hash_variable

Value = int | float | str | list[int]

MOST_PROCESSES = 64
_PAGE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,80}")


def _whole(least: int, most: int) -> Callable[[Any], Value]:
    def check(value: Any) -> Value:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise SplitError(f"{value!r} is no whole number from {least} to {most}")
        return value

    return check


def _seconds(value: Any) -> Value:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0.001 <= value <= 3600:
        raise SplitError(f"{value!r} is no number of seconds from 0.001 to 3600")
    return float(value)


def _weights(value: Any) -> Value:
    if not isinstance(value, list):
        raise SplitError(f"{value!r}: give one whole number a process, such as [3, 1]")
    return [int(_whole(1, 1000)(one)) for one in value]  # type: ignore[arg-type]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise SplitError(f"{value!r} is no text")
    return value


def _balance(value: Any) -> Value:
    if value not in list(Balance):
        raise SplitError(f"{value!r} is none of {', '.join(Balance)}")
    return str(value)


def _hash(value: Any) -> Value:
    hash_variable(_text(value))
    return str(value)


def _page(value: Any) -> Value:
    if _text(value) and not _PAGE.fullmatch(value):
        raise SplitError(f"{value!r}: give the name of a file, such as maintenance.html")
    return str(value)


def _overflow(value: Any) -> Value:
    if value not in (NONE, SHED, SPILL) and not str(value).startswith(f"{SPILL}:"):
        raise SplitError(f"{value!r} is none of none, shed, spill, spill:POOL")
    return str(value)


CHECKS: Mapping[str, Callable[[Any], Value]] = {
    "processes": _whole(1, MOST_PROCESSES),
    "balance": _balance,
    "hash": _hash,
    "weights": _weights,
    "keepalive": _whole(0, 10_000),
    "max_conns": _whole(0, 100_000),
    "max_fails": _whole(0, 1000),
    "connect_timeout": _seconds,
    "read_timeout": _seconds,
    "send_timeout": _seconds,
    "retries": _whole(0, 10),
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


def checked(table: Mapping[str, Any]) -> dict[str, Value]:
    """A pool's table with every key, defaults filled in; raises SplitError naming the key."""
    found: dict[str, Value] = {}
    for name in table:
        if name not in CHECKS:
            raise SplitError(f"{name}: there is no such key; choose from {', '.join(CHECKS)}")
    for name, default in DEFAULTS.items():
        try:
            found[name] = CHECKS[name](table.get(name, default))
        except SplitError as error:
            raise SplitError(f"{name}: {error}") from None
    return found


def from_text(name: str, text: str) -> Value:
    """A value as people type it: `2`, `0.5`, `3,1`, `least_conn`; raises SplitError."""
    default = DEFAULTS.get(name, "")
    if isinstance(default, str):
        return text
    words = text.strip("[] ").split(",")
    try:
        if isinstance(default, list):
            return [int(word) for word in words if word.strip()]
        return type(default)(text)
    except ValueError:
        raise SplitError(f"{text!r} is no {_KINDS[type(default)]}") from None


_KINDS = {int: "whole number", float: "number of seconds", list: "row of whole numbers like 3,1"}


def as_text(value: Value) -> str:
    """A value as `from_text` reads it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
