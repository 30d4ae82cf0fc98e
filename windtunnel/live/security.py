"""The guard of the page that changes this machine's nginx: same origin, Host, token.

A browser also runs pages of other sites, and they can send requests to 127.0.0.1: directly
(another origin), under a name of theirs that resolves to this machine (another Host), or in a
frame. Locust's web UI lets any origin read its answers; nothing under this page does.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from flask import Flask, Request

TOKEN_HEADER: Final = "X-Windtunnel-Token"  # noqa: S105 - the name of a header

MAX_BODY: Final = 16_384
"""Bytes; the largest change takes less than a tenth."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer; plotly writes style attributes, so these are allowed."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Refusal(NamedTuple):
    """Why a request is refused: an HTTP status and one line of text."""

    status: int
    line: str


class Guard:
    """Checks every request to the page. `host` is what the web UI is bound to."""

    def __init__(self, host: str, port: Callable[[], int]) -> None:
        self.token = secrets.token_urlsafe(32)
        self._host = host
        self._port = port

    @property
    def closed(self) -> str | None:
        """Why nothing may be changed from this page at all, in one line, or None."""
        if self._host in LOOPBACK:
            return None
        address = self._host or "every address of this machine"
        return (
            f"The web UI listens on {address}, so nothing can be changed here. "
            "Start Locust with --web-host 127.0.0.1, or use `windtunnel split`."
        )

    def check(self, request: Request) -> Refusal | None:
        """Return why a request is refused, or None."""
        if request.method not in {"GET", "HEAD", "POST"}:
            return Refusal(405, f"{request.method} is not allowed")
        return (
            self._check_host(request)
            or self._check_origin(request)
            or (self._check_change(request) if request.method == "POST" else None)
        )

    def _check_host(self, request: Request) -> Refusal | None:
        """Refuse a foreign name, which another site let resolve to this machine."""
        host = request.environ.get("HTTP_HOST", "")
        if self._host not in LOOPBACK or host in self._own_hosts(request.scheme):
            return None
        return Refusal(403, f"{host[:100]!r} is not an address of this web UI")

    def _own_hosts(self, scheme: str) -> set[str]:
        """Return the values of the Host header that mean this web UI."""
        names = {"localhost", f"[{self._host}]" if ":" in self._host else self._host}
        port = self._port()
        without_port = names if port == _DEFAULT_PORTS[scheme] else set()
        return without_port | {f"{name}:{port}" for name in names}

    def _check_origin(self, request: Request) -> Refusal | None:
        is_change = request.method == "POST"
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        own = f"{request.scheme}://{request.environ.get('HTTP_HOST', '')}"
        if origin != own and (is_change or origin is not None):
            return Refusal(
                403, "only the page itself may send this: the request is from another origin"
            )
        if site in {None, "same-origin"} or (
            not is_change and (site == "none" or _is_navigation(request))
        ):
            return None
        return Refusal(403, "only the page itself may send this: the request is from another site")

    def _check_change(self, request: Request) -> Refusal | None:
        if self.closed:
            return Refusal(403, self.closed)
        token = request.headers.get(TOKEN_HEADER, "").encode()
        if not hmac.compare_digest(token, self.token.encode()):
            return Refusal(403, "the page is from before Locust was restarted: reload it")
        if request.mimetype != "application/json":
            return Refusal(415, "a change must be application/json")
        if request.content_length is None:
            return Refusal(411, "a change must have a Content-Length")
        if request.content_length > MAX_BODY:
            return Refusal(413, f"a change must have at most {MAX_BODY} bytes")
        return None


def _is_navigation(request: Request) -> bool:
    """Whether somebody follows a link to the page; it cannot be shown in a frame."""
    headers = request.headers
    return headers.get("Sec-Fetch-Mode") == "navigate" and (
        headers.get("Sec-Fetch-Dest") == "document"
    )


def base_path(app: Flask) -> str:
    """Return the prefix of all routes of Locust's app (`--web-base-path`): empty, or `/load`."""
    swarm = next(rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith("/swarm"))
    return swarm.removesuffix("/swarm")
