"""What holds for every test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
SHARED = ("engines", "browser")
"""Folders whose tests share servers: one process runs them all. They take longest, so come first.
"""


def pytest_configure() -> None:
    """Forget the width that a test process beside others is told: reports would heed it."""
    os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares servers, in the order of collection otherwise."""
    items.sort(key=lambda item: SHARED.index(name) if (name := _folder(item)) in SHARED else 9)
    for item in items:
        name = _folder(item)
        item.add_marker(pytest.mark.xdist_group(name if name in SHARED else str(item.path)))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).parts[0]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to begin where a test module imports Locust, which patches the whole process.

    Threads would be greenlets, and what waits for one would wait for ever, many tests later.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise pytest.UsageError("a test module imports locust: use it in a process of its own")
