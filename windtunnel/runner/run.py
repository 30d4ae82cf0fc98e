"""scenario x stores x rounds -> results/: cell by cell, from the same state, rounds shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

import msgspec
from rich.console import Console

from windtunnel.analysis.grouping import is_reference
from windtunnel.analysis.keys import StoreKey
from windtunnel.analysis.slo import SloError, parse
from windtunnel.analysis.verdicts import why_unnamed
from windtunnel.analysis.wording import listed, load_amount
from windtunnel.errors import SetupError
from windtunnel.recording import environment, hlog, limits, results
from windtunnel.recording.conditions import LoadConditions
from windtunnel.recording.environment import exclusive_cores, generator_cores
from windtunnel.recording.nginx_log import AccessLog
from windtunnel.runner.generator_client import Generator
from windtunnel.runner.order import LOADED_RATE, SAMPLES, CellOrder
from windtunnel.runner.plan import CellSpec, Plan, Variant, plan
from windtunnel.runner.progress import Shown
from windtunnel.runner.request import SLOW_PART, Request
from windtunnel.runner.splits import split_variants
from windtunnel.runner.stack import StackTarget, slow_part, stacked
from windtunnel.runner.strategies import Orders, rounds
from windtunnel.runner.targets import AGAINST, BASE, Lineup, Server, foreign, server
from windtunnel.workload.stores import StoreInfo, discover

AGAIN = 2
"""How often a spoiled cell is measured again before it is kept as it is."""


class NothingToMeasureError(SetupError):
    """Every store that was asked for is out; the message says why, in one line."""


@dataclass(slots=True)
class Run:
    """A run under way: its folder, its plan, the servers that take part."""

    request: Request
    folder: Path
    plan: Plan
    lineup: Lineup
    console: Console
    info: results.RunInfo
    orders: Orders

    def measure(self) -> None:
        """Measure every cell of the plan and put each on disk before the next begins."""
        cores = generator_cores() if self.request.pin else None
        with ExitStack() as stack:
            shown = stack.enter_context(Shown(len(self.plan), self.console))
            generator = stack.enter_context(Generator(cores))
            if cores:
                stack.enter_context(exclusive_cores(cores, self._others()))
            stack.enter_context(self._told_if_interrupted(shown))
            stack.enter_context(self._told_by_nginx(shown))
            for order in self.orders(self.plan, self.folder, shown):
                shown.begin(describe(order))
                settle(
                    partial(self._cell, generator, order), self.folder, describe(order), shown.note
                )
                shown.done()
        self.info = msgspec.structs.replace(self.info, finished=datetime.now(UTC))
        results.finish(self.folder, self.info)

    @contextmanager
    def _told_if_interrupted(self, shown: Shown) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            shown.note(f"interrupted: windtunnel report {self.folder} has the finished cells")
            raise

    @contextmanager
    def _told_by_nginx(self, shown: Shown) -> Iterator[None]:
        """Tell the samples in the end how much of their time nginx had."""
        logs = [log for one in self.lineup.servers if (log := one.target.log)]
        through = any(load.processes > 1 for load in self.request.loads)
        tails = [AccessLog(log) for log in logs] if through else []
        try:
            yield
        finally:  # an interrupted run has a report too
            for tail in tails:
                try:
                    tail.join(self.folder)
                except OSError as error:
                    shown.note(f"nginx's part of the samples is not known: {error}")

    def _others(self) -> set[int]:
        targets = [one.target for one in self.lineup.servers]
        groups = (target.groups(offer) for target in targets for offer in self.plan.stores)
        return {pid for group in groups for pids in group.values() for pid in pids}

    def _cell(self, generator: Generator, spec: CellSpec, attempt: int) -> results.Cell:
        order = self._order(spec, attempt)
        server = self.lineup[spec.variant]
        straight = spec.load.processes == 1 or self.request.host
        return msgspec.structs.replace(
            generator.measure(order),
            target=server.target.name if straight else "nginx",
            connections=server.offers[spec.store.id].ledger.get("connections"),
        )

    def _order(self, spec: CellSpec, attempt: int) -> CellOrder:
        request, load, target = self.request, spec.load, self.lineup[spec.variant].target
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


def settle(
    measure: Callable[[int], results.Cell], folder: Path, what: str, note: Callable[[str], None]
) -> None:
    """Measure a cell, and again while it is spoiled, at most twice; each is put on disk.

    `measure` is told which attempt it is, from 1 on.
    """
    for attempt in range(1, AGAIN + 2):
        cell = measure(attempt)
        why = spoiled(cell) if attempt <= AGAIN else None
        _keep(folder, cell if why is None else msgspec.structs.replace(cell, void=why))
        if why is None:
            break
        note(f"measured again: {what}: {why}")
    if cell.void is not None:
        note(f"void: {what}: {cell.void}")


def _keep(folder: Path, cell: results.Cell) -> None:
    results.append(folder, cell)
    hlog.append(folder, cell)


def spoiled(cell: results.Cell) -> str | None:
    """Return why a cell should be measured again, or None."""
    steal = cell.health.get("steal") or 0.0
    if steal > limits.STEAL:
        return f"the hypervisor stole {steal:.0%} of the machine"
    return None


def describe(spec: CellSpec) -> str:
    """Return a cell in a few words."""
    load = spec.load
    slow = f" and {load.slow}" if load.slow else ""
    processes = f", {load.processes} processes" if load.processes > 1 else ""
    variant = f" {spec.variant}" if spec.variant else ""
    amount = load_amount(LoadConditions(users=load.users, rate=load.rate))
    under = f"{load.mix}, {amount}{slow}{processes}"
    return f"round {spec.round}  {spec.store.id}{variant}  {under}"


def run(request: Request, console: Console, into: Path, orders: Orders | None = None) -> Path:
    """Do a whole run and return its folder in `into`; see `Run.measure`.

    `orders` says which cell comes next; rounds as planned unless it is given.

    Raises UsageError, ServerDownError, UnknownStoreError, NothingToMeasureError, ResultsError,
    GeneratorError and what `deploy.lifecycle` raises, each one line for the user.
    """
    request.check()
    with ExitStack() as stack:
        lineup = _lineup(request, console, stack)
        if request.splits:
            count = len(lineup.servers[0].target.processes())
            request = replace(request, processes=(count,))
        return _run(request, console, into, lineup, orders or rounds(request))


def _lineup(request: Request, console: Console, stack: ExitStack) -> Lineup:
    """Return who takes part; what is started for it ends with `stack`."""
    if request.against is not None:
        first = replace(_first(request, console, stack), variant=Variant(BASE))
        return Lineup((first, foreign(request.against, AGAINST)))
    if request.scenario == SLOW_PART and not request.host:
        return stack.enter_context(slow_part(_stack(console, stack).stack))
    if request.splits:
        return stack.enter_context(split_variants(_stack(console, stack).stack, request.splits))
    return Lineup((_first(request, console, stack),))


def _first(request: Request, console: Console, stack: ExitStack) -> Server:
    if request.host:
        return foreign(request.host)
    target = _stack(console, stack)
    return server(target, discover(target.url(1))[1])


def _stack(console: Console, stack: ExitStack) -> StackTarget:
    return stack.enter_context(stacked(console.print))


def _run(request: Request, console: Console, into: Path, lineup: Lineup, orders: Orders) -> Path:
    planned = plan(
        lineup.offers(),
        request.stores,
        request.loads,
        full=request.full,
        rounds=request.rounds,
        seed=request.seed,
        variants=lineup.variants,
    )
    if not planned.stores:
        reasons = "; ".join(f"{store}: {why}" for store, why in planned.skipped.items())
        raise NothingToMeasureError(f"nothing to measure: {reasons or 'no store is offered'}")
    check(request.slos, planned)
    info = results.RunInfo(
        scenario=request.scenario,
        started=datetime.now(UTC),
        seed=request.seed,
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings=asdict(request),
        stores=ledgers(planned.stores),
        variants=_ledgers(lineup, planned.stores),
        skipped=dict(planned.skipped),
    )
    folder = results.begin(into, info)
    Run(request, folder, planned, lineup, console, info, orders).measure()
    return folder


def check(slos: Sequence[str], planned: Plan) -> None:
    """Raise SloError for an objective that applies to no store of a plan.

    Raises NothingToMeasureError where it would, were that store up.
    """
    stores = [offer.id for offer in planned.stores]
    by_key = {StoreKey(store): ledger for store, ledger in ledgers(planned.stores).items()}
    for slo in map(parse, slos):
        names = (
            StoreKey(offer.id, each.name)
            for each, offer in product(planned.variants, planned.stores)
            if each.takes(offer)
        )
        if not any(map(slo.applies_to, names)):
            for store, why in planned.skipped.items():
                if slo.applies_to(StoreKey(store)):
                    raise NothingToMeasureError(f"--slo {slo}: {store}: {why}")
            raise SloError(f"--slo {slo}: no store of this run matches: {listed(stores)}")
        if slo.glob is None and all(is_reference(key, by_key) for key in by_key):
            raise SloError(f"--slo {slo}: {why_unnamed(StoreKey(stores[0]))}")


def _ledgers(lineup: Lineup, stores: Sequence[StoreInfo]) -> dict[str, dict[str, results.Ledger]]:
    """Return the ledgers of the stores that are measured at each variant."""
    return {
        one.variant.name: ledgers(
            [one.offers[store.id] for store in stores if one.variant.takes(store)]
        )
        for one in lineup.servers
        if one.variant.name is not None
    }


def ledgers(offers: Sequence[StoreInfo]) -> dict[str, results.Ledger]:
    """Return the ledger of each store."""
    return {offer.id: msgspec.convert(offer.ledger, results.Ledger) for offer in offers}
