"""scenario x stores x rounds -> results/: cell by cell, from the same state, rounds shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from windtunnel.analysis.wording import load_amount
from windtunnel.recording import environment, limits, results
from windtunnel.recording.conditions import LoadConditions
from windtunnel.recording.environment import exclusive_cores, generator_cores
from windtunnel.recording.nginx_log import AccessLog
from windtunnel.recording.results import Cell
from windtunnel.recording.run_folder import RunFolder
from windtunnel.runner.cell_order import LOADED_RATE, SAMPLES, CellOrder
from windtunnel.runner.cell_plan import CellSpec, NothingToMeasureError, Plan, Variant, plan
from windtunnel.runner.generator_client import Generator
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.request import SLOW_PART, Request, check_slos
from windtunnel.runner.split_trial import split_variants
from windtunnel.runner.stack import StackTarget, slow_part, stacked
from windtunnel.runner.strategies import Strategy, rounds
from windtunnel.runner.targets import (
    AGAINST,
    BASE,
    Variants,
    VariantServer,
    ledgers,
    running_server,
    variant_server,
)
from windtunnel.workload.stores import discover

MAX_ATTEMPTS: Final = 3
"""The last one is kept as it is."""


def measure_until_clean(
    measure: Callable[[int], Cell], folder: RunFolder, description: str, note: Callable[[str], None]
) -> None:
    """Measure a cell, and again while it is spoiled; each attempt is put on disk.

    `measure` gets the number of the attempt, from 1. Raises ResultsError.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        cell = measure(attempt)
        reason = why_spoiled(cell) if attempt < MAX_ATTEMPTS else None
        kept = cell if reason is None else msgspec.structs.replace(cell, void=reason)
        folder.append(kept)
        folder.log(kept)
        if reason is None:
            break
        note(f"measured again: {description}: {reason}")
    if cell.void is not None:
        note(f"void: {description}: {cell.void}")


def why_spoiled(cell: Cell) -> str | None:
    """Return why a cell should be measured again, or None."""
    steal = cell.health.get("steal") or 0.0
    if steal > limits.MAX_STEAL:
        return f"the hypervisor stole {steal:.0%} of the machine"
    return None


def run(request: Request, console: Console, into: Path, strategy: Strategy | None = None) -> Path:
    """Do a whole run and return its folder in `into`; see `RunExecution.measure`.

    `strategy` says which cell comes next; rounds as planned unless it is given.

    Raises UsageError, ServerDownError, UnknownStoreError, NothingToMeasureError, ResultsError,
    GeneratorError and what `deploy.lifecycle` raises, each one line for the user.
    """
    request.check()
    with ExitStack() as stack:
        variants = _start_variants(request, console, stack)
        if request.splits:
            count = len(variants.servers[0].target.processes())
            request = replace(request, processes=(count,))
        cells = _plan(request, variants)
        folder, info = _open(request, cells, variants, into)
        execution = RunExecution(request, folder, cells, variants, console, info)
        execution.measure(strategy or rounds(request))
    return folder


def _start_variants(request: Request, console: Console, stack: ExitStack) -> Variants:
    """Return what the run measures; what is started for it ends with `stack`."""
    if request.against is not None:
        first = replace(_first_server(request, console, stack), variant=Variant(BASE))
        return Variants((first, running_server(request.against, AGAINST)))
    if request.scenario == SLOW_PART and not request.host:
        return stack.enter_context(slow_part(_start_stack(console, stack).stack))
    if request.splits:
        target = _start_stack(console, stack)
        return stack.enter_context(split_variants(target.stack, request.splits))
    return Variants((_first_server(request, console, stack),))


def _first_server(request: Request, console: Console, stack: ExitStack) -> VariantServer:
    if request.host:
        return running_server(request.host)
    target = _start_stack(console, stack)
    return variant_server(target, discover(target.url(1))[1])


def _start_stack(console: Console, stack: ExitStack) -> StackTarget:
    return stack.enter_context(stacked(console.print))


def _plan(request: Request, variants: Variants) -> Plan:
    cells = plan(
        variants.stores(),
        request.stores,
        request.loads,
        full=request.full,
        rounds=request.rounds,
        seed=request.seed,
        variants=variants.variants,
    )
    if not cells.stores:
        reasons = "; ".join(f"{store}: {reason}" for store, reason in cells.skipped.items())
        raise NothingToMeasureError(f"nothing to measure: {reasons or 'no store is offered'}")
    check_slos(request.slos, cells)
    return cells


