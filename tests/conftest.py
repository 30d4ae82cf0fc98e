"""What holds for every test."""

from __future__ import annotations

import sys

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to begin where a test module imports Locust, which patches the whole process.

    Threads would be greenlets, and what waits for one would wait for ever, many tests later.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise pytest.UsageError("a test module imports locust: use it in a process of its own")
