"""Cookies of one client, by the rules of the standard library's jar."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from windtunnel.client.response import final_head

_SET_COOKIE = b"\r\nset-cookie:"


class Cookies:
    """Stores the cookies of responses in `jar`, and adds them to requests where they belong."""

    __slots__ = ("jar",)

    def __init__(self, jar: CookieJar) -> None:
        self.jar = jar

    def header_line(self, url: str) -> str:
        """Return the Cookie header line, with its CRLF, for a request to `url`, or ""."""
        request = Request(url)  # noqa: S310 - nothing is opened
        self.jar.add_cookie_header(request)
        value = request.get_header("Cookie")
        return f"Cookie: {value}\r\n" if value else ""

    def store(self, url: str, raw: bytes) -> None:
        """Store the cookies that a response from `url` sets; `raw` are its bytes."""
        head = final_head(raw) or b""
        if _SET_COOKIE in head.lower():
            request = Request(url)  # noqa: S310 - nothing is opened
            self.jar.extract_cookies(cast(Any, _ResponseHead(head)), request)


class _ResponseHead:
    """As much of a response as a jar reads."""

    def __init__(self, head: bytes) -> None:
        self._message = Message()
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            self._message[name] = value.strip()

    def info(self) -> Message:
        return self._message