def _open(
    request: Request, cells: Plan, variants: Variants, into: Path
) -> tuple[Path, results.RunInfo]:
    """Open the run's folder; raises ResultsError."""
    info = results.RunInfo(
        scenario=request.scenario,
        started=datetime.now(UTC),
        seed=request.seed,
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings=asdict(request),
        stores=ledgers(cells.stores),
        variants=variants.ledgers(cells.stores),
        skipped=dict(cells.skipped),
    )
    return results.begin(into, info), info


@dataclass(slots=True)
class RunExecution:
    """A run that is being measured: its folder, its plan, the servers that take part."""

    request: Request
    folder: Path
    plan: Plan
    variants: Variants
    console: Console
    info: results.RunInfo

    def measure(self, strategy: Strategy) -> None:
        """Measure every cell of a strategy and put each on disk before the next begins."""
        cores = generator_cores() if self.request.pin else None
        with ExitStack() as stack:
            display = stack.enter_context(ProgressDisplay(len(self.plan), self.console))
            generator = stack.enter_context(Generator(cores))
            if cores:
                stack.enter_context(exclusive_cores(cores, self._other_pids()))
            stack.enter_context(self._noting_interruption(display))
            stack.enter_context(self._joining_access_logs(display))
            for spec in strategy(self.plan, self.folder, display):
                description = describe(spec)
                display.begin(description)
                measure = partial(self._cell, generator, spec)
                folder = RunFolder(self.folder, display.note)
                measure_until_clean(measure, folder, description, display.note)
                display.done()
        info = msgspec.structs.replace(self.info, finished=datetime.now(UTC))
        RunFolder(self.folder, self.console.print).finish(info)

    @contextmanager
    def _noting_interruption(self, display: ProgressDisplay) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            display.note(f"interrupted: windtunnel report {self.folder} has the finished cells")
            raise

    @contextmanager
    def _joining_access_logs(self, display: ProgressDisplay) -> Iterator[None]:
        """Add to the samples in the end how much of their time nginx had."""
        through_nginx = any(load.processes > 1 for load in self.request.loads)
        paths = [server.target.log for server in self.variants.servers] if through_nginx else []
        logs = [AccessLog(path) for path in paths if path is not None]
        try:
            yield
        finally:  # an interrupted run has a report too
            RunFolder(self.folder, display.note).join(logs)

    def _other_pids(self) -> set[int]:
        targets = [server.target for server in self.variants.servers]
        groups = (target.groups(store) for target in targets for store in self.plan.stores)
        return {pid for group in groups for pids in group.values() for pid in pids}

    def _cell(self, generator: Generator, spec: CellSpec, attempt: int) -> results.Cell:
        order = self._order(spec, attempt)
        server = self.variants[spec.variant]
        is_direct = spec.load.processes == 1 or self.request.host
        return msgspec.structs.replace(
            generator.measure(order),
            target=server.target.name if is_direct else "nginx",
            connections=server.stores[spec.store.id].ledger.get("connections"),
        )

    def _order(self, spec: CellSpec, attempt: int) -> CellOrder:
        request, load, target = self.request, spec.load, self.variants[spec.variant].target
        url = target.url(load.processes)  # first: it may change which processes there are
        order = CellOrder(
            scenario=request.scenario,
            store=spec.store.id,
            variant=spec.variant,
            mix=load.mix,
            processes=load.processes,
            round=spec.round,
            attempt=attempt,
            users=load.users,
            rate=load.rate,
            arrivals=request.arrivals,
            sleep_ms=request.sleep_ms,
            seed=request.seed,
            population=request.population,
            target=url,
            warmup=request.warmup,
            duration=request.duration,
            retry_stale=request.retry_stale,
            cookies=request.cookies,
            bystanders=list(target.processes()),
            loaded_rate=LOADED_RATE if isinstance(target, StackTarget) else None,
            sample=SAMPLES,
            folder=str(self.folder.absolute()),
            groups={name: list(pids) for name, pids in target.groups(spec.store).items()},
        )
        return order.beside(load.slow, self.plan.summary_stores.get(spec.store.id))


def describe(spec: CellSpec) -> str:
    """Return a cell in a few words."""
    load = spec.load
    slow = f" and {load.slow}" if load.slow else ""
    processes = f", {load.processes} processes" if load.processes > 1 else ""
    variant = f" {spec.variant}" if spec.variant else ""
    amount = load_amount(LoadConditions(users=load.users, rate=load.rate))
    description = f"{load.mix}, {amount}{slow}{processes}"
    return f"round {spec.round}  {spec.store.id}{variant}  {description}"
