"""Watches the servers during a test under Locust, and the CPU time of all processes involved.

There is one monitor per test, in the process that has the web UI, whichever processes send the
load. It follows the split: processes that nginx gains are watched, those that it loses are not.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import gevent
import msgspec
import psutil

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.live.server_probe import ServerProbe
from windtunnel.recording.cpu import LOOPBACK, CpuMeter, groups
from windtunnel.recording.health import cpu_ticks, stolen_share
from windtunnel.recording.results import CpuSeconds
from windtunnel.runner.side_measurements import SideMeasurements, process_ended
from windtunnel.workload.open_loop import drain

SPLIT: Final = "/split"
SPLIT_INTERVAL_S: Final = 3.0
"""Between two readings of the split."""

CPU_INTERVAL_S: Final = 10.0
"""Between two readings of CPU time, which look at every process of the machine."""

DRAIN_TIMEOUT_S: Final = 1.0
"""For the bystanders' last requests; what has no answer by then failed."""

POLL_OFFSET_S: Final = 0.7
"""When in a second processes are polled, so that their figures are there when it is over."""

STARTUP_S: Final = 1.0
"""Until servers have answered with their pids, and have opened their stores."""

MAX_SCANS: Final = 2
"""How often the kernel's table of connections is read for a set of servers; it takes 40 ms."""

RESCAN_INTERVAL: Final = 12
"""Readings after which it is read again all the same."""

T = TypeVar("T")

_POLL_SPACING_S: Final = 0.03

log = logging.getLogger("windtunnel")


class _SplitProcess(msgspec.Struct):
    port: int


class _SplitPool(msgspec.Struct):
    processes: list[_SplitProcess]


