"""`/windtunnel` in Locust's web app: the page to watch pools and stores, and to change the split.

Every request to it, and to all routes below it, passes the guard first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any, Final

import msgspec
import plotly
from flask import Flask, Response, jsonify, request, send_file
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_SPAWNING
from locust.web import WebUI

from windtunnel.live import split_control
from windtunnel.live.arguments import url_of
from windtunnel.live.change_effects import ChangeEffects
from windtunnel.live.choices import ChoiceError, choices
from windtunnel.live.load_controller import LoadController
from windtunnel.live.load_profile import is_paused, set_paused
from windtunnel.live.security import HEADERS, Guard, base_path
from windtunnel.live.split_control import ConflictError, InvalidSplitError, SplitControlError
from windtunnel.live.window import KEPT_S, RollingWindow

PATH: Final = "/windtunnel"
TEMPLATES: Final = Path(__file__).parent / "templates"
ASSETS: Final = {
    **{path.name: path for path in sorted((TEMPLATES / "windtunnel").iterdir())},
    "plotly.min.js": Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
}
"""All files that the page needs, by name: it loads nothing from elsewhere."""

DAY_S: Final = 86_400


class ChangeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a change of the split, which builds on the change number `base`."""

    base: int
    changes: dict[str, str]


class UndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an undo of the change number `base`."""

    base: int


class PauseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request to pause or resume the load."""

    paused: bool


class Page:
    """The routes of the page. `controller` returns that of the test that runs, if one does."""

    def __init__(
        self,
        environment: Environment,
        web_ui: WebUI,
        window: RollingWindow,
        controller: Callable[[], LoadController | None],
    ) -> None:
        self._environment = environment
        self._web_ui = web_ui
        self._guard = Guard(web_ui.host, self._port)
        self._effects = ChangeEffects(window, controller)
        self._applying = False

    def attach(self) -> None:
        """Add the routes to Locust's app, behind its login, and the guard in front of them."""
        app = self._web_ui.app
        assert app is not None
        root = f"{base_path(app)}{PATH}"
        for path, method, view in (
            ("", "GET", self._page),
            ("/assets/<name>", "GET", self._asset),
            ("/split", "GET", self._split),
            ("/split", "POST", self._change),
            ("/split/differences", "POST", self._differences),
            ("/split/undo", "POST", self._undo),
            ("/load", "POST", self._pause),
            ("/effect/<int:change_number>", "GET", self._effect),
        ):
            name = f"windtunnel{path}:{method}".replace(".", "-")
            guarded_view = self._web_ui.auth_required_if_enabled(view)
            app.add_url_rule(root + path, name, guarded_view, methods=[method])
        self._add_guard(app, root)

    def _add_guard(self, app: Flask, root: str) -> None:
        def is_own() -> bool:
            rule = request.url_rule.rule if request.url_rule else request.path
            return rule == root or rule.startswith(f"{root}/")

        def check() -> Response | None:
            refusal = self._guard.check(request) if is_own() else None
            return None if refusal is None else _error_response(*refusal)

        def secure(response: Response) -> Response:
            return _secure_headers(response) if is_own() else response

        app.before_request(check)
        app.after_request_funcs.setdefault(None, []).insert(0, secure)  # runs last, after CORS

    def _port(self) -> int:
        server = self._web_ui.server
        return int(server.server_port if server is not None else self._web_ui.port)

    # -- reading --------------------------------------------------------------------------------

    def _page(self) -> Response:
        return send_file(TEMPLATES / "windtunnel.html", max_age=0)

    def _asset(self, name: str) -> Response:
        if name not in ASSETS:
            return _error_response(404, "there is no such file")
        return send_file(ASSETS[name], max_age=DAY_S if name == "plotly.min.js" else 0)

    def _split(self) -> Response:
        """Answer with the split in force, the choices, recent changes, and the token."""
        status: dict[str, Any] = {
            "closed": self._guard.closed,
            "token": None if self._guard.closed else self._guard.token,
            "applying": self._applying,
        }
        try:
            split = split_control.read_split()
        except SplitControlError as error:
            return jsonify(**status, missing=str(error), history=[])
        return jsonify(
            **status,
            missing=None,
            aside=self._why_no_effect(split.nginx),
            **choices(split.flat, split.balances).as_dict(),
            history=split.recent_history(time() - KEPT_S),
            base=split.last,
            undoable=split.undoable,
        )

    def _why_no_effect(self, nginx: str) -> str | None:
        """Return why a change will not affect the load, or None."""
        options = self._environment.parsed_options
        url = nginx if options is None else url_of(options.target, options.host)
        if url == nginx:
            return None
        return f"The load goes to {url}, not through the nginx of this stack, {nginx}."

    def _effect(self, change_number: int) -> Response:
        try:
            return jsonify(self._effects.effect(change_number, split_control.read_split().history))
        except (SplitControlError, LookupError) as error:
            return jsonify(nothing=str(error))

    # -- changing -------------------------------------------------------------------------------

    def _differences(self) -> Response:
        """Answer with what a change would change; nothing is changed."""
        try:
            order = msgspec.json.decode(request.get_data(), type=ChangeRequest)
            split = split_control.read_split()
            choices(split.flat, split.balances).check(order.changes)
            return jsonify(differences=split_control.differences(order.changes))
        except INVALID as error:
            return _refusal(error)

    def _change(self) -> Response:
        try:
            order = msgspec.json.decode(request.get_data(), type=ChangeRequest)
            split = split_control.read_split()
            choices(split.flat, split.balances).check(order.changes)
            if not split_control.differences(order.changes):
                return _error_response(422, "this is the split already")
            return self._apply(order.base, order.changes)
        except INVALID as error:
            return _refusal(error)

    def _undo(self) -> Response:
        try:
            order = msgspec.json.decode(request.get_data(), type=UndoRequest)
            return self._apply(order.base, None)
        except INVALID as error:
            return _refusal(error)

    def _apply(self, base: int, changes: dict[str, str] | None) -> Response:
        if self._applying:
            raise ConflictError("A change is being applied: wait for it.")
        self._applying = True
        try:
            return jsonify(split_control.change(base, changes))
        finally:
            self._applying = False

    def _pause(self) -> Response:
        """Pause or resume the load."""
        try:
            order = msgspec.json.decode(request.get_data(), type=PauseRequest)
        except INVALID as error:
            return _refusal(error)
        runner, options = self._environment.runner, self._environment.parsed_options
        is_running = runner is not None and runner.state in {STATE_SPAWNING, STATE_RUNNING}
        if not is_running or options is None:
            return _error_response(409, "No test runs.")
        set_paused(options, order.paused)
        return jsonify(paused=is_paused(options))


INVALID: Final = (msgspec.MsgspecError, RecursionError, ChoiceError, SplitControlError)


def _refusal(error: Exception) -> Response:
    if isinstance(error, ConflictError):
        return _error_response(409, str(error))
    if isinstance(error, ChoiceError | InvalidSplitError):
        return _error_response(422, str(error))
    return _error_response(503 if isinstance(error, SplitControlError) else 400, str(error))


def _error_response(status: int, line: str) -> Response:
    response = jsonify(message=line)
    response.status_code = status
    return response


def _secure_headers(response: Response) -> Response:
    """Remove the headers that let other origins read, and add those that restrict the page."""
    for name in [name for name, _ in response.headers if name.startswith("Access-Control-")]:
        del response.headers[name]
    for name, value in HEADERS.items():
        response.headers[name] = value
    if response.mimetype == "application/json":
        response.headers["Cache-Control"] = "no-store"
    return response
