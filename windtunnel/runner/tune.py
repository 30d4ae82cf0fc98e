"""`windtunnel tune`: the stack's splits tried under one load, in a run like any other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from windtunnel.analysis.slo import parse
from windtunnel.analysis.validity import is_generator_limited
from windtunnel.client.api import Operation
from windtunnel.errors import UsageError
from windtunnel.recording import environment, results, streams, tuning_results
from windtunnel.recording.run_folder import RunFolder
from windtunnel.recording.tuning_results import TuningResult, WorkProfile
from windtunnel.runner.attempts import measure_until_clean
from windtunnel.runner.generator_client import Generator
from windtunnel.runner.order import SAMPLES, CellOrder
from windtunnel.runner.plan import LoadSpec, NothingToMeasureError, why_unsuitable
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.trial_stack import TrialStack, trial_stack
from windtunnel.tuning.calibration import IsolatedRequests, computing, cores_left
from windtunnel.tuning.conclusion import conclude
from windtunnel.tuning.layout import FAST, SLOW, PoolLayout, pool_layouts
from windtunnel.tuning.objectives import kinds
from windtunnel.tuning.tuner import Limits, Trials
from windtunnel.workload.slow import SlowWork, summary_store, why_no_slow_work
from windtunnel.workload.stores import StoreInfo, discover, select

SCENARIO: Final = "pools"
ALONE: Final = "alone"
"""The folder, within a run's own, of the cells in which each kind of work was alone."""

ROUNDS_ALONE: Final = (1, 3, 5)
"""The rounds that begin with such cells: what was measured once may have been a bad moment."""

EVERY: Final = 100_000
"""Samples a second that are kept of such a cell: all."""

SELDOM: Final = 1.0
"""Requests a second of the kind that is not asked for in such a cell."""

SLOWLY: Final = 5.0
"""Slow requests a second at most while they are alone: hardly any waits for another."""


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What was asked for on the command line. Times in seconds, rates in requests a second."""

    slos: tuple[str, ...]
    fast_rate: float = 200.0
    slow_rate: float = 5.0
    work: SlowWork = field(default_factory=SlowWork)
    store: str = "redis/async/fast"
    mix: str = "balanced"
    poisson: bool = False
    processes: int | None = None
    balances: tuple[str, ...] = ("round_robin",)
    pool_layouts: tuple[PoolLayout, ...] = ()
    duration: int = 3
    warmup: float = 0.5
    population: int = 1000
    seed: int = 1
    limits: Limits = field(default_factory=Limits)
    apply: bool = False

    def check(self) -> None:
        """Raise UsageError for what is not fast work, ObjectiveError for what no split changes."""
        if self.mix == Operation.SUMMARY:
            raise UsageError("--mix summary is slow work: see --slow-work")
        for slo in self.slos:
            kinds(parse(slo))


def tune(wanted: TuneRequest, console: Console, into: Path) -> tuple[Path, TuningResult]:
    """Try splits and return the run's folder and what was found; see `windtunnel.tuning.tuner`.

    The stack has its former split afterwards, or with `apply` the recommended one if that holds the
    objectives. Raises UsageError, ServerDownError, UnknownStoreError, NothingToMeasureError,
    ResultsError, GeneratorError and what `deploy.splits` raises, each one line for the user.
    """
    wanted.check()
    with trial_stack(console.print, wanted.store) as stack:
        offer, slow_store = offered(wanted, stack)
        tried = candidates(wanted, stack)
        folder, info = begin(wanted, offer, tried, into)
        trying = _TuneExecution(wanted, stack, offer, slow_store, folder)
        with _told_if_interrupted(folder, console):
            found = trying.run(tried, console)
            best = next((each for each in tried if each.name == found.recommended), None)
            if wanted.apply and best is not None and found.holds:
                stack.keep(best)
                found = msgspec.structs.replace(found, applied=True)
                tuning_results.save(folder, found)
        results.finish(folder, info)
    return folder, found


@contextmanager
def _told_if_interrupted(folder: Path, console: Console) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.print(
            f"interrupted: the former split comes back; windtunnel report {folder} has the "
            "finished cells"
        )
        raise


def offered(wanted: TuneRequest, stack: TrialStack) -> tuple[StoreInfo, str | None]:
    """The store, and whose summaries are asked for; raises NothingToMeasureError."""
    _, offers = discover(stack.stack.state.processes[0])
    offer, *others = select(offers, [wanted.store])
    if others:
        raise NothingToMeasureError(f"--store {wanted.store}: a tune is of one store")
    reason = (
        (offer.detail or offer.status if offer.status != "up" else None)
        or why_unsuitable(offer, LoadSpec(wanted.mix, None, 2))
        or why_no_slow_work(offer, wanted.work, offers)
    )
    if reason:
        raise NothingToMeasureError(f"nothing to measure: {offer.id}: {reason}")
    return offer, summary_store(offer, offers)


def candidates(wanted: TuneRequest, stack: TrialStack) -> list[PoolLayout]:
    """What is tried: the layouts named, or every one of the processes; the former among them."""
    if wanted.pool_layouts:
        return list(wanted.pool_layouts)
    processes = wanted.processes or stack.processes
    found = list(pool_layouts(processes, wanted.balances))
    former = stack.layout
    if former is not None and former.processes == processes and former not in found:
        found.append(former)
    return found


def begin(
    wanted: TuneRequest, offer: StoreInfo, tried: Sequence[PoolLayout], into: Path
) -> tuple[Path, results.RunInfo]:
    """Open the run's folder, and that of the cells alone; raises ResultsError."""
    settings = {**asdict(wanted), "objectives": wanted.slos, "tried": [d.name for d in tried]}
    del settings["slos"]  # a report judges pools, a tuner kinds of work
    ledgers = {offer.id: msgspec.convert(offer.ledger, results.Ledger)}
    info = results.RunInfo(
        scenario=SCENARIO,
        started=datetime.now(UTC),
        seed=wanted.seed,
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings=settings,
        stores=ledgers,
        variants={layout.name: ledgers for layout in tried},
    )
    folder = results.begin(into, info)
    results.create(folder / ALONE, info)
    return folder, info


