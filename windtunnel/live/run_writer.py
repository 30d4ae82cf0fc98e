"""A test under Locust as a run on disk: a cell for each store, readable while it goes on."""

from __future__ import annotations

import errno
import logging
import resource
import time
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import gevent
import msgspec

from windtunnel.analysis.wording import counted
from windtunnel.live.load_profile import is_paused, rates, slow_work
from windtunnel.recording import environment, hlog, limits, results
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.nginx_log import AccessLog
from windtunnel.recording.recorder import Histograms, merge_into
from windtunnel.recording.streams import SAMPLES_FILE, SERIES_FILE
from windtunnel.runner.collector import (
    INCOMPLETE,
    PARTIAL_EVERY,
    Report,
    append_samples,
    append_second,
    by_store,
    counts,
    measured,
    schedule,
    seconds,
    write_partial,
)
from windtunnel.workload.open_loop import ScheduleStats, merge_stats
from windtunnel.workload.slow import SLOW, SlowWork, describe_streams
from windtunnel.workload.stores import StoreInfo

log = logging.getLogger("windtunnel")

Load = Mapping[str, Any]
"""`users`, `rate`, `slow_rate` and `streams` as in a cell."""

SETTINGS: Final = (
    "mix", "target", "host", "population", "summary_size", "seed", "rate", "poisson",
    "max_in_flight", "retry_stale", "cookies", "slow_work", "sleep_ms",
)  # fmt: skip

GROUPS: Final = ("generator", "server", "database", "nginx")

