"""Where Locust's web app is reached: the front of all its addresses, as `--web-base-path` says."""

from __future__ import annotations

from flask import Flask


def front(app: Flask) -> str:
    """Return what stands before each address, empty or such as `/load`."""
    swarm = next(rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith("/swarm"))
    return swarm.removesuffix("/swarm")
