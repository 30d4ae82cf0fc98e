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
from windtunnel.recording import environment, results, series, tuning_results
from windtunnel.recording.run_folder import RunFolder
from windtunnel.recording.tuning_results import TuningResult, WorkProfile
from windtunnel.runner.cell_order import SAMPLES, CellOrder
from windtunnel.runner.cell_plan import LoadSpec, NothingToMeasureError, why_unsuitable
from windtunnel.runner.generator_client import Generator
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.run import measure_until_clean
from windtunnel.runner.trial_stack import TrialStack, trial_stack
from windtunnel.runner.tune_request import TuneRequest
from windtunnel.tuning.calibration import IsolatedRequests, computing, cores_left
from windtunnel.tuning.conclusion import conclude
from windtunnel.tuning.layout import FAST, SLOW, PoolLayout, pool_layouts
from windtunnel.tuning.tuner import Trials
from windtunnel.workload.slow import summary_store, why_no_slow_work
from windtunnel.workload.stores import StoreInfo, discover, select

SCENARIO: Final = "pools"
ALONE: Final = "alone"
"""The folder, within a run's own, of the cells in which each kind of work was alone."""

ROUNDS_ALONE: Final = (1, 3, 5)
"""The rounds that begin with such cells: what was measured once may have been a bad moment."""

ALL_SAMPLES: Final = 100_000
"""Samples a second that are kept of such a cell: all."""

OTHER_RATE: Final = 1.0
"""Requests a second of the kind that is not asked for in such a cell."""

MAX_SLOW_RATE: Final = 5.0
"""Slow requests a second at most while they are alone: hardly any waits for another."""


def tune(request: TuneRequest, console: Console, into: Path) -> tuple[Path, TuningResult]:
    """Try splits and return the run's folder and what was found; see `windtunnel.tuning.tuner`.

    The stack has its former split afterwards, or with `apply` the recommended one if that holds the
    objectives. Raises UsageError, ServerDownError, UnknownStoreError, NothingToMeasureError,
    ResultsError, GeneratorError and what `deploy.splits` raises, each one line for the user.
    """
    request.check()
    with trial_stack(console.print, request.store) as stack:
        store, slow_store = select_store(request, stack)
        layouts = candidate_layouts(request, stack)
        folder, info = begin(request, store, layouts, into)
        execution = TuneExecution(request, stack, store, slow_store, folder)
        with _noting_interruption(folder, console):
            result = execution.run(layouts, console)
            best = next((layout for layout in layouts if layout.name == result.recommended), None)
            if request.apply and best is not None and result.holds:
                stack.keep(best)
                result = msgspec.structs.replace(result, applied=True)
                tuning_results.save(folder, result)
        RunFolder(folder, console.print).finish(info)
    return folder, result


@contextmanager
def _noting_interruption(folder: Path, console: Console) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.print(
            f"interrupted: the former split comes back; windtunnel report {folder} has the "
            "finished cells"
        )
        raise


def select_store(request: TuneRequest, stack: TrialStack) -> tuple[StoreInfo, str | None]:
    """Return the store, and the one whose summaries are the slow work beside it.

    Raises NothingToMeasureError.
    """
    _, stores = discover(stack.stack.state.processes[0])
    store, *others = select(stores, [request.store])
    if others:
        raise NothingToMeasureError(f"--store {request.store}: a tune is of one store")
    reason = (
        (store.detail or store.status if store.status != "up" else None)
        or why_unsuitable(store, LoadSpec(request.mix, None, 2))
        or why_no_slow_work(store, request.work, stores)
    )
    if reason:
        raise NothingToMeasureError(f"nothing to measure: {store.id}: {reason}")
    return store, summary_store(store, stores)


def candidate_layouts(request: TuneRequest, stack: TrialStack) -> list[PoolLayout]:
    """Return the layouts to try: those named, or all of the processes and the former one."""
    if request.pool_layouts:
        return list(request.pool_layouts)
    processes = request.processes or stack.processes
    layouts = list(pool_layouts(processes, request.balances))
    former = stack.layout
    if former is not None and former.processes == processes and former not in layouts:
        layouts.append(former)
    return layouts


def begin(
    request: TuneRequest, store: StoreInfo, layouts: Sequence[PoolLayout], into: Path
) -> tuple[Path, results.RunInfo]:
    """Open the run's folder, and that of the cells alone; raises ResultsError."""
    settings = {
        **asdict(request),
        "objectives": request.slos,
        "tried": [layout.name for layout in layouts],
    }
    del settings["slos"]  # a report judges pools, a tuner kinds of work
    ledgers = {store.id: msgspec.convert(store.ledger, results.Ledger)}
    info = results.RunInfo(
        scenario=SCENARIO,
        started=datetime.now(UTC),
        seed=request.seed,
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings=settings,
        stores=ledgers,
        variants={layout.name: ledgers for layout in layouts},
    )
    folder = results.begin(into, info)
    results.create(folder / ALONE, info)
    return folder, info