EXPENDABLE: Final = (SAMPLES_FILE, SERIES_FILE, results.PARTIAL_FILE)
"""What gives way to the cells of a run, in this order, where the disk is full."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Journal:
    """Takes reports and writes them down, into the folder of a run that has been opened.

    `load` tells what the stores are under now: a cell whose load changed is flagged. `patience` is
    how many seconds reports may be behind the clock. `access_log` is nginx's, if the load goes by
    one whose log is at hand: it knows a part of each sample.
    """

    def __init__(
        self,
        folder: Path,
        info: results.RunInfo,
        facts: Mapping[str, Mapping[str, Any]],
        load: Callable[[], Load],
        patience: int,
        access_log: Path | None = None,
    ) -> None:
        self.folder = folder
        self.beside: Callable[[bool], Mapping[str, Any]] = lambda _last: {}
        """Tells `bystander`, `cpu_s`, `steal` and `flags`, if there is somebody who knows."""
        self._info = info
        self._facts = facts
        self._load = load
        self._patience = patience
        self._tail = None if access_log is None else AccessLog(access_log)
        self._under = load()
        self._flags: list[str] = []
        self._began, self._first = perf_counter(), int(time.time())
        self._total: dict[str, Histograms] = {store: {} for store in facts}
        self._sent: dict[str, defaultdict[str, ScheduleStats]] = {
            s: defaultdict(ScheduleStats) for s in facts
        }
        self._retried: Counter[str] = Counter()
        self._pending: dict[int, Histograms] = {}
        self._members: dict[str, Member] = {}
        self._samples: list[dict[str, Any]] = []
        self._written = self._first
        self._error: OSError | None = None
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def take(self, report: Report, member: str = "") -> None:
        """Add what the process `member` recorded."""
        self._members.setdefault(member, Member(self._began)).take(report)
        for second, entries in report.seconds.items():
            recorded = dict(entries)
            if self._error is None:
                merge_into(self._pending.setdefault(max(second, self._written), {}), recorded)
            for store, part in by_store(recorded).items():
                merge_into(self._total[store], part)
        if self._error is None:
            self._samples += report.samples
        for store, streams in report.sent.items():
            for name, sent in streams.items():
                self._sent[store][name].add(sent)
        self._retried.update(report.retried)

    def lose(self, member: str, parts: int, until: float) -> None:
        """Flag that `member`, one of `parts`, ended, and count its share until then as skipped.

        That is since it last told what it sent. Should it be heard again, that tells better.
        """
        its = self._members.setdefault(member, Member(self._began))
        if its.gone:
            return
        streams = self._under.get("streams") or {"": {"rate": self._under["rate"] or 0.0}}
        share = max(0.0, until - its.heard) / parts / len(self._facts)
        its.lose({name: round(share * stream["rate"]) for name, stream in streams.items()})
        at = int(its.heard - self._began)
        self._flags.append(f"a worker was lost at second {at}: its requests count as skipped")

    def finish(self) -> None:
        """Write down all that came, as a finished run; raises ResultsError."""
        self._greenlet.kill()
        self._look()
        cells = [msgspec.convert(cell, results.Cell) for cell in self._cells([], last=True)]
        for cell in cells:
            self._keep(partial(self._append, cell))
        (self.folder / results.PARTIAL_FILE).unlink(missing_ok=True)
        self._keep(partial(results.finish, self.folder, self._info))
        self._expend(partial(self._write_series, int(time.time()) + 1))
        self._log(cells)
        self._join()

    def _append(self, cell: results.Cell) -> None:
        flags = [*cell.flags, *self._lacking()]
        results.append(self.folder, msgspec.structs.replace(cell, flags=flags))

    def _lacking(self) -> list[str]:
        return [] if self._error is None else [f"no series: {self._error.strerror}"]

    def _keep(self, write: Callable[[], None]) -> None:
        """Write, and drop what is expendable if there is no room; raises ResultsError."""
        for name in EXPENDABLE:
            try:
                write()
            except results.ResultsError as error:
                cause = error.__cause__
                if not isinstance(cause, OSError) or cause.errno not in FULL:
                    raise
                self._give_up(cause)
                (self.folder / name).unlink(missing_ok=True)
            else:
                return
        write()

    def _expend(self, write: Callable[[], None]) -> None:
        """Write what a run can do without, unless that failed before."""
        if self._error is None:
            try:
                write()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self._error is None:
            log.warning("%s: no series from now on: %s", self.folder, error.strerror)
            self._error = error
        self._pending.clear()
        self._samples.clear()

    def _log(self, cells: Iterable[results.Cell]) -> None:
        try:
            for cell in cells:
                hlog.append(self.folder, cell)
        except results.ResultsError as error:
            log.warning("%s", error)

    def _join(self) -> None:
        if self._tail is None:
            return
        try:
            self._tail.join(self.folder)
        except OSError as error:
            log.warning("nginx's part of the samples is not known: %s", error)

    def _work(self) -> None:
        for step in range(1, 10**9):
            gevent.sleep(1)
            self._look()
            self._expend(partial(self._write_series, int(time.time()) - self._patience))
            if step % PARTIAL_EVERY == 0 and self._error is None:
                cells = self._cells([INCOMPLETE])
                self._expend(partial(write_partial, self.folder, cells))

    def _look(self) -> None:
        under = self._load()
        if under != self._under:
            at = int(time.time()) - self._first
            self._flags.append(f"the load changed at second {at}, from {_told(self._under)}")
            self._under = under

    def _write_series(self, before: int) -> None:
        load = {key: self._under.get(key) for key in ("users", "rate", "slow_rate")}
        for second in range(self._written, before):
            recorded = by_store(self._pending.pop(second, {}))
            for store, facts in self._facts.items():
                line = {**facts, **load, "second": second - self._first}
                operations = seconds(recorded.get(store, {}))
                append_second(self.folder, {**line, "operations": operations})
        self._written = max(self._written, before)
        samples, self._samples = self._samples, []
        named = ({**self._facts[one["store"]], **load, **one} for one in samples)
        append_samples(self.folder, named)

    def _cells(self, flags: Sequence[str], *, last: bool = False) -> list[dict[str, Any]]:
        beside = self.beside(last)
        return [self._cell(store, flags, beside) for store in self._facts]

    def _cell(self, store: str, flags: Sequence[str], beside: Mapping[str, Any]) -> dict[str, Any]:
        by_stream = self._sent_of(store)
        every = merge_stats(by_stream.values())
        sent = every if every.scheduled else None
        recorded = self._total[store]
        seconds = perf_counter() - self._began
        health = {
            "steal": beside.get("steal"),
            **generator(self._members.values(), seconds),
            **schedule(sent),
        }
        return {
            **self._facts[store],
            **self._under,
            "streams": self._streams(by_stream),
            **measured(recorded, seconds),
            **counts(recorded, sent),
            "retried": self._retried[store],
            "bystander": beside.get("bystander", []),
            "cpu_s": self._cpu(beside.get("cpu_s", {})),
            "health": health,
            "flags": [*flags, *limits.flags(health), *beside.get("flags", []), *self._flags],
        }

    def _sent_of(self, store: str) -> Mapping[str, ScheduleStats]:
        """What was sent, and of what was to be sent what those who are lost did not tell."""
        found = defaultdict(
            ScheduleStats, {name: merge_stats([sent]) for name, sent in self._sent[store].items()}
        )
        for member in self._members.values():
            for name, count in member.missing.items():
                found[name].add(ScheduleStats(scheduled=count, skipped=count))
        return found

    def _streams(self, sent: Mapping[str, ScheduleStats]) -> dict[str, dict[str, Any]]:
        told = self._under.get("streams", {})
        return {name: {**facts, **sent[name].as_dict()} for name, facts in told.items()}

    def _cpu(self, spent: Mapping[str, float | None]) -> dict[str, float | None]:
        """What is known of CPU time; of stores that are loaded at once, none has its own."""
        if len(self._facts) > 1:
            return dict.fromkeys(GROUPS)
        generator = round(sum(member.cpu_s for member in self._members.values()), 6)
        return {**dict.fromkeys(GROUPS), **spent, "generator": generator}


class Member:
    """A process that sends, its health added up; last heard at `heard`, of `perf_counter`.

    If it is `gone`, so many requests of each stream to each store are `missing`.
    """

    def __init__(self, heard: float) -> None:
        self.heard = heard
        self.gone = False
        self.missing: dict[str, int] = {}
        self.cpu_s = 0.0
        self.lag = Histogram()
        self.descriptors = 0

    def take(self, report: Report) -> None:
        """Add a report."""
        self.heard, self.gone, self.missing = perf_counter(), False, {}
        self.cpu_s += report.cpu_s
        self.lag.merge(report.lag)
        self.descriptors = max(self.descriptors, report.descriptors)

    def lose(self, missing: dict[str, int]) -> None:
        """Take note that it is gone."""
        self.gone, self.missing = True, missing


def generator(members: Iterable[Member], seconds: float) -> dict[str, Any]:
    """Return of all who send what `health` of a cell says of its one: of each the worst."""
    some = list(members)
    lags = [member.lag.quantile(0.99) / 1000 for member in some if member.lag]
    return {
        "generator_cpu": round(max((m.cpu_s for m in some), default=0.0) / seconds, 4),
        "lag_p99_ms": max(lags, default=None),
        "descriptors": max((member.descriptors for member in some), default=None),
        "descriptors_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def _told(load: Load) -> str:
    if load.get("streams"):
        return " and ".join(f"{n} {s['rate']:g}/s" for n, s in load["streams"].items())
    return f"{load['rate']:g} requests/s" if load["rate"] else counted(load["users"] or 0, "user")


def begin(
    options: Namespace,
    scenario: str,
    offers: Sequence[StoreInfo],
    users: Callable[[], int],
    patience: int,
    access_log: Path | None,
) -> Journal:
    """Open the run of a test that begins; raises ResultsError."""
    told = {name: getattr(options, name) for name in SETTINGS if hasattr(options, name)}
    several = {} if hasattr(options, "rate") else {"rates": rates(options)}
    settings = {**told, **several, "users": users()}
    info = results.RunInfo(
        scenario=scenario,
        started=datetime.now(UTC),
        seed=settings["seed"],
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings={**settings, "under": "locust"},
        stores={offer.id: msgspec.convert(offer.ledger, results.Ledger) for offer in offers},
    )
    facts = {offer.id: _facts(settings, offer) for offer in offers}
    folder = results.begin(Path(options.results), info)
    load = partial(_load, options, users)
    return Journal(folder, info, facts, load, patience, access_log)


def _load(options: Namespace, users: Callable[[], int]) -> Load:
    if is_paused(options):
        return {"users": 0, "rate": None, "slow_rate": None}
    paces = rates(options)
    if not paces:
        return {"users": users(), "rate": None, "slow_rate": None}
    streams = describe_streams(paces, options.mix, slow_work(options) or SlowWork())
    rate, slow = next(iter(paces.values())), paces.get(SLOW)
    return {"users": None, "rate": rate, "slow_rate": slow, "streams": streams}


def _facts(settings: Mapping[str, Any], offer: StoreInfo) -> dict[str, Any]:
    return {
        "store": offer.id,
        "variant": None,
        "target": settings["target"],
        "mix": settings["mix"],
        "connections": offer.ledger.get("connections"),
        "round": 1,
    }
