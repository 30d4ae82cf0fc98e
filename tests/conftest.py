"""What holds for every test."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ORDER = {"tests/engines": 0, "tests/browser": 1}
"""Folders whose tests share servers. They take longest, so they come first."""


settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
"""Properties are about values: how long an example takes on a busy machine says nothing."""


def pytest_configure() -> None:
    """Forget what whoever started the tests left to all that they start.

    That is the width that a test process beside others is told, as reports would heed it, and the
    signals that are ignored in the background and under nohup, as what is ended by them would be.
    """
    os.environ.pop("COLUMNS", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, in the order of collection otherwise."""
    items.sort(key=lambda item: ORDER.get(_shared(item.nodeid), len(ORDER)))


class ByServers(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process whole files, or whole folders where tests share servers."""

    def _split_scope(self, nodeid: str) -> str:
        return _shared(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServers:
    """Take ours; the groups that xdist offers are without effect on the pytest of the lock."""
    return ByServers(config, log)


def _shared(nodeid: str) -> str:
    """What a test shares servers with: a folder of `ORDER`, else its file."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in ORDER if file.startswith(f"{folder}/")), file)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to begin where a test module imports Locust, which patches the whole process.

    Threads would be greenlets, and what waits for one would wait for ever, many tests later.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        raise pytest.UsageError("a test module imports locust: use it in a process of its own")
