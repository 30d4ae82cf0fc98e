"""Cookies of one client, by the rules of the standard library's jar."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from windtunnel.client.response import final_head

_SET = b"\r\nset-cookie:"


class Cookies:
    """Takes cookies out of answers into `jar`, and puts those that belong into requests."""

    __slots__ = ("jar",)

    def __init__(self, jar: CookieJar) -> None:
        self.jar = jar

    def field(self, url: str) -> str:
        """Return the header line with its CRLF for a request to `url`, or ""."""
        request = Request(url)  # noqa: S310 - nothing is opened
        self.jar.add_cookie_header(request)
        value = request.get_header("Cookie")
        return f"Cookie: {value}\r\n" if value else ""

    def keep(self, url: str, raw: bytes) -> None:
        """Keep what an answer from `url` sets; `raw` are its bytes."""
        head = final_head(raw) or b""
        if _SET in head.lower():
            asked = Request(url)  # noqa: S310 - nothing is opened
            self.jar.extract_cookies(cast(Any, _Received(head)), asked)


class _Received:
    """As much of an answer as a jar looks at."""

    def __init__(self, head: bytes) -> None:
        self._message = Message()
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            self._message[name] = value.strip()

    def info(self) -> Message:
        return self._message
