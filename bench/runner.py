"""scenario x stores x rounds -> results/: cell by cell, from the same state, rounds shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
import psutil
from rich.console import Console

from bench import host, results
from bench.discovery import Process, discover
from bench.driving import CellError, Generator
from bench.pinning import generator_cores, kept_off
from bench.plan import Load, Offer, Order, Plan, plan
from bench.progress import Shown
from bench.stacked import stacked


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line. Times in seconds."""

    scenario: str = "crud"
    stores: tuple[str, ...] = ()
    mixes: tuple[str, ...] = ("balanced",)
    users: tuple[int, ...] = (8,)
    processes: tuple[int, ...] = (1,)
    rounds: int = 6
    duration: float = 2.0
    warmup: float = 0.5
    population: int = 1000
    seed: int = 1
    full: bool = False
    pin: bool = False
    host: str | None = None

    @property
    def loads(self) -> list[Load]:
        """Every mix with every number of users and processes."""
        return [Load(m, u, p) for m in self.mixes for u in self.users for p in self.processes]


class Target(Protocol):
    """Where a cell's load goes, and whose CPU time is to be counted."""

    def url(self, processes: int) -> str:
        """Make ready and return the address to load with that many server processes."""

    def groups(self, offer: Offer) -> Mapping[str, Sequence[int]]:
        """Return the process ids of each group: server, database, nginx."""


class Foreign:
    """A server that already runs at an address: loaded straight, nothing started.

    The CPU time of its process is counted if it is one of this machine.
    """

    def __init__(self, url: str, process: Process) -> None:
        self._url = url
        here = urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
        self._server = [process.pid] if here and psutil.pid_exists(process.pid) else []

    def url(self, processes: int) -> str:  # noqa: ARG002
        return self._url

    def groups(self, offer: Offer) -> Mapping[str, Sequence[int]]:  # noqa: ARG002
        return {"server": self._server} if self._server else {}


def target_name(request: Request, load: Load) -> str:
    """Return what `target` of a cell says: host, direct or nginx."""
    if request.host:
        return "host"
    return "direct" if load.processes == 1 else "nginx"


@dataclass(slots=True)
class Run:
    """A run under way: its folder, its plan, its target."""

    request: Request
    folder: Path
    plan: Plan
    target: Target
    console: Console
    info: results.RunInfo

    def measure(self) -> None:
        """Measure every cell of the plan and put each on disk before the next begins."""
        cores = generator_cores() if self.request.pin else None
        with ExitStack() as stack:
            shown = stack.enter_context(Shown(len(self.plan), self.console))
            generator = stack.enter_context(Generator(cores))
            if cores:
                stack.enter_context(kept_off(cores, self._others()))
            with self._told_if_interrupted(shown):
                for order in self.plan:
                    shown.begin(describe(order))
                    results.append(self.folder, self._cell(generator, order, shown.note))
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

    def _others(self) -> set[int]:
        groups = (self.target.groups(offer) for offer in self.plan.stores)
        return {pid for group in groups for pids in group.values() for pid in pids}

    def _cell(
        self, generator: Generator, order: Order, note: Callable[[str], None]
    ) -> results.Cell:
        facts = self._facts(order)
        try:
            told = generator.cell(self._order(order), lambda _: None)
        except CellError as error:
            note(f"void: {describe(order)}: {error}")
            return results.Cell(**facts, seconds=0.0, throughput_rps=0.0, void=str(error))
        measured = {key: told[key] for key in MEASURED if key in told}
        return msgspec.convert({**facts, **measured}, results.Cell)

    def _facts(self, order: Order) -> dict[str, Any]:
        return {
            "store": order.store.id,
            "target": target_name(self.request, order.load),
            "mix": order.load.mix,
            "processes": order.load.processes,
            "connections": order.store.ledger.get("connections"),
            "round": order.round,
            "users": order.load.users,
        }

    def _order(self, order: Order) -> dict[str, Any]:
        return {
            "scenario": self.request.scenario,
            "store": order.store.id,
            "mix": order.load.mix,
            "users": order.load.users,
            "seed": self.request.seed,
            "population": self.request.population,
            "target": self.target.url(order.load.processes),
            "warmup": self.request.warmup,
            "duration": self.request.duration,
            "groups": {k: list(v) for k, v in self.target.groups(order.store).items()},
        }


MEASURED = ("seconds", "throughput_rps", "operations", "cpu_s", "health", "flags", "void")
"""What of a cell the generator tells; the rest is what was ordered."""


def describe(order: Order) -> str:
    """Return a cell in a few words."""
    load = order.load
    processes = f", {load.processes} processes" if load.processes > 1 else ""
    return f"round {order.round}  {order.store.id}  {load.mix}, {load.users} users{processes}"


def run(request: Request, console: Console, into: Path) -> Path:
    """Do a whole run and return its folder in `into`; see `Run.measure`.

    Raises ServerDownError, UnknownStoreError, ResultsError, GeneratorError and what
    `deploy.stack` raises, each one line for the user.
    """
    if request.host:
        process, offers = discover(request.host)
        return _run(request, console, into, Foreign(request.host, process), offers)
    with stacked(console.print) as target:
        _, offers = discover(target.url(1))
        return _run(request, console, into, target, offers)


def _run(
    request: Request, console: Console, into: Path, target: Target, offers: Sequence[Offer]
) -> Path:
    planned = plan(
        offers,
        request.stores,
        request.loads,
        full=request.full,
        rounds=request.rounds,
        seed=request.seed,
    )
    started = datetime.now(UTC)
    info = results.RunInfo(
        scenario=request.scenario,
        started=started,
        seed=request.seed,
        git=host.git(Path(__file__).parent),
        host=host.gather(),
        settings=asdict(request),
        stores={o.id: msgspec.convert(o.ledger, results.Ledger) for o in planned.stores},
        skipped=dict(planned.skipped),
    )
    folder = into / f"{started:%Y-%m-%dT%H-%M-%S}-{request.scenario}"
    results.create(folder, info)
    Run(request, folder, planned, target, console, info).measure()
    return folder
