"""What is added to Locust's web UI: its form is checked before a test starts, and put in order.

Locust would take any text, begin, and fall back to the form without a word.
"""

from __future__ import annotations

import argparse
import logging
from argparse import Namespace
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import gevent
from flask import Response, jsonify, request
from locust import stats
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_RUNNING, STATE_SPAWNING, MasterRunner, Runner
from locust.web import WebUI
from werkzeug.datastructures import MultiDict

from windtunnel.live import arguments
from windtunnel.live.admission import MOST_USERS, REFUSALS, RefusedError, admit
from windtunnel.live.load_profile import course
from windtunnel.live.security import front

PAGE: Final = Path(__file__).parent / "templates" / "live.html"

BACK_WITHIN: Final = 20.0
"""Seconds in which workers that have stopped are ready again; it takes them three."""

_NAMED: Final = ("mix", "target", "host", "slow_work")
_OURS: Final = ("stores", *_NAMED, *arguments.WHOLE)

_locusts_rounding = stats.bucket_response_time

log = logging.getLogger("windtunnel")


def finer(ms: float) -> float:
    """Round a time for Locust's tables: to 0.01 ms below 10 ms, where Locust's own shows 0 or 1."""
    if ms < 10:
        return round(ms, 2)
    return round(ms, 1) if ms < 100 else _locusts_rounding(ms)


def attach(environment: Environment, web_ui: WebUI) -> None:
    """Check the form of `web_ui` before a test starts, and dress its page."""
    app = web_ui.app
    assert app is not None
    endpoint = next(rule.endpoint for rule in app.url_map.iter_rules() if "/swarm" in rule.rule)
    start = app.view_functions[endpoint]

    def swarm() -> Any:
        try:
            _check(environment, request.form)
        except REFUSALS as error:
            log.error("not started: %s", error)
            return jsonify(success=False, message=str(error), host=environment.host)
        return start()

    app.view_functions[endpoint] = web_ui.auth_required_if_enabled(swarm)
    tell = web_ui.auth_required_if_enabled(partial(_load, environment))
    app.add_url_rule(f"{front(app)}/load", "load", tell)
    app.after_request(_dressed)


def _load(environment: Environment) -> str:
    """Say which latency the tables show; nothing before a test began."""
    runner, options = environment.runner, environment.parsed_options
    if runner is None or options is None or runner.state == STATE_INIT:
        return ""
    return str(course(options))


def _check(environment: Environment, form: MultiDict[str, str]) -> None:
    """Raise one of REFUSALS for a test that cannot start; make way for one of other terms.

    A running test takes more or fewer users as it goes; whatever else changes begins it anew.
    """
    runner, options = environment.runner, environment.parsed_options
    if runner is None or options is None:
        return
    users = whole("users", form.get("user_count", ""), 1, MOST_USERS)
    told = wanted(options, form)
    running = runner.state in {STATE_SPAWNING, STATE_RUNNING}
    if running and all(getattr(told, n, None) == getattr(options, n, None) for n in _OURS):
        return
    admit(told, users)
    if running:
        log.info("starting anew, as the test is to be another one")
        _stop(runner)


def _stop(runner: Runner) -> None:
    """Stop a test, and wait for its workers, which Locust takes for gone until they report."""
    if not isinstance(runner, MasterRunner):
        runner.stop()
        return
    workers = runner.worker_count
    runner.stop()
    with gevent.Timeout(BACK_WITHIN, RefusedError("the workers did not come back: start again")):
        while len(runner.clients.ready) < workers:
            gevent.sleep(0.1)


def wanted(options: Namespace, form: MultiDict[str, str]) -> Namespace:
    """Return `options` as a form has them; raises RefusedError for what they cannot be.

    A multi-select without a choice is not in the form at all, so a form that has a mix has stores.
    """
    found: Mapping[str, Any] = {
        **{name: form[name] for name in _NAMED if name in form},
        **{n: whole(n, form[n], *limits) for n, limits in arguments.WHOLE.items() if n in form},
    }
    for name in ["rate", *(f"{stream}_rate" for stream in options.streams)]:
        if name in form:
            _rate(name, form[name])
    if "stores" in form or "mix" in form:
        found = {**found, "stores": form.getlist("stores")}
    return Namespace(**{**vars(options), **found})


def whole(name: str, text: str, least: int, most: int) -> int:
    """Return the number that a field holds; raises RefusedError."""
    try:
        return arguments.between(least, most)(text)
    except argparse.ArgumentTypeError as error:
        raise RefusedError(f"{name.replace('_', ' ')}: {error}") from error


def _rate(name: str, text: str) -> None:
    try:
        arguments.rate(text)
    except argparse.ArgumentTypeError as error:
        raise RefusedError(f"{name.replace('_', ' ')}: {error}") from error


@cache
def _additions() -> str:
    return PAGE.read_text()


def _dressed(response: Response) -> Response:
    if response.mimetype == "text/html" and not response.direct_passthrough:
        page = response.get_data(as_text=True)
        if "window.templateArgs" in page:
            response.set_data(page.replace("</body>", f"{_additions()}</body>"))
    return response
