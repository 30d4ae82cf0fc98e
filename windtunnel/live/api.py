"""`GET /windtunnel/data` of Locust's web app: a test as it goes on, as JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Response, jsonify, request
from locust.env import Environment
from locust.web import WebUI

from windtunnel.live.load_profile import is_paused, load_profile
from windtunnel.live.recording_session import RecordingSession
from windtunnel.live.security import base_path
from windtunnel.live.server_probe import (
    PROCESS_FIELDS,
    ProcessSecond,
    ServerProbe,
    lag_p99_ms,
)
from windtunnel.live.window_counts import GROUPINGS, QUANTILES, Point, Quantiles
from windtunnel.recording.histogram import merge
from windtunnel.recording.recorder import NO_POOL

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


STATS: Final = "/stats/requests"
PATH: Final = "/windtunnel/data"

POOL_FIELDS: Final = ("lag_p99_ms", "busy", "bystander_p99_ms")
"""Figures of the processes of a pool, beside those of its requests."""

IDLE: Final = asdict(Point(0.0, 0, 0.0, dict.fromkeys(QUANTILES), None))
"""The window of a pool without requests."""


class LiveApi:
    """Answers from what a test has recorded lately."""

    def __init__(self, environment: Environment, recording: RecordingSession) -> None:
        self._environment = environment
        self._recording = recording
        self._window = recording.window

    def attach(self, web_ui: WebUI) -> None:
        """Add the route to Locust's app, behind its login, and the tabs to its page."""
        app = web_ui.app
        assert app is not None
        web_ui.template_args.update(template_arguments())
        app.after_request(self._add_rows)
        view = web_ui.auth_required_if_enabled(self.data)
        app.add_url_rule(f"{base_path(app)}{PATH}", "windtunnel_data", view)

    def data(self) -> Response:
        """Answer with all seconds after `since` (of the epoch), and the last ten together."""
        answer = jsonify(self.as_dict(request.args.get("since", 0, type=int)))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def as_dict(self, since: int = 0) -> dict[str, Any]:
        """Return what `GET /windtunnel/data` answers; times in milliseconds."""
        runner, options = self._environment.runner, self._environment.parsed_options
        seconds = self._window.seconds(since)
        return {
            "now": int(time.time()),
            "state": "ready" if runner is None else runner.state,
            "load": "" if runner is None or options is None else str(load_profile(options)),
            "paused": options is not None and is_paused(options),
            "seconds": seconds,
            **{grouping: self._lines(grouping, seconds) for grouping in GROUPINGS},
            "processes": {probe.name: _process(probe, seconds) for probe in self._probes()},
            "window": self.window(),
        }

    def window(self) -> dict[str, Any]:
        """Return the figures of the last ten seconds."""
        groups = {grouping: self._group_window(grouping) for grouping in GROUPINGS}
        pools: dict[str, list[ServerProbe]] = {}
        for probe in self._probes():
            if probe.is_active:
                pools.setdefault(probe.pool or NO_POOL, []).append(probe)
        for name, probes in pools.items():
            groups["pools"].setdefault(name, dict(IDLE)).update(_pool_processes(probes))
        return {**groups, **self._costs()}

    def _add_rows(self, response: Response) -> Response:
        """Add the rows of the tabs to the statistics that Locust's page polls."""
        is_answer = response.is_json and response.status_code == HTTPStatus.OK
        if is_answer and request.path.endswith(STATS):
            stats = msgspec.json.decode(response.get_data())
            stats["extended_stats"] = rows(self.window())
            response.set_data(msgspec.json.encode(stats))
        return response

    def _costs(self) -> dict[str, Any]:
        """Return the machine's steal and each group's CPU time per success, lately."""
        monitor = self._recording.monitor
        readings = monitor.last_readings if monitor is not None else None
        if readings is None:
            return {"steal": None, "cpu_us": {}}
        first, last = readings
        successes = self._window.successes(first.at, last.at)
        cpu_s = {name: last.cpu_s[name] - first.cpu_s.get(name, 0.0) for name in last.cpu_s}
        stolen, total = (b - a for a, b in zip(first.ticks, last.ticks, strict=True))
        return {
            "steal": round(stolen / total, 4) if total else None,
            "cpu_us": {n: round(s * 1e6 / successes, 1) for n, s in cpu_s.items() if successes},
        }

    def _probes(self) -> list[ServerProbe]:
        monitor = self._recording.monitor
        return [] if monitor is None else list(monitor.probes.values())

    def _lines(self, grouping: str, seconds: Sequence[int]) -> dict[str, Any]:
        names = self._window.names(grouping, seconds)
        return {name: _columns(self._window.line(grouping, name, seconds)) for name in names}

    def _group_window(self, grouping: str) -> dict[str, Any]:
        extra = dict.fromkeys(POOL_FIELDS if grouping == "pools" else ())
        points = self._window.window(grouping)
        return {name: {**asdict(point), **extra} for name, point in points.items()}


def _process(probe: ServerProbe, seconds: Sequence[int]) -> dict[str, Any]:
    points = [probe.seconds.get(at, ProcessSecond()) for at in seconds]
    return {
        "pool": probe.pool,
        **{name: [getattr(point, name) for point in points] for name in PROCESS_FIELDS},
    }


def _pool_processes(probes: Sequence[ServerProbe]) -> dict[str, float | None]:
    """Return the figures of a pool's processes: p99 over all of them, the mean share of busy."""
    lags = [counts for probe in probes if (counts := probe.lag_counts())]
    busy = [share for probe in probes if (share := probe.busy()) is not None]
    latencies = merge(probe.bystander_latencies() for probe in probes)
    bounds_s = next((probe.lag_bounds_s for probe in probes if probe.lag_bounds_s), ())
    return {
        "lag_p99_ms": lag_p99_ms(bounds_s, [sum(counts) for counts in zip(*lags, strict=True)]),
        "busy": round(sum(busy) / len(busy), 3) if busy else None,
        "bystander_p99_ms": latencies.quantile_ms(0.99),
    }


def _columns(points: Sequence[Point | None]) -> dict[str, Any]:
    """Return the points of a line as an array for each figure."""
    response = [None if point is None else point.response for point in points]
    return {
        "rate": [point.rate if point else 0 for point in points],
        "failures": [point.failures if point else 0 for point in points],
        "in_flight": [point.in_flight if point else 0 for point in points],
        "service": _quantiles([None if point is None else point.service for point in points]),
        "response": _quantiles(response) if any(response) else None,
    }


def _quantiles(points: Sequence[Quantiles | None]) -> dict[str, Any]:
    return {
        name: [None if quantiles is None else quantiles[name] for quantiles in points]
        for name in QUANTILES
    }
