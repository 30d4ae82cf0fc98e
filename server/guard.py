"""Refuses requests that a page of another site makes a browser send.

A page that somebody visits can send requests to any address that the visitor reaches: with an
image, or under a name of its own that it lets point here (DNS rebinding). Programs (curl, a load
generator, nginx) pass: they send neither Origin nor Sec-Fetch-Site, and an address that is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

KNOWN_LIMIT = 1000
"""Values of the Host header that are remembered."""


class RequestGuard:
    """Decides by a request's Host, Origin and Sec-Fetch-Site whether it is served.

    `names` are the host names that are ours, besides IP addresses and localhost.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names if name)}
        self.known: set[str] = set()
        """Values of Host that are served: where one is in here, it need not be checked again."""

    def refusal(self, host: str, site: str, origin: str) -> str | None:
        """Return why a request is refused, or None; '' stands for a header that is not there."""
        if host not in self.known:
            if not self._is_ours(host):
                return (
                    f"the host {host[:100]!r} is not served here: use an IP address or localhost, "
                    "or start the server with --allowed-hosts"
                )
            if len(self.known) < KNOWN_LIMIT:
                self.known.add(host)
        if site == "cross-site":
            return "a page of another site may not ask"
        if origin and origin.partition("://")[2].lower() != host.lower():
            return "a page of another origin may not ask"
        return None

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host).lower().rstrip(".")
        if name in self._names:
            return True
        try:
            ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (name.endswith("]") or ":" not in name) else host
