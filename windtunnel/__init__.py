"""Windtunnel: load tests of HTTP servers, from a scenario to figures that can be trusted.

What a scenario of one's own needs is imported from here; `docs/adding-a-scenario.md` shows how.
Names are resolved on first use, so that importing the package loads neither gevent nor locust.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windtunnel.client.address import Address
    from windtunnel.client.client import Client
    from windtunnel.client.deadlines import Deadlines
    from windtunnel.client.response import OK, WRONG, Response
    from windtunnel.live.arguments import Defaults
    from windtunnel.live.session import Session
    from windtunnel.workload.record_user import RecordUser, SlowUser
    from windtunnel.workload.slow import SlowKind, SlowWork
    from windtunnel.workload.user import StoreUser
    from windtunnel.workload.user_pool import Assignment

__all__ = [
    "OK",
    "WRONG",
    "Address",
    "Assignment",
    "Client",
    "Deadlines",
    "Defaults",
    "RecordUser",
    "Response",
    "Session",
    "SlowKind",
    "SlowUser",
    "SlowWork",
    "StoreUser",
]

_MODULES = {
    "OK": "client.response",
    "WRONG": "client.response",
    "Address": "client.address",
    "Assignment": "workload.user_pool",
    "Client": "client.client",
    "Deadlines": "client.deadlines",
    "Defaults": "live.arguments",
    "RecordUser": "workload.record_user",
    "Response": "client.response",
    "Session": "live.session",
    "SlowKind": "workload.slow",
    "SlowUser": "workload.record_user",
    "SlowWork": "workload.slow",
    "StoreUser": "workload.user",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