class _SplitDocument(msgspec.Struct):
    pools: dict[str, _SplitPool]


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU seconds of each group and ticks of the machine, up to a second of the epoch."""

    at: int
    cpu_s: Mapping[str, float]
    ticks: tuple[int, int]


class Monitor:
    """Watches the servers behind `url` from its creation until `stop`."""

    def __init__(self, url: str) -> None:
        self.probes: dict[str, ServerProbe] = {}
        self.cpu_meter = CpuMeter()
        self._url = url
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._is_nginx = False
        self._ticks = cpu_ticks()
        self._client = Client(Address(url), Deadlines(SPLIT_INTERVAL_S))
        self.generator_s = 0.0
        """CPU seconds of all processes that send, as they report them."""
        self._readings: deque[CpuReading] = deque(maxlen=2)
        self._groups: dict[str, list[int]] = {}
        self._greenlets = [gevent.spawn(self._follow_split), gevent.spawn(self._read_cpu)]

    def drain(self) -> None:
        """Send no more, and wait a moment for the answers."""
        loops = [probe.bystander.loop for probe in self.probes.values()]
        for loop in loops:
            loop.end(perf_counter())
        drain(loops, DRAIN_TIMEOUT_S)

    def stop(self) -> None:
        """Watch no more."""
        gevent.killall(self._greenlets)
        for probe in self.probes.values():
            probe.close()
        self._client.close()

    @property
    def active_probes(self) -> list[ServerProbe]:
        """The probes of the processes that serve now."""
        return [probe for probe in self.probes.values() if probe.is_active]

    def surroundings(self, last: bool) -> SideMeasurements:
        """Return what went on beside the load so far; CPU time is read anew the `last` time.

        What a process spent that ended without leaving the split is unknown.
        """
        if last and self._groups:
            self.cpu_meter.update(self._groups)
        bystander = []
        for probe in list(self.probes.values()):
            bystander.append(probe.bystander.result())
            gevent.sleep(0)  # it takes a millisecond each
        ended = self._ended()
        cpu_s = {name: s for name, s in self.cpu_meter.seconds().items() if name not in ended}
        return SideMeasurements(
            bystander=bystander,
            cpu_s=msgspec.convert(cpu_s, CpuSeconds),
            flags=[process_ended(name) for name in ended],
            steal=stolen_share(self._ticks, cpu_ticks()),
        )

    @property
    def last_readings(self) -> tuple[CpuReading, CpuReading] | None:
        """The last two readings, if there are two."""
        return (self._readings[0], self._readings[1]) if len(self._readings) == 2 else None

    # -- the split --------------------------------------------------------------------

    def _follow_split(self) -> None:
        while True:
            addresses = self._addresses()
            if addresses is not None:
                self._update_probes(addresses)
            gevent.sleep(SPLIT_INTERVAL_S)

    def _addresses(self) -> Mapping[str, str | None] | None:
        """Return the URL of each process with its pool; None if the split cannot be read now."""
        answer = self._client.request("GET", SPLIT)
        if answer.status == 200:
            try:
                pools = msgspec.json.decode(answer.body, type=_SplitDocument).pools
            except msgspec.MsgspecError:
                return None
            self._is_nginx = True
            return {
                f"http://{self._host}:{process.port}": name
                for name, pool in pools.items()
                for process in pool.processes
            }
        return {self._url: None} if answer.status and not self._is_nginx else None

    def _update_probes(self, addresses: Mapping[str, str | None]) -> None:
        for url, probe in self.probes.items():
            if probe.is_active and url not in addresses:
                probe.stop()
        for url, pool in addresses.items():
            probe = self.probes.get(url) or self._add_probe(url)
            probe.pool = pool or probe.pool
            if not probe.is_active:
                probe.start()
                self._greenlets.append(gevent.spawn(self._poll, probe))

    def _add_probe(self, url: str) -> ServerProbe:
        probe = self.probes[url] = ServerProbe(url, len(self.probes))
        return probe

    def _poll(self, probe: ServerProbe) -> None:
        offset = POLL_OFFSET_S + _POLL_SPACING_S * (len(self.probes) % 8)
        while probe.is_active:
            probe.poll()
            gevent.sleep(max(1 - (time.time() - offset) % 1, 0.05))

    # -- CPU time ---------------------------------------------------------------------

    def _read_cpu(self) -> None:
        gevent.sleep(STARTUP_S)
        scans: dict[tuple[int, ...], int] = {}
        for reading in range(10**9):
            try:
                if self._host in LOOPBACK:
                    pids = tuple(self._server_pids())
                    scans[pids] = scans.get(pids, 0) + 1
                    if scans[pids] <= MAX_SCANS or not reading % RESCAN_INTERVAL:
                        self._groups = self._merge_groups(
                            _in_thread(groups, pids, self._nginx_port)
                        )
                    _in_thread(self.cpu_meter.update, self._groups)
                self._readings.append(self._reading())
            except (psutil.Error, OSError) as error:
                log.debug("CPU time is unknown: %s", error)
            gevent.sleep(CPU_INTERVAL_S)

    def _reading(self) -> CpuReading:
        cpu_s = {"generator": self.generator_s, **self.cpu_meter.seconds()}
        return CpuReading(int(time.time()), cpu_s, cpu_ticks())

    def _server_pids(self) -> Sequence[int]:
        return [
            probe.pid for probe in self.active_probes if probe.pid and psutil.pid_exists(probe.pid)
        ]

    def _ended(self) -> list[str]:
        """The groups of which a process of this machine ended."""
        if self._host not in LOOPBACK:
            return []
        groups = {
            **self._groups,
            "server": {pid for probe in self.active_probes for pid in probe.pids},
        }
        return [name for name, pids in groups.items() if not all(map(_is_alive, pids))]

    @property
    def _nginx_port(self) -> int | None:
        return self._port if self._is_nginx else None

    def _merge_groups(self, scanned: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Add the pids of a scan to those of earlier ones: databases may be idle for a while."""
        names = {*self._groups, *scanned}
        return {n: sorted({*self._groups.get(n, ()), *scanned.get(n, ())}) for n in names}


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _in_thread(function: Callable[..., T], *args: Any) -> T:
    """Call a function that takes milliseconds in a thread, so that requests are not delayed."""
    result: T = gevent.get_hub().threadpool.apply(function, args)
    return result
