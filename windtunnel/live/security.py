"""Who may ask for what on the page that changes this machine's nginx.

A browser runs the pages of strangers beside ours, and they can send requests to 127.0.0.1 as well:
directly (other origin), under a name of theirs that resolves to us (other host), or in a frame.
Locust's web UI lets any origin read its answers; nothing under this page does.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from flask import Flask, Request

TOKEN_HEADER: Final = "X-Windtunnel-Token"  # noqa: S105 - the name of a header

BODY_AT_MOST: Final = 16_384
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
"""What every answer says; plotly writes style attributes, so these are let in."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Refusal(NamedTuple):
    """An HTTP status and one line for a person."""

    status: int
    line: str


class Guard:
    """Lets a request pass, or says why not. `host` is what the web UI is bound to."""

    def __init__(self, host: str, port: Callable[[], int]) -> None:
        self.token = secrets.token_urlsafe(32)
        self._host = host
        self._port = port

    @property
    def closed(self) -> str | None:
        """Why nothing may be changed at all, in one line, or None."""
        if self._host in LOOPBACK:
            return None
        where = self._host or "every address of this machine"
        return (
            f"The web UI listens on {where}: nothing is changed from here. "
            "Start Locust with --web-host 127.0.0.1, or use `windtunnel split`."
        )

    def refuses(self, request: Request) -> Refusal | None:
        """Return why a request may not be answered, or None if it may."""
        if request.method not in {"GET", "HEAD", "POST"}:
            return Refusal(405, f"{request.method} is not known here")
        return (
            self._foreign_host(request)
            or self._foreign_origin(request)
            or (self._no_change(request) if request.method == "POST" else None)
        )

    def _foreign_host(self, request: Request) -> Refusal | None:
        """Refuse another name than ours: one that a stranger let resolve to this machine."""
        told = request.environ.get("HTTP_HOST", "")
        if self._host not in LOOPBACK or told in self._names(request.scheme):
            return None
        return Refusal(403, f"{told[:100]!r} is not an address of this web UI")

    def _names(self, scheme: str) -> set[str]:
        names = {"localhost", f"[{self._host}]" if ":" in self._host else self._host}
        port = self._port()
        bare = names if port == _DEFAULT_PORTS[scheme] else set()
        return bare | {f"{name}:{port}" for name in names}

    def _foreign_origin(self, request: Request) -> Refusal | None:
        changes = request.method == "POST"
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        own = f"{request.scheme}://{request.environ.get('HTTP_HOST', '')}"
        if origin != own and (changes or origin is not None):
            return Refusal(403, "another origin than this page's may not ask")
        if site in {None, "same-origin"} or (not changes and (site == "none" or _visit(request))):
            return None
        return Refusal(403, "another site than this page's may not ask")

    def _no_change(self, request: Request) -> Refusal | None:
        if self.closed:
            return Refusal(403, self.closed)
        given = request.headers.get(TOKEN_HEADER, "").encode()
        if not hmac.compare_digest(given, self.token.encode()):
            return Refusal(403, "the page is of an earlier start of Locust: load it again")
        if request.mimetype != "application/json":
            return Refusal(415, "a change is application/json")
        if request.content_length is None:
            return Refusal(411, "a change says its length")
        if request.content_length > BODY_AT_MOST:
            return Refusal(413, f"a change has at most {BODY_AT_MOST} bytes")
        return None


def _visit(request: Request) -> bool:
    """Whether a person follows a link to the page, which shows itself in no frame."""
    headers = request.headers
    return headers.get("Sec-Fetch-Mode") == "navigate" and (
        headers.get("Sec-Fetch-Dest") == "document"
    )


# Where Locust's web app is reached: the front of all its addresses, as `--web-base-path` says.


def base_path(app: Flask) -> str:
    """Return what stands before each address, empty or such as `/load`."""
    swarm = next(rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith("/swarm"))
    return swarm.removesuffix("/swarm")
