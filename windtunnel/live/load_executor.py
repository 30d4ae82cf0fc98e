"""Sends the load of one process under Locust: closed users, or its share of the open rates."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

import gevent
from locust.env import Environment

from windtunnel.live.load_profile import LoadProfile
from windtunnel.workload.arrivals import Share
from windtunnel.workload.open_load import OpenLoad
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserPool

SWITCH_TIMEOUT_S: Final = 3.0
"""What requests in flight get when the load turns from open to closed, or back."""

_POLL_S: Final = 0.01


class LoadExecutor:
    """Applies one load profile after the other until it is stopped.

    `is_open` says whether the first one is open, as closed users must not begin before it is there.
    """

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        user_pool: UserPool,
        max_in_flight: int,
        *,
        is_open: bool,
    ) -> None:
        self.load = OpenLoad(user_classes, environment, user_pool, max_in_flight)
        self._user_pool = user_pool
        self._profile = LoadProfile()
        if is_open:
            user_pool.closed_load.clear()

    def apply(self, profile: LoadProfile) -> None:
        """Send the load of a profile from now on; a turn from closed to open, or back, waits."""
        if profile == self._profile:
            return
        self._profile = profile
        if profile.paused:
            self._user_pool.closed_load.clear()
            self.load.pause()
        elif profile.rates:
            self._user_pool.closed_load.clear()
            self._wait_for_users()
            self.load.run(profile.rates, profile.arrivals, Share(profile.index, profile.parts))
        else:
            self.load.pause()
            self.load.drain(SWITCH_TIMEOUT_S)
            self.load.drop_uncertain_records()
            self._user_pool.closed_load.set()

    def stop(self, timeout: float) -> None:
        """Send no more, and wait for the answers, at most `timeout` seconds."""
        self.load.end(perf_counter())
        self.load.drain(timeout)
        self.load.close()

    def _wait_for_users(self) -> None:
        deadline = perf_counter() + SWITCH_TIMEOUT_S
        while self._user_pool.has_users and perf_counter() < deadline:
            gevent.sleep(_POLL_S)