@dataclass(slots=True)
class TuneExecution:
    """A tune that is being measured."""

    request: TuneRequest
    stack: TrialStack
    store: StoreInfo
    slow_store: str | None
    folder: Path
    alone: dict[str, WorkProfile | None] = field(default_factory=dict)
    rounds_alone: set[int] = field(default_factory=set)

    def run(self, layouts: Sequence[PoolLayout], console: Console) -> TuningResult:
        """Measure the layouts, save the result and return it."""
        limits, slos = self.request.limits, [parse(text) for text in self.request.slos]
        least = min(limits.least, limits.rounds)
        cells_alone = sum(round_number <= limits.rounds for round_number in ROUNDS_ALONE)
        expected = len(layouts) * least + 2 * cells_alone
        with (
            ProgressDisplay(expected, console, within=limits.max_time) as display,
            Generator() as generator,
        ):

            def measure(layout: PoolLayout, round_number: int) -> None:
                if round_number in ROUNDS_ALONE and round_number not in self.rounds_alone:
                    self.rounds_alone.add(round_number)
                    self._measure_alone(layout, round_number, generator, display)
                self._cell(layout, round_number, generator, display)

            def more(round_number: int, cells: int) -> None:
                if round_number > least:
                    display.more(cells)

            trials = Trials(layouts, slos, self.folder, limits, self.request.seed, display.note)
            trials.run(measure, more)
        self._profile_work()
        former = self.stack.layout
        cells = [cell for cell in results.load(self.folder).cells if cell.void is None]
        result = conclude(trials, former.name if former else None, self._model(cells))
        result = msgspec.structs.replace(
            result,
            apply_s=self.stack.apply_s,
            clean_s=self.stack.clean_s,
            cells=len(cells),
            doubtful=sum(map(is_generator_limited, cells)),
        )
        tuning_results.save(self.folder, result)
        return result

    def _model(self, cells: Sequence[results.Cell]) -> Mapping[str, Any]:
        cores = cores_left(cells, float(os.cpu_count() or 1))
        length = {"warmup": self.request.warmup, "duration": float(self.request.duration)}
        return {**self.alone, "cores": cores, **length}

    def _measure_alone(
        self, layout: PoolLayout, round_number: int, generator: Generator, display: ProgressDisplay
    ) -> None:
        """Measure each kind of work while there is next to nothing of the other."""
        request = self.request
        slow_rate = min(request.slow_rate, MAX_SLOW_RATE)
        for kind, fast, slow in ((FAST, request.fast_rate, 0.0), (SLOW, OTHER_RATE, slow_rate)):
            display.begin(f"{kind} work alone")
            self.stack.to(layout)
            order = self._order(layout, round_number, self.folder / ALONE, fast, slow)
            order = msgspec.structs.replace(order, variant=f"{kind} alone", sample=ALL_SAMPLES)
            cell = self._measure(generator, order)
            results.append(self.folder / ALONE, cell)
            display.done()

    def _profile_work(self) -> None:
        recorded = list(series.samples(self.folder / ALONE, []))
        request, blocking = self.request, self.store.mode == "blocking"
        for kind, rate in ((FAST, request.fast_rate), (SLOW, request.slow_rate)):
            samples = [
                sample
                for sample in recorded
                if self._is(sample.operation, kind) and sample.variant == f"{kind} alone"
            ]
            isolated = IsolatedRequests(samples, awaits=kind == FAST and not blocking)
            cpu = 1.0 if kind == FAST else computing(request.work)
            self.alone[kind] = isolated.kind(rate, poisson=request.poisson, cpu=cpu)

    def _is(self, operation: str, kind: str) -> bool:
        return (operation == self.request.work.kind.value) is (kind == SLOW)

    def _cell(
        self, layout: PoolLayout, round_number: int, generator: Generator, display: ProgressDisplay
    ) -> None:
        description = f"round {round_number}  {layout.name}"
        display.begin(description)
        self.stack.to(layout)
        request = self.request

        def measure(attempt: int) -> results.Cell:
            order = self._order(
                layout, round_number, self.folder, request.fast_rate, request.slow_rate
            )
            return self._measure(generator, msgspec.structs.replace(order, attempt=attempt))

        measure_until_clean(
            measure, RunFolder(self.folder, display.note), description, display.note
        )
        display.done()

    def _measure(self, generator: Generator, order: CellOrder) -> results.Cell:
        connections = self.store.ledger.get("connections")
        cell = generator.measure(order)
        return msgspec.structs.replace(cell, target="nginx", connections=connections)

    def _order(
        self, layout: PoolLayout, round_number: int, folder: Path, fast: float, slow: float
    ) -> CellOrder:
        request, target = self.request, self.stack.target
        return CellOrder(
            scenario=SCENARIO,
            store=self.store.id,
            variant=layout.name,
            mix=request.mix,
            processes=layout.processes,
            round=round_number,
            rate=fast,
            slow_rate=slow,
            slow_work=request.work.kind,
            sleep_ms=request.work.ms,
            slow_store=self.slow_store,
            arrivals="poisson" if request.poisson else "constant",
            seed=request.seed + round_number,
            population=request.population,
            target=self.stack.url,
            warmup=request.warmup,
            duration=request.duration,
            bystanders=list(target.processes()),
            sample=SAMPLES,
            folder=str(folder.absolute()),
            groups={name: list(pids) for name, pids in target.groups(self.store).items()},
        )
