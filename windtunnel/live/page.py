"""`/windtunnel` in Locust's web app: a page to watch pools and stores, and to change the split.

Whatever is asked of it, and of everything below its address, passes the guard first.
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
from windtunnel.live.window import KEPT, RollingWindow

PATH: Final = "/windtunnel"
TEMPLATES: Final = Path(__file__).parent / "templates"
ASSETS: Final = {
    **{path.name: path for path in sorted((TEMPLATES / "windtunnel").iterdir())},
    "plotly.min.js": Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
}
"""All that the page needs, by name: nothing comes from elsewhere."""

A_DAY: Final = 86_400


class SplitChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the split, built on the change number `base`."""

    base: int
    changes: dict[str, str]


class UndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That the change number `base` is to be undone."""

    base: int


class PauseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the load is to be paused."""

    paused: bool


def attach(
    environment: Environment,
    web_ui: WebUI,
    recent: RollingWindow,
    helm: Callable[[], LoadController | None],
) -> None:
    """Add the page to Locust's web app, below the address that its own routes have."""
    app = web_ui.app
    assert app is not None
    Page(environment, web_ui, recent, helm).attach(app, base_path(app))


class Page:
    """The page's routes. `helm` is that of the test that runs, if one does."""

    def __init__(
        self,
        environment: Environment,
        web_ui: WebUI,
        recent: RollingWindow,
        helm: Callable[[], LoadController | None],
    ) -> None:
        self._environment = environment
        self._web_ui = web_ui
        self._guard = Guard(web_ui.host, self._port)
        self._comparison = ChangeEffects(recent, helm)
        self._applying = False

    def attach(self, app: Flask, prefix: str) -> None:
        """Add the routes to Locust's app, behind its login, and the guard in front of them."""
        at = f"{prefix}{PATH}"
        for path, method, view in (
            ("", "GET", self._page),
            ("/assets/<name>", "GET", self._asset),
            ("/split", "GET", self._split),
            ("/split", "POST", self._change),
            ("/split/differences", "POST", self._differences),
            ("/split/undo", "POST", self._undo),
            ("/load", "POST", self._hold),
            ("/effect/<int:number>", "GET", self._effect),
        ):
            name = f"windtunnel{path}:{method}".replace(".", "-")
            shown = self._web_ui.auth_required_if_enabled(view)
            app.add_url_rule(at + path, name, shown, methods=[method])

        def ours() -> bool:
            rule = request.url_rule.rule if request.url_rule else request.path
            return rule == at or rule.startswith(f"{at}/")

        def guarded() -> Response | None:
            refusal = self._guard.refuses(request) if ours() else None
            return None if refusal is None else _wrong(*refusal)

        def sealed(response: Response) -> Response:
            return _sealed(response) if ours() else response

        app.before_request(guarded)
        app.after_request_funcs.setdefault(None, []).insert(0, sealed)  # runs last, after CORS

    def _port(self) -> int:
        server = self._web_ui.server
        return int(server.server_port if server is not None else self._web_ui.port)

    # -- reading --------------------------------------------------------------------------------

    def _page(self) -> Response:
        return send_file(TEMPLATES / "windtunnel.html", max_age=0)

    def _asset(self, name: str) -> Response:
        if name not in ASSETS:
            return _wrong(404, "there is no such file")
        return send_file(ASSETS[name], max_age=A_DAY if name == "plotly.min.js" else 0)

    def _split(self) -> Response:
        """Tell the split in force, what can be chosen, late changes, and the token for changing."""
        told: dict[str, Any] = {
            "closed": self._guard.closed,
            "token": None if self._guard.closed else self._guard.token,
            "applying": self._applying,
        }
        try:
            found = split_control.shown()
        except SplitControlError as error:
            return jsonify(**told, missing=str(error), history=[])
        allowed = choices(found.flat, found.balances)
        return jsonify(
            **told,
            missing=None,
            aside=self._aside(found.nginx),
            **allowed.told(),
            history=found.told(time() - KEPT),
            base=found.last,
            undoable=found.undoable,
        )

    def _aside(self, nginx: str) -> str | None:
        """Why a change will not be seen in the load, or None."""
        options = self._environment.parsed_options
        url = nginx if options is None else url_of(options.target, options.host)
        if url == nginx:
            return None
        return f"The load goes to {url}, not through the nginx of this stack, {nginx}."

    def _effect(self, number: int) -> Response:
        try:
            return jsonify(self._comparison.of(number, split_control.shown().history))
        except (SplitControlError, LookupError) as error:
            return jsonify(nothing=str(error))

    # -- changing -------------------------------------------------------------------------------

    def _differences(self) -> Response:
        """Tell what a change would change; it changes nothing."""
        try:
            wanted = msgspec.json.decode(request.get_data(), type=SplitChange)
            found = split_control.shown()
            choices(found.flat, found.balances).check(wanted.changes)
            return jsonify(differences=split_control.differences(wanted.changes))
        except REFUSED as error:
            return _refused(error)

    def _change(self) -> Response:
        try:
            wanted = msgspec.json.decode(request.get_data(), type=SplitChange)
            found = split_control.shown()
            choices(found.flat, found.balances).check(wanted.changes)
            if not split_control.differences(wanted.changes):
                return _wrong(422, "this is the split already")
            return self._switched(wanted.base, wanted.changes)
        except REFUSED as error:
            return _refused(error)

    def _undo(self) -> Response:
        try:
            undone = msgspec.json.decode(request.get_data(), type=UndoRequest)
            return self._switched(undone.base, None)
        except REFUSED as error:
            return _refused(error)

    def _switched(self, base: int, changes: dict[str, str] | None) -> Response:
        if self._applying:
            raise ConflictError("A change is being applied: wait for it.")
        self._applying = True
        try:
            return jsonify(split_control.change(base, changes))
        finally:
            self._applying = False

    def _hold(self) -> Response:
        """Pause the load, or let it go on."""
        try:
            held = msgspec.json.decode(request.get_data(), type=PauseRequest)
        except REFUSED as error:
            return _refused(error)
        runner, options = self._environment.runner, self._environment.parsed_options
        running = runner is not None and runner.state in {STATE_SPAWNING, STATE_RUNNING}
        if not running or options is None:
            return _wrong(409, "No test runs.")
        set_paused(options, held.paused)
        return jsonify(paused=is_paused(options))


REFUSED: Final = (msgspec.MsgspecError, RecursionError, ChoiceError, SplitControlError)


def _refused(error: Exception) -> Response:
    if isinstance(error, ConflictError):
        return _wrong(409, str(error))
    if isinstance(error, ChoiceError | InvalidSplitError):
        return _wrong(422, str(error))
    return _wrong(503 if isinstance(error, SplitControlError) else 400, str(error))


def _wrong(status: int, line: str) -> Response:
    response = jsonify(message=line)
    response.status_code = status
    return response


def _sealed(response: Response) -> Response:
    """Take back what lets other origins read, and say what the page may do."""
    for name in [name for name, _ in response.headers if name.startswith("Access-Control-")]:
        del response.headers[name]
    for name, value in HEADERS.items():
        response.headers[name] = value
    if response.mimetype == "application/json":
        response.headers["Cache-Control"] = "no-store"
    return response
