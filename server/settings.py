"""Settings of a server process, read once from its arguments and its environment."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from server.addresses import host_port

MAX_SOCKET_PATH = 103
"""Bytes of a unix socket's path that every system has room for (unix(7): 108 with a zero)."""

REQUEST_ID = r"[A-Za-z0-9._~:/+=@-]{1,64}"
"""The request ids of clients that are kept, here and by nginx; others are replaced."""

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one server process. Times are in seconds.

    With `unix`, the path of a socket, it listens there and on no port.
    """

    port: int = 10001
    host: str = "127.0.0.1"
    unix: Path | None = None
    pool: str = "fast"
    loop: str = "asyncio"
    connections: int = 10
    deadline: float = 2.0
    idle: float = 60.0
    allowed_hosts: frozenset[str] = frozenset()
    engines: Path | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL that it is reached at."""
        return f"unix:{self.unix}" if self.unix else f"http://{host_port(self.host, self.port)}"

    def address_key(self, service: str, durability: str) -> str | None:
        """Return the key in `addresses` of a service, for this durability or for all, or None."""
        name = address_key(service)
        keys = (f"{name}_{durability.upper()}", name)
        return next((key for key in keys if key in self.addresses), None)


def address_key(service: str) -> str:
    """Return what stands between WINDTUNNEL_ and _URL in the name of a service's variable."""
    return service.upper().replace("-", "_")


def variable_of(key: str) -> str:
    """Return the environment's variable of a key of `Settings.addresses`."""
    return f"WINDTUNNEL_{key}_URL"


def addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of WINDTUNNEL_<SERVICE>[_<DURABILITY>]_URL by their middle part."""
    return {
        name.removeprefix("WINDTUNNEL_").removesuffix("_URL"): value
        for name, value in environ.items()
        if name.startswith("WINDTUNNEL_") and name.endswith("_URL") and value.strip()
    }


def _number_between(parse: Callable[[str], N], lowest: N, highest: N) -> Callable[[str], N]:
    def number(text: str) -> N:
        value = parse(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest} and {highest}")
        return value

    return number


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a word of letters, digits, - and _")
    return text


def _hosts(text: str) -> frozenset[str]:
    """Read host names; a port is left out, as it says nothing of who is asked."""
    names = (name for name in re.split(r"[,\s]+", text.lower()) if name)
    return frozenset(re.sub(r":\d+$", "", name) for name in names)


def _socket(text: str) -> Path:
    path = Path(text).absolute()
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise argparse.ArgumentTypeError(f"a socket's path has {MAX_SOCKET_PATH} bytes at most")
    return path


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server", description="One Tornado process of Windtunnel's server."
    )
    add = parser.add_argument
    add("--port", type=_number_between(int, 0, 65535), default=10001, help="0 picks a free one")
    add("--host", default="127.0.0.1", help="the address to listen on")
    add("--unix", type=_socket, metavar="PATH", help="listen on a unix socket, and on no port")
    add(
        "--pool",
        type=_word,
        default="fast",
        help="its pool: fast, slow, ...",
    )
    add("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    add(
        "--connections",
        type=_number_between(int, 1, 1000),
        default=10,
        help="connections (and threads) of each store; a blocking store uses one",
    )
    add(
        "--deadline",
        type=_number_between(float, 0.05, 600.0),
        default=2.0,
        help="seconds after which a database that does not answer is a 503",
    )
    add(
        "--idle",
        type=_number_between(float, 0.1, 86_400.0),
        default=60.0,
        help="seconds unused after which a store closes its connections",
    )
    add(
        "--allowed-hosts",
        type=_hosts,
        default=environ.get("WINDTUNNEL_ALLOWED_HOSTS", ""),
        metavar="NAME,NAME",
        help="names it is reached by besides IP addresses and localhost; "
        "default: WINDTUNNEL_ALLOWED_HOSTS",
    )
    return parser


def read(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a command line; exits with status 2 on a wrong one."""
    arguments = _parser(environ).parse_args(argv)
    folder = environ.get("WINDTUNNEL_ENGINES")
    return Settings(
        **vars(arguments),
        engines=Path(folder) if folder else None,
        addresses=addresses(environ),
    )
