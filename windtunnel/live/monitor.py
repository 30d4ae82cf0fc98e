"""What goes on beside a test under Locust: its server processes, and the CPU time that all take.

One monitor for a test, in the process that has the web UI, whoever sends the load. It follows the
split: processes that nginx gains are watched, those that it loses are left alone.
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
from windtunnel.client.timers import Deadlines
from windtunnel.live.server_probe import ServerProbe
from windtunnel.recording.cpu import LOOPBACK, CpuMeter, groups
from windtunnel.recording.health import cpu_ticks
from windtunnel.workload.open_loop import drain

SPLIT: Final = "/split"
LOOK_EVERY: Final = 3.0
"""Seconds between two looks at the split."""

CPU_EVERY: Final = 10.0
"""Seconds between two readings of CPU time, which look at every process of the machine."""

ANSWERS_WITHIN: Final = 1.0
"""Seconds that the last of the bystanders' requests get; what has no answer then failed."""

LOOKS_AT: Final = 0.7
"""Where in a second processes are asked, so that it is known when the second is over."""

SETTLES_WITHIN: Final = 1.0
"""Seconds until servers have told who they are, and have opened their stores."""

SCANS: Final = 2
"""How often the kernel's table of connections is read for a set of servers: it takes 40 ms."""

RESCAN: Final = 12
"""Looks after which it is read again all the same."""

T = TypeVar("T")

_APART: Final = 0.03

log = logging.getLogger("windtunnel")


class _SplitProcess(msgspec.Struct):
    port: int


class _SplitPool(msgspec.Struct):
    processes: list[_SplitProcess]


class _SplitDocument(msgspec.Struct):
    pools: dict[str, _SplitPool]


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU seconds of each group and ticks of the machine up to a second of the epoch."""

    at: int
    spent: Mapping[str, float]
    ticks: tuple[int, int]


class Monitor:
    """Watches what serves at `url` from when it is made until it is told to `stop`."""

    def __init__(self, url: str) -> None:
        self.neighbours: dict[str, ServerProbe] = {}
        self.cpu_meter = CpuMeter()
        self._url = url
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._through = False
        self._ticks = cpu_ticks()
        self._client = Client(Address(url), Deadlines(LOOK_EVERY))
        self.generator_s = 0.0
        """CPU seconds of all processes that send, as they report them."""
        self._readings: deque[CpuReading] = deque(maxlen=2)
        self._groups: dict[str, list[int]] = {}
        self._greenlets = [gevent.spawn(self._follow), gevent.spawn(self._count)]

    def settle(self) -> None:
        """Send no more, and wait a moment for the answers."""
        lanes = [one.bystander.lane for one in self.neighbours.values()]
        for lane in lanes:
            lane.end(perf_counter())
        drain(lanes, ANSWERS_WITHIN)

    def stop(self) -> None:
        """Watch no more."""
        gevent.killall(self._greenlets)
        for one in self.neighbours.values():
            one.close()
        self._client.close()

    @property
    def here(self) -> list[ServerProbe]:
        """The processes that serve now."""
        return [one for one in self.neighbours.values() if one.here]

    def told(self, last: bool) -> dict[str, Any]:
        """Return `bystander`, `cpu_s`, `steal` and `flags` as in a cell; the `last` is read anew.

        What a server spent whose process ended, without leaving the split, nobody knows.
        """
        if last and self._groups:
            self.cpu_meter.update(self._groups)
        stolen, all_ = (now - then for now, then in zip(cpu_ticks(), self._ticks, strict=True))
        bystander = []
        for one in list(self.neighbours.values()):
            bystander.append(one.bystander.told())
            gevent.sleep(0)  # it takes a millisecond each
        ended = self._ended()
        return {
            "bystander": bystander,
            "cpu_s": self.cpu_meter.seconds() | ({"server": None} if ended else {}),
            "flags": ["a process of the server ended"] if ended else [],
            "steal": round(stolen / all_, 4) if all_ else 0.0,
        }

    @property
    def spell(self) -> tuple[CpuReading, CpuReading] | None:
        """The last two readings, if there are two."""
        return (self._readings[0], self._readings[1]) if len(self._readings) == 2 else None

    # -- which processes --------------------------------------------------------------------

    def _follow(self) -> None:
        while True:
            places = self._places()
            if places is not None:
                self._meet(places)
            gevent.sleep(LOOK_EVERY)

    def _places(self) -> Mapping[str, str | None] | None:
        """The address of each process with its pool; None if that is not known now."""
        answer = self._client.request("GET", SPLIT)
        if answer.status == 200:
            try:
                pools = msgspec.json.decode(answer.body, type=_SplitDocument).pools
            except msgspec.MsgspecError:
                return None
            self._through = True
            return {
                f"http://{self._host}:{process.port}": name
                for name, pool in pools.items()
                for process in pool.processes
            }
        return {self._url: None} if answer.status and not self._through else None

    def _meet(self, places: Mapping[str, str | None]) -> None:
        for url, one in self.neighbours.items():
            if one.here and url not in places:
                one.leave()
        for url, pool in places.items():
            one = self.neighbours.get(url) or self._new(url)
            one.pool = pool or one.pool
            if not one.here:
                one.arrive()
                self._greenlets.append(gevent.spawn(self._watch, one))

    def _new(self, url: str) -> ServerProbe:
        one = self.neighbours[url] = ServerProbe(url, len(self.neighbours))
        return one

    def _watch(self, one: ServerProbe) -> None:
        offset = LOOKS_AT + _APART * (len(self.neighbours) % 8)
        while one.here:
            one.look()
            gevent.sleep(max(1 - (time.time() - offset) % 1, 0.05))

    # -- whose CPU time ---------------------------------------------------------------------

    def _count(self) -> None:
        gevent.sleep(SETTLES_WITHIN)
        scans: dict[tuple[int, ...], int] = {}
        for look in range(10**9):
            try:
                if self._host in LOOPBACK:
                    servers = tuple(self._servers())
                    scans[servers] = scans.get(servers, 0) + 1
                    if scans[servers] <= SCANS or not look % RESCAN:
                        self._groups = self._joined(_aside(groups, servers, self._nginx))
                    _aside(self.cpu_meter.update, self._groups)
                self._readings.append(self._reading())
            except (psutil.Error, OSError) as error:
                log.debug("CPU time is not known: %s", error)
            gevent.sleep(CPU_EVERY)

    def _reading(self) -> CpuReading:
        spent = self.cpu_meter.seconds()
        return CpuReading(int(time.time()), {"generator": self.generator_s, **spent}, cpu_ticks())

    def _servers(self) -> Sequence[int]:
        return [one.pid for one in self.here if one.pid and psutil.pid_exists(one.pid)]

    def _ended(self) -> bool:
        local = self._host in LOOPBACK
        return local and any(not _alive(pid) for one in self.here for pid in one.pids)

    @property
    def _nginx(self) -> int | None:
        return self._port if self._through else None

    def _joined(self, found: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Those that were known, and those that were found; databases may be idle for a while."""
        names = {*self._groups, *found}
        return {n: sorted({*self._groups.get(n, ()), *found.get(n, ())}) for n in names}


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _aside(work: Callable[..., T], *args: Any) -> T:
    """Do it in a thread: it takes milliseconds, in which requests get their turn."""
    done: T = gevent.get_hub().threadpool.apply(work, args)
    return done
