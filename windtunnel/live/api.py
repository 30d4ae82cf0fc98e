"""What Locust's web app tells of a test that goes on: two tabs, and `GET /windtunnel/data`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from flask import Response, jsonify, request
from locust.env import Environment
from locust.web import WebUI

from windtunnel.live.load_profile import is_paused, load_profile
from windtunnel.live.recording_session import Keeper
from windtunnel.live.security import base_path
from windtunnel.live.server_probe import FIELDS, ServerProbe, late, p99, told
from windtunnel.live.window import KINDS, Point
from windtunnel.recording.histogram import merge
from windtunnel.recording.recorder import NO_POOL

# The tabs Stores and Pools on Locust's own page: the last ten seconds, a row for each.


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


STATS: Final = "/stats/requests"
PATH: Final = "/windtunnel/data"

OF_POOLS: Final = ("lag_p99_ms", "busy", "bystander_p99_ms")

IDLE: Final = {
    "rate": 0.0,
    "failures": 0,
    "in_flight": 0.0,
    "service": dict.fromkeys(("p50", "p99", "p999")),
    "response": None,
}
"""The window of a pool that got nothing to do."""

QUANTILES: Final = ("p50", "p99", "p999")


class LiveApi:
    """Answers from what a test has recorded lately."""

    def __init__(self, environment: Environment, keeper: Keeper) -> None:
        self._environment = environment
        self._keeper = keeper
        self._recent = keeper.recent

    def attach(self, web_ui: WebUI) -> None:
        """Add the route to Locust's app, behind its login, and tabs to its page."""
        app = web_ui.app
        assert app is not None
        web_ui.template_args.update(arguments())
        app.after_request(self._with_rows)
        told = web_ui.auth_required_if_enabled(self.data)
        app.add_url_rule(f"{base_path(app)}{PATH}", "windtunnel_data", told)

    def data(self) -> Response:
        """Tell all seconds after `since` (of the epoch), and the last ten together."""
        since = request.args.get("since", 0, type=int)
        answer = jsonify(self.told(since))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _with_rows(self, response: Response) -> Response:
        """Add the rows of the tabs to what Locust's page asks for every two seconds."""
        told = response.is_json and response.status_code == HTTPStatus.OK
        if told and request.path.endswith(STATS):
            stats = msgspec.json.decode(response.get_data())
            stats["extended_stats"] = rows(self.window())
            response.set_data(msgspec.json.encode(stats))
        return response

    def told(self, since: int = 0) -> dict[str, Any]:
        """Return what `GET /windtunnel/data` answers; times in milliseconds."""
        runner, options = self._environment.runner, self._environment.parsed_options
        seconds = self._recent.seconds(since)
        return {
            "now": int(time.time()),
            "state": "ready" if runner is None else runner.state,
            "load": "" if runner is None or options is None else str(load_profile(options)),
            "paused": options is not None and is_paused(options),
            "seconds": seconds,
            **{kind: self._lines(kind, seconds) for kind in KINDS},
            "processes": {one.name: _process(one, seconds) for one in self._neighbours()},
            "window": self.window(),
        }

    def window(self) -> dict[str, Any]:
        """Return what is told of the last ten seconds."""
        found = {kind: self._window(kind) for kind in KINDS}
        pools: dict[str, list[ServerProbe]] = {}
        for one in self._neighbours():
            if one.here:
                pools.setdefault(one.pool or NO_POOL, []).append(one)
        for name, some in pools.items():
            found["pools"].setdefault(name, dict(IDLE)).update(_beside(some))
        return {**found, **self._costs()}

    def _costs(self) -> dict[str, Any]:
        """The machine's steal, and what an answer costs each group of processes, lately."""
        monitor = self._keeper.monitor
        spell = monitor.spell if monitor is not None else None
        if spell is None:
            return {"steal": None, "cpu_us": {}}
        before, now = spell
        answers = self._recent.right(before.at, now.at)
        spent = {name: now.spent[name] - before.spent.get(name, 0.0) for name in now.spent}
        stolen, all_ = (b - a for a, b in zip(before.ticks, now.ticks, strict=True))
        return {
            "steal": round(stolen / all_, 4) if all_ else None,
            "cpu_us": {n: round(s * 1e6 / answers, 1) for n, s in spent.items() if answers},
        }

    def _neighbours(self) -> list[ServerProbe]:
        monitor = self._keeper.monitor
        return [] if monitor is None else list(monitor.neighbours.values())

    def _lines(self, kind: str, seconds: Sequence[int]) -> dict[str, Any]:
        names = self._recent.names(kind, seconds)
        return {name: lines(self._recent.line(kind, name, seconds)) for name in names}

    def _window(self, kind: str) -> dict[str, Any]:
        return {
            name: {
                "rate": point.rate,
                "failures": point.failures,
                "in_flight": point.in_flight,
                "service": point.service,
                "response": point.response,
                **dict.fromkeys(OF_POOLS if kind == "pools" else ()),
            }
            for name, point in self._recent.window(kind).items()
        }


def _process(one: ServerProbe, seconds: Sequence[int]) -> dict[str, Any]:
    points = [told(one.seconds.get(at)) for at in seconds]
    return {"pool": one.pool, **{name: [point[name] for point in points] for name in FIELDS}}


def _beside(some: Sequence[ServerProbe]) -> dict[str, float | None]:
    """Return of the processes of a pool: of times p99 over all, of busy shares the mean."""
    lags = [lag for one in some if (lag := one.lag())]
    busy = [share for one in some if (share := one.busy()) is not None]
    bounds = next((one.bounds for one in some if one.bounds), ())
    return {
        "lag_p99_ms": late(bounds, [sum(counts) for counts in zip(*lags, strict=True)]),
        "busy": round(sum(busy) / len(busy), 3) if busy else None,
        "bystander_p99_ms": p99(merge(one.pings() for one in some)),
    }


def lines(points: Sequence[Point | None]) -> dict[str, Any]:
    """Return the points of a pool or store as the arrays of its lines."""
    response = [None if point is None else point.response for point in points]
    return {
        "rate": [point.rate if point else 0 for point in points],
        "failures": [point.failures if point else 0 for point in points],
        "in_flight": [point.in_flight if point else 0 for point in points],
        "service": _quantiles([None if point is None else point.service for point in points]),
        "response": _quantiles(response) if any(response) else None,
    }


def _quantiles(points: Sequence[dict[str, float | None] | None]) -> dict[str, Any]:
    return {name: [None if one is None else one[name] for one in points] for name in QUANTILES}
