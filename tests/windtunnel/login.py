"""The CRUD scenario behind a login: `GET /enter` lets in whoever asks."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect
from flask_login import UserMixin, login_user  # type: ignore[import-untyped]
from locust import events
from locust.env import Environment

from locustfiles.crud import CrudUser

__all__ = ["CrudUser"]


class Person(UserMixin):  # type: ignore[misc]
    id = "person"


@events.init.add_listener  # type: ignore[untyped-decorator]
def protect(environment: Environment, **_: Any) -> None:
    web_ui = environment.web_ui
    assert web_ui is not None
    assert web_ui.app is not None
    web_ui.app.secret_key = "for tests"
    web_ui.login_manager.user_loader(lambda _: Person())

    @web_ui.app.route("/enter")
    def enter() -> Response:
        login_user(Person())
        return redirect("/")  # type: ignore[return-value]
