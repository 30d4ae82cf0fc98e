"""Gives every process of a test its course, and a new one whenever the arguments change.

Locust's web UI keeps the arguments editable while a test runs and fires no event for it.
"""

from __future__ import annotations

import logging
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import gevent

from windtunnel.live.load_profile import LoadProfile, course

LOOK_EVERY: Final = 0.2
"""Seconds between two looks at the arguments."""

log = logging.getLogger("windtunnel")


class LoadController:
    """Tells courses until it is let go of. `members` names the processes that are there now.

    Should one of them end, the others take over its share, and `lose` is told which it was, and
    of how many. `turned` holds when (seconds of the
    epoch) the course of the whole changed, its beginning first.
    """

    def __init__(
        self,
        options: Namespace,
        members: Callable[[], Sequence[str]],
        tell: Callable[[str, LoadProfile], None],
        lose: Callable[[str, int], None],
    ) -> None:
        self._options = options
        self._members = members
        self._tell = tell
        self._lose = lose
        self._told: dict[str, LoadProfile] = {}
        self._said: LoadProfile | None = None
        self.turned: list[float] = []
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    @property
    def parts(self) -> int:
        """How many share the load."""
        return len(self._told)

    def let_go(self) -> None:
        """Tell no more."""
        self._greenlet.kill()

    def _work(self) -> None:
        while True:
            self._look()
            gevent.sleep(LOOK_EVERY)

    def _look(self) -> None:
        members = self._members()
        wanted = {m: course(self._options, i, len(members)) for i, m in enumerate(members)}
        for member, its in wanted.items():
            if self._told.get(member) != its:
                self._tell(member, its)
        for member in self._told.keys() - wanted.keys():
            self._lose(member, len(self._told))
        self._told = wanted
        for its in list(wanted.values())[:1]:
            whole = replace(its, parts=1)
            if whole != self._said:
                log.info("%s", whole)
                self.turned.append(time.time())
            self._said = whole
