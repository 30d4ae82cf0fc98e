"""Gives every process of a test its load profile, and a new one whenever the arguments change.

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

from windtunnel.live.load_profile import LoadProfile, load_profile

CHECK_INTERVAL_S: Final = 0.2

log = logging.getLogger("windtunnel")


class LoadController:
    """Keeps the processes of a test at the load of its arguments until it is stopped.

    `members` names the processes that take part now, `send` gives one of them its profile. When
    one ends, the others take over its share, and `lose` is called with its name and how many
    shared the load. `changed_at` lists when (seconds of the epoch) the load of the whole test
    changed, its start first.
    """

    def __init__(
        self,
        options: Namespace,
        members: Callable[[], Sequence[str]],
        send: Callable[[str, LoadProfile], None],
        lose: Callable[[str, int], None],
    ) -> None:
        self._options = options
        self._members = members
        self._send = send
        self._lose = lose
        self._profiles: dict[str, LoadProfile] = {}
        self._logged: LoadProfile | None = None
        self.changed_at: list[float] = []
        self._greenlet: gevent.Greenlet = gevent.spawn(self._run)

    @property
    def member_count(self) -> int:
        """How many processes share the load."""
        return len(self._profiles)

    def stop(self) -> None:
        """Send no more profiles."""
        self._greenlet.kill()

    def _run(self) -> None:
        while True:
            self._update()
            gevent.sleep(CHECK_INTERVAL_S)

    def _update(self) -> None:
        members = self._members()
        profiles = {m: load_profile(self._options, i, len(members)) for i, m in enumerate(members)}
        for member, profile in profiles.items():
            if self._profiles.get(member) != profile:
                self._send(member, profile)
        for member in self._profiles.keys() - profiles.keys():
            self._lose(member, len(self._profiles))
        self._profiles = profiles
        if members:
            self._log_change(replace(profiles[members[0]], parts=1))

    def _log_change(self, profile: LoadProfile) -> None:
        if profile != self._logged:
            log.info("%s", profile)
            self.changed_at.append(time.time())
        self._logged = profile
