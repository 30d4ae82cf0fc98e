"""A master: divides a test among its workers and collects what they record.

A worker is sent the ids of its own records ahead of the order to spawn users, on the same socket,
so they are there in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
from locust.runners import MasterRunner

from windtunnel.live.coordinator import Coordinator
from windtunnel.live.load_profile import LoadProfile, rates
from windtunnel.live.preparation import Preparation, population_part
from windtunnel.live.role import ASSIGNMENT, LOAD, STOP, StopOrder, WorkerAssignment


class MasterRole(Coordinator):
    """Controls a test and sends nothing itself."""

    _runner: MasterRunner
    report_delay_s = 7
    """Workers send every three seconds what they recorded."""

    _workers: Sequence[str] = ()
    """The ids of the workers that a test began with, by rank."""

    def _begin_members(self) -> Sequence[str]:
        self._workers = self._connected()
        return self._workers

    def _members(self) -> Sequence[str]:
        connected = set(self._connected())
        return [worker for worker in self._workers if worker in connected]

    def _connected(self) -> list[str]:
        """Return the ids of the workers that take part now, as Locust orders them."""
        clients = self._runner.clients
        return sorted(client.id for client in clients.ready + clients.running + clients.spawning)

    def _assign(self, preparation: Preparation) -> None:
        workers = len(self._workers)
        for rank, worker in enumerate(self._workers):
            assignment = WorkerAssignment(
                preparation.config,
                {s: population_part(ids, rank, workers) for s, ids in preparation.ids.items()},
                -(-self._runner.target_user_count // workers),
                rank,
                max(1, self._options.max_in_flight // workers),
                bool(rates(self._options)),
            )
            self._send(worker, ASSIGNMENT, assignment)

    def _send_profile(self, member: str, profile: LoadProfile) -> None:
        self._send(member, LOAD, profile)

    def _stop_members(self, timeout: float) -> None:
        """Let the workers end; those that send no last report are lost."""
        stopped_at, members = perf_counter(), self._members()
        for worker in members:
            self._send(worker, STOP, StopOrder(timeout))
        silent = self._recording.await_last(members, timeout)
        parts = len(self._workers) if self.controller is None else self.controller.member_count
        for worker in self._workers:
            if worker in silent or worker not in members:
                self._recording.lose(worker, max(1, parts), stopped_at)

    def _send(self, worker: str, kind: str, message: Any) -> None:
        self._runner.send_message(kind, msgspec.to_builtins(message), worker)
