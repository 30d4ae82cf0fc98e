"""Requests as a proxy records them."""

from __future__ import annotations

from validation.proxy import ProxiedRequest

STORE = "memory/async/volatile"


def read(arrival_s: float, response_s: float) -> ProxiedRequest:
    line = f"GET /{STORE}/records/{'0' * 24} HTTP/1.1"
    return ProxiedRequest(line, arrival_s, "", response_s)
