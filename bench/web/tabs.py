"""The tabs Stores and Pools on Locust's own page: the last ten seconds, a row for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_TIMES: Final = {
    f"{latency}_{name}": f"{title} {shown} (ms)"
    for latency, title in (("response", "Response"), ("service", "Service"))
    for name, shown in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))
}

_LOAD: Final = {
    "rate": "Requests/s",
    "failures": "Failures (10 s)",
    "in_flight": "In flight",
    **_TIMES,
}

_BESIDE: Final = {
    "lag_p99_ms": "Loop lag p99 (ms)",
    "busy": "Loop busy (%)",
    "bystander_p99_ms": "Bystander p99 (ms)",
}

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "stores": {"name": "Store", **_LOAD},
    "pools": {"name": "Pool", **_LOAD, **_BESIDE},
}
"""By tab: the title of each column, by its key."""

UNKNOWN: Final = "-"


def arguments() -> dict[str, Any]:
    """Return what Locust's page is to be told of the tabs."""
    return {
        "extended_tabs": [{"key": kind, "title": kind.capitalize()} for kind in COLUMNS],
        "extended_tables": [
            {"key": kind, "structure": [{"key": k, "title": t} for k, t in columns.items()]}
            for kind, columns in COLUMNS.items()
        ],
    }


def rows(window: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `extended_stats` of `GET /stats/requests`; `window` is that of the live data."""
    return [
        {"key": kind, "data": [_row(name, told) for name, told in sorted(window[kind].items())]}
        for kind in COLUMNS
    ]


def _row(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        f"{latency}_{quantile}": ms
        for latency in ("response", "service")
        for quantile, ms in (told[latency] or {}).items()
    }
    busy = told.get("busy")
    found = {**told, **times, "busy": None if busy is None else round(busy * 100, 1)}
    shown = {k: _shown(found.get(k)) for k in (*_LOAD, *(_BESIDE if "busy" in told else ()))}
    return {"name": name, **shown}


def _shown(value: float | None) -> float | str:
    return UNKNOWN if value is None else round(value, 2)
