"""What Locust's web app tells of a test that goes on: `GET /windtunnel/data`, for live pages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from flask import Response, jsonify, request
from locust.env import Environment
from locust.web import WebUI

from bench.course import course
from bench.mount import front
from bench.pausing import paused
from bench.recent import KINDS, Point, Recent

PATH: Final = "/windtunnel/data"

QUANTILES: Final = ("p50", "p99", "p999")


class Board:
    """Answers from what a test has recorded lately."""

    def __init__(self, environment: Environment, recent: Recent) -> None:
        self._environment = environment
        self._recent = recent

    def attach(self, web_ui: WebUI) -> None:
        """Add the route to Locust's app, behind its login."""
        app = web_ui.app
        assert app is not None
        told = web_ui.auth_required_if_enabled(self.data)
        app.add_url_rule(f"{front(app)}{PATH}", "windtunnel_data", told)

    def data(self) -> Response:
        """Tell all seconds after `since` (of the epoch), and the last ten together."""
        since = request.args.get("since", 0, type=int)
        answer = jsonify(self.told(since))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def told(self, since: int = 0) -> dict[str, Any]:
        """Return what `GET /windtunnel/data` answers; times in milliseconds."""
        runner, options = self._environment.runner, self._environment.parsed_options
        seconds = self._recent.seconds(since)
        return {
            "now": int(time.time()),
            "state": "ready" if runner is None else runner.state,
            "load": "" if runner is None or options is None else str(course(options)),
            "paused": options is not None and paused(options),
            "seconds": seconds,
            **{kind: self._lines(kind, seconds) for kind in KINDS},
            "processes": {},
            "window": {kind: self._window(kind) for kind in KINDS},
        }

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
            }
            for name, point in self._recent.window(kind).items()
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
