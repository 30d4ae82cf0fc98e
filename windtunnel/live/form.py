"""The start form of Locust's web UI: its fields are checked before a test starts, and put in order.

Locust itself would accept any text, start, and return to the form without a message.
"""

from __future__ import annotations

import logging
from argparse import Namespace
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
from windtunnel.live.admission import REFUSALS, RefusedError, admit
from windtunnel.live.load_profile import load_profile
from windtunnel.live.security import base_path
from windtunnel.workload.options import USERS, LoadOption

PAGE: Final = Path(__file__).parent / "templates" / "live.html"

WORKERS_READY_TIMEOUT_S: Final = 20.0
"""For workers that have stopped to be ready again; it takes them three seconds."""

_TEXT_FIELDS: Final = ("mix", "target", "host", "slow_work")
_RESTART_FIELDS: Final = ("stores", *_TEXT_FIELDS, *arguments.WHOLE_NUMBERS)
"""What cannot be changed while a test runs."""

_locust_rounding = stats.bucket_response_time

log = logging.getLogger("windtunnel")


def round_time(ms: float) -> float:
    """Round a time for Locust's tables, to 0.01 ms below 10 ms; Locust would show 0 or 1."""
    if ms < 10:
        return round(ms, 2)
    return round(ms, 1) if ms < 100 else _locust_rounding(ms)


def attach(environment: Environment, web_ui: WebUI) -> None:
    """Check the form of `web_ui` before a test starts, and add to its page."""
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
    load = web_ui.auth_required_if_enabled(partial(_describe_load, environment))
    app.add_url_rule(f"{base_path(app)}/load", "load", load)
    app.after_request(_add_to_page)


def _describe_load(environment: Environment) -> str:
    """Return the load and which latency the tables show; nothing before the first test."""
    runner, options = environment.runner, environment.parsed_options
    if runner is None or options is None or runner.state == STATE_INIT:
        return ""
    return str(load_profile(options))


def _check(environment: Environment, form: MultiDict[str, str]) -> None:
    """Raise one of REFUSALS for a test that cannot start; stop one that has to start anew.

    A running test adopts another number of users or another rate; any other change restarts it.
    """
    runner, options = environment.runner, environment.parsed_options
    if runner is None or options is None:
        return
    users = parse_field(USERS, form.get("user_count", ""))
    new_options = parse_form(options, form)
    is_running = runner.state in {STATE_SPAWNING, STATE_RUNNING}
    if is_running and all(
        getattr(new_options, name, None) == getattr(options, name, None) for name in _RESTART_FIELDS
    ):
        return
    admit(new_options, users)
    if is_running:
        log.info("restarting: the test was changed")
        _stop(runner)


def _stop(runner: Runner) -> None:
    """Stop a test, and wait for its workers, which Locust counts as gone until they report."""
    if not isinstance(runner, MasterRunner):
        runner.stop()
        return
    workers = runner.worker_count
    runner.stop()
    error = RefusedError("the workers did not come back: start again")
    with gevent.Timeout(WORKERS_READY_TIMEOUT_S, error):
        while len(runner.clients.ready) < workers:
            gevent.sleep(0.1)


def parse_form(options: Namespace, form: MultiDict[str, str]) -> Namespace:
    """Return `options` with the values of a form; raises RefusedError for an invalid one.

    A multi-select without a choice is not in the form at all, so a form that has a mix has stores.
    """
    values: dict[str, Any] = {name: form[name] for name in _TEXT_FIELDS if name in form}
    for name, option in arguments.WHOLE_NUMBERS.items():
        if name in form:
            values[name] = parse_field(option, form[name])
    for name in ["rate", *(f"{stream}_rate" for stream in options.streams)]:
        if name in form:
            parse_field(arguments.rate_option(name), form[name])
    if "stores" in form or "mix" in form:
        values["stores"] = form.getlist("stores")
    return Namespace(**{**vars(options), **values})


def parse_field(option: LoadOption[Any], text: str) -> Any:
    """Return the value in a field of the form; raises RefusedError."""
    try:
        return option.parse(text)
    except ValueError as error:
        raise RefusedError(f"{option.name.replace('_', ' ')}: {error}") from error


@cache
def _additions() -> str:
    return PAGE.read_text()


def _add_to_page(response: Response) -> Response:
    if response.mimetype == "text/html" and not response.direct_passthrough:
        page = response.get_data(as_text=True)
        if "window.templateArgs" in page:
            response.set_data(page.replace("</body>", f"{_additions()}</body>"))
    return response
