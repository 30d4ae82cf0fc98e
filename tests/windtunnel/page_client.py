"""Asks a web UI over a real socket, as the page does or as a stranger would."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.windtunnel.interface import Interface

BODY = b'{"paused": true}'


@dataclass(frozen=True)
class PageAnswer:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


class PageClient:
    """Asks a web UI, with whatever headers a stranger's page could or could not make up."""

    def __init__(self, shown: Interface, prefix: str = "") -> None:
        self.port, self.prefix = shown.port, prefix
        self.own = f"http://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> PageAnswer:
        """Send a request; underscores in names of headers are hyphens, None leaves one out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, self.prefix + path, skip_host="Host" in headers)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        response = connection.getresponse()
        answer = PageAnswer(response.status, dict(response.getheaders()), response.read().decode())
        connection.close()
        return answer

    def token(self) -> str:
        return str(json.loads(self.request("GET", "/windtunnel/split").body)["token"])

    def change(self, body: bytes = BODY, path: str = "/load", **headers: str | None) -> PageAnswer:
        """Ask for a change as the page does, but for the headers given."""
        right: dict[str, str | None] = {
            "Origin": self.own,
            "Sec_Fetch_Site": "same-origin",
            "Content_Type": "application/json",
            "X_Windtunnel_Token": self.token(),
            "Content_Length": str(len(body)),
        }
        return self.request("POST", f"/windtunnel{path}", body, **{**right, **headers})
