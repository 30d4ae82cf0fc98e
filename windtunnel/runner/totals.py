"""What all processes that send recorded of a test: the totals of each of its stores."""

from __future__ import annotations

import resource
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, Final

import gevent
import msgspec

from windtunnel.client.response import OK, STALE
from windtunnel.recording import limits
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.recorder import Histograms, merge_into
from windtunnel.recording.results import (
    Cell,
    CpuSeconds,
    LatencySummary,
    OperationResult,
    StreamResult,
)
from windtunnel.runner.collector import Report, by_store
from windtunnel.runner.side_measurements import SideMeasurements
from windtunnel.workload.open_loop import ScheduleStats, merge_stats

DEPLETED: Final = "a user had no record left to delete"


class ReportingProcess:
    """A process that sends: what it spent, and how late it was, since `began` (`perf_counter`).

    Where it is `lost`, so many requests of each stream to each store are `missing`.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self.last_report_at = began
        self.lost = False
        self.missing: dict[str, int] = {}
        self.cpu_s = 0.0
        self.lag = Histogram()
        self.descriptors = 0

    def take(self, report: Report) -> None:
        """Add a report."""
        self.last_report_at, self.lost, self.missing = perf_counter(), False, {}
        self.cpu_s += report.cpu_s
        self.lag.merge(report.lag)
        self.descriptors = max(self.descriptors, report.descriptors)

    def lose(self, missing: dict[str, int]) -> None:
        """Count so many requests as never sent, until it is heard of again."""
        self.lost, self.missing = True, missing

    @property
    def cpu_share(self) -> float:
        """The share of one core that it used until it was last heard of."""
        return self.cpu_s / max(self.last_report_at - self._began, 1e-9)


class Totals:
    """Adds reports up, for the cell of each store, from `began` (`time.perf_counter()`) on."""

    def __init__(self, stores: Iterable[str], began: float) -> None:
        self._began = began
        self._histograms: dict[str, Histograms] = {store: {} for store in stores}
        self._sent: dict[str, defaultdict[str, ScheduleStats]] = {
            store: defaultdict(ScheduleStats) for store in self._histograms
        }
        self._retried: Counter[str] = Counter()
        self._senders: dict[str, ReportingProcess] = {}
        self._depleted = False

    def take(self, report: Report, sender: str = "") -> None:
        """Add what the process `sender` recorded."""
        self.sender(sender).take(report)
        for entries in report.seconds.values():
            for store, part in by_store(dict(entries)).items():
                merge_into(self._histograms[store], part)
        for store, streams in report.sent.items():
            for name, sent in streams.items():
                self._sent[store][name].add(sent)
        self._retried.update(report.retried)
        self._depleted = self._depleted or report.depleted

    def sender(self, name: str) -> ReportingProcess:
        """Return a process that sends, by its name."""
        return self._senders.setdefault(name, ReportingProcess(self._began))

    def cell(self, template: Cell, surroundings: SideMeasurements, duration_s: float) -> Cell:
        """Return the cell of a store, of so many seconds.

        `template` has its conditions and its streams.
        """
        store = template.store or ""
        histograms, streams = self._histograms[store], self._streams(store)
        every = merge_stats(streams.values())
        is_open = template.rate is not None or bool(every.scheduled)
        health = self._health(surroundings, every)
        depleted = [DEPLETED] if self._depleted else []
        return msgspec.structs.replace(
            template,
            **measured(histograms, duration_s),
            **(every.as_dict() if is_open else {}),
            stale=count(histograms, STALE),
            retried=self._retried[store],
            streams={
                name: described(stream, streams[name]) for name, stream in template.streams.items()
            },
            bystander=surroundings.bystander,
            cpu_s=self._cpu(surroundings),
            health=health,
            flags=[*template.flags, *limits.flags(health), *surroundings.flags, *depleted],
        )

    def _streams(self, store: str) -> Mapping[str, ScheduleStats]:
        """What was sent, and what those who are lost were to send and cannot have sent."""
        streams = defaultdict(
            ScheduleStats, {name: merge_stats([sent]) for name, sent in self._sent[store].items()}
        )
        for sender in self._senders.values():
            for name, missing in sender.missing.items():
                streams[name].add(ScheduleStats(scheduled=missing, skipped=missing))
        return streams

    def _cpu(self, surroundings: SideMeasurements) -> CpuSeconds:
        """Return CPU time by group; unknown for stores that are loaded at once."""
        if len(self._histograms) > 1:
            return CpuSeconds()
        generator = round(sum(sender.cpu_s for sender in self._senders.values()), 6)
        return msgspec.structs.replace(surroundings.cpu_s, generator=generator)

    def _health(self, surroundings: SideMeasurements, sent: ScheduleStats) -> dict[str, Any]:
        """How well all who send were, of each figure the worst: that of the machine is one."""
        senders = list(self._senders.values())
        lags_ms = [ms for sender in senders if (ms := sender.lag.quantile_ms(0.99)) is not None]
        return {
            "steal": surroundings.steal,
            "generator_cpu": round(max((s.cpu_share for s in senders), default=0.0), 4),
            "lag_p99_ms": max(lags_ms, default=None),
            "descriptors": max((sender.descriptors for sender in senders), default=None),
            "descriptors_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "schedule_lag_p99_ms": sent.lag.quantile_ms(0.99),
        }


def measured(histograms: Histograms, duration_s: float) -> dict[str, Any]:
    """Return `seconds`, `throughput_rps` and `operations` of a cell."""
    return {
        "seconds": round(duration_s, 6),
        "throughput_rps": round(count(histograms, OK) / duration_s, 3),
        "operations": operations(histograms),
    }


def count(histograms: Histograms, outcome: str) -> int:
    """How many requests had this outcome."""
    return sum(of.service.count for key, of in histograms.items() if key.outcome == outcome)


def operations(histograms: Histograms) -> list[OperationResult]:
    """Return `operations` of a cell. It takes up to a millisecond each, so others get a turn."""
    entries = []
    for key, latencies in sorted(histograms.items()):
        entries.append(
            OperationResult(
                operation=key.operation,
                pool=key.pool,
                outcome=key.outcome,
                count=latencies.service.count,
                service_us=times(latencies.service),
                response_us=times(latencies.response) if latencies.response else None,
            )
        )
        gevent.sleep(0)
    return entries


def times(histogram: Histogram) -> LatencySummary:
    """Return a histogram as a cell has it."""
    return msgspec.convert(histogram.as_dict(), LatencySummary)


def described(stream: StreamResult, sent: ScheduleStats) -> StreamResult:
    """Return a stream with what became of its requests."""
    return msgspec.structs.replace(stream, **sent.as_dict())