@dataclass(slots=True)
class _TuneExecution:
    """A tune under way."""

    wanted: TuneRequest
    stack: TrialStack
    offer: StoreInfo
    slow_store: str | None
    folder: Path
    alone: dict[str, WorkProfile | None] = field(default_factory=dict)
    been_alone: set[int] = field(default_factory=set)

    def run(self, tried: Sequence[PoolLayout], console: Console) -> TuningResult:
        limits, slos = self.wanted.limits, [parse(text) for text in self.wanted.slos]
        sure = min(limits.least, limits.rounds)
        cells_alone = sum(number <= limits.rounds for number in ROUNDS_ALONE)
        expected = len(tried) * sure + 2 * cells_alone
        with (
            ProgressDisplay(expected, console, within=limits.max_time) as shown,
            Generator() as generator,
        ):

            def measure(layout: PoolLayout, number: int) -> None:
                if number in ROUNDS_ALONE and number not in self.been_alone:
                    self.been_alone.add(number)
                    self._measure_alone(layout, number, generator, shown)
                self._cell(layout, number, generator, shown)

            def more(number: int, cells: int) -> None:
                if number > sure:
                    shown.more(cells)

            trials = Trials(tried, slos, self.folder, limits, self.wanted.seed, shown.note)
            trials.run(measure, more)
        self._know_kinds()
        former = self.stack.layout
        cells = [cell for cell in results.load(self.folder).cells if cell.void is None]
        found = conclude(trials, former.name if former else None, self._model(cells))
        found = msgspec.structs.replace(
            found,
            apply_s=self.stack.apply_s,
            clean_s=self.stack.clean_s,
            cells=len(cells),
            doubtful=sum(map(is_generator_limited, cells)),
        )
        tuning_results.save(self.folder, found)
        return found

    def _model(self, cells: Sequence[results.Cell]) -> Mapping[str, Any]:
        cores = cores_left(cells, float(os.cpu_count() or 1))
        length = {"warmup": self.wanted.warmup, "duration": float(self.wanted.duration)}
        return {**self.alone, "cores": cores, **length}

    def _measure_alone(
        self, layout: PoolLayout, number: int, generator: Generator, shown: ProgressDisplay
    ) -> None:
        """Measure each kind of work while there is next to nothing of the other."""
        wanted = self.wanted
        slowly = min(wanted.slow_rate, SLOWLY)
        for kind, fast, slow in ((FAST, wanted.fast_rate, 0.0), (SLOW, SELDOM, slowly)):
            shown.begin(f"{kind} work alone")
            self.stack.to(layout)
            order = self._order(layout, number, self.folder / ALONE, fast, slow)
            order = msgspec.structs.replace(order, variant=f"{kind} alone", sample=EVERY)
            cell = self._measure(generator, order)
            results.append(self.folder / ALONE, cell)
            shown.done()

    def _know_kinds(self) -> None:
        requests = list(streams.samples(self.folder / ALONE, []))
        wanted, blocking = self.wanted, self.offer.mode == "blocking"
        for kind, rate in ((FAST, wanted.fast_rate), (SLOW, wanted.slow_rate)):
            own = [
                each
                for each in requests
                if self._is(each.operation, kind) and each.variant == f"{kind} alone"
            ]
            known = IsolatedRequests(own, awaits=kind == FAST and not blocking)
            cpu = 1.0 if kind == FAST else computing(wanted.work)
            self.alone[kind] = known.kind(rate, poisson=wanted.poisson, cpu=cpu)

    def _is(self, operation: str, kind: str) -> bool:
        return (operation == self.wanted.work.kind.value) is (kind == SLOW)

    def _cell(
        self, layout: PoolLayout, number: int, generator: Generator, shown: ProgressDisplay
    ) -> None:
        what = f"round {number}  {layout.name}"
        shown.begin(what)
        self.stack.to(layout)
        wanted = self.wanted

        def measure(attempt: int) -> results.Cell:
            order = self._order(layout, number, self.folder, wanted.fast_rate, wanted.slow_rate)
            return self._measure(generator, msgspec.structs.replace(order, attempt=attempt))

        measure_until_clean(measure, RunFolder(self.folder, shown.note), what, shown.note)
        shown.done()

    def _measure(self, generator: Generator, order: CellOrder) -> results.Cell:
        connections = self.offer.ledger.get("connections")
        cell = generator.measure(order)
        return msgspec.structs.replace(cell, target="nginx", connections=connections)

    def _order(
        self, layout: PoolLayout, number: int, folder: Path, fast: float, slow: float
    ) -> CellOrder:
        wanted, target = self.wanted, self.stack.target
        return CellOrder(
            scenario=SCENARIO,
            store=self.offer.id,
            variant=layout.name,
            mix=wanted.mix,
            processes=layout.processes,
            round=number,
            rate=fast,
            slow_rate=slow,
            slow_work=wanted.work.kind,
            sleep_ms=wanted.work.ms,
            slow_store=self.slow_store,
            arrivals="poisson" if wanted.poisson else "constant",
            seed=wanted.seed + number,
            population=wanted.population,
            target=self.stack.url,
            warmup=wanted.warmup,
            duration=wanted.duration,
            bystanders=list(target.processes()),
            sample=SAMPLES,
            folder=str(folder.absolute()),
            groups={name: list(pids) for name, pids in target.groups(self.offer).items()},
        )
