"""A test in one process: it controls the load and sends it too."""

from __future__ import annotations

from collections.abc import Sequence

from windtunnel.live.coordinator import Coordinator
from windtunnel.live.load_profile import LoadProfile, rates
from windtunnel.live.preparation import Preparation, make_user_pool
from windtunnel.live.recording_session import LOCAL_MEMBER


class LocalRole(Coordinator):
    """The only process of a test."""

    report_delay_s = 1

    def _begin_members(self) -> Sequence[str]:
        return [LOCAL_MEMBER]

    def _members(self) -> Sequence[str]:
        return [LOCAL_MEMBER]

    def _assign(self, preparation: Preparation) -> None:
        parts = {store: (0, ids) for store, ids in preparation.ids.items()}
        user_pool = make_user_pool(preparation.config, parts, self._runner.target_user_count)
        self._begin(user_pool, self._options.max_in_flight, is_open=bool(rates(self._options)))

    def _send_profile(self, member: str, profile: LoadProfile) -> None:  # noqa: ARG002
        if self._executor is not None:
            self._executor.apply(profile)

    def _stop_members(self, timeout: float) -> None:
        self._stop_executor(timeout)
