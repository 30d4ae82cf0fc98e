"""The tabs Stores and Pools of Locust's web UI: the last ten seconds, a row for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LATENCIES: Final = {
    f"{latency}_{name}": f"{title} {label} (ms)"
    for latency, title in (("response", "Response"), ("service", "Service"))
    for name, label in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))
}

_LOAD: Final = {
    "rate": "Requests/s",
    "failures": "Failures (10 s)",
    "in_flight": "In flight",
    **_LATENCIES,
}

_PROCESSES: Final = {
    "lag_p99_ms": "Loop lag p99 (ms)",
    "busy": "Loop busy (%)",
    "bystander_p99_ms": "Bystander p99 (ms)",
}

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "stores": {"name": "Store", **_LOAD},
    "pools": {"name": "Pool", **_LOAD, **_PROCESSES},
}
"""By tab: the title of each column, by its key."""

UNKNOWN: Final = "-"


def template_arguments() -> dict[str, Any]:
    """Return what the template of Locust's page takes to show the tabs."""
    return {
        "extended_tabs": [{"key": tab, "title": tab.capitalize()} for tab in COLUMNS],
        "extended_tables": [
            {"key": tab, "structure": [{"key": k, "title": t} for k, t in columns.items()]}
            for tab, columns in COLUMNS.items()
        ],
    }


def rows(window: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `extended_stats` of `GET /stats/requests`; `window` is that of the live data."""
    return [
        {"key": tab, "data": [_row(name, cells) for name, cells in sorted(window[tab].items())]}
        for tab in COLUMNS
    ]


def _row(name: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    latencies = {
        f"{latency}_{quantile}": ms
        for latency in ("response", "service")
        for quantile, ms in (figures[latency] or {}).items()
    }
    busy = figures.get("busy")
    values = {**figures, **latencies, "busy": None if busy is None else round(busy * 100, 1)}
    columns = (*_LOAD, *(_PROCESSES if "busy" in figures else ()))
    return {"name": name, **{key: _cell(values.get(key)) for key in columns}}


def _cell(value: float | None) -> float | str:
    return UNKNOWN if value is None else round(value, 2)
