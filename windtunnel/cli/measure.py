"""run, report: measure, and say what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windtunnel.cli import options
from windtunnel.cli.clone import needs_clone
from windtunnel.errors import ExitCode, UsageError

# Objectives that cannot be judged by what was asked for: refused before anything is measured.


if TYPE_CHECKING:
    from windtunnel.runner.request import Request


def check_objectives(request: Request) -> None:
    """Raise UsageError for an objective on what the run will not have."""
    from windtunnel.analysis.metrics import RESPONSE
    from windtunnel.analysis.slo import parse

    operations = asked(request)
    for text in request.slos:
        slo = parse(text)
        if slo.latency == RESPONSE and not request.rates:
            raise UsageError(f"--slo {text!r}: closed load has no response time: give a --rate")
        if slo.measure == "regression" and not compares(request):
            raise UsageError(
                f"--slo {text!r}: a regression takes two variants: give --against URL, "
                "or --split twice"
            )
        if slo.operation is not None and slo.operation not in operations:
            mixes = ", ".join(request.mixes)
            raise UsageError(
                f"--slo {text!r}: nothing here asks for {slo.operation} (--mix {mixes}): "
                f"give a --mix that has it, as --mix {slo.operation}"
            )


def asked(request: Request) -> set[str]:
    """Return the operations that a run sends."""
    from windtunnel.workload.mixes import MIXES

    mixed = {str(name) for mix in request.mixes for name in MIXES[mix]}
    return mixed | {str(slow.work.kind.value) for slow in request.slow}


def compares(request: Request) -> bool:
    """Whether a run has two variants; those of wsgi are more, and the report ranks them."""
    return bool(request.against) or len(request.splits) == 2


if TYPE_CHECKING:
    from windtunnel.runner.request import Request


@needs_clone
def run(
    scenario: options.Scenario,
    stores: options.Stores = None,
    mix: options.Mixes = None,
    users: options.Users = None,
    rate: options.Rates = None,
    slow_rate: options.SlowRates = None,
    slow_work: options.SlowWorkOption = "sleep",
    sleep_ms: options.SleepMs = 100,
    split: options.Splits = None,
    poisson: options.Poisson = False,
    processes: options.Processes = None,
    rounds: options.Rounds = None,
    duration: options.Duration = None,
    warmup: options.Warmup = None,
    seed: options.Seed = 1,
    quick: options.Quick = False,
    full: options.Full = False,
    pin: options.Pin = False,
    host: options.Host = None,
    slo: options.Objectives = None,
    precision: options.Precision = None,
    max_time: options.MaxTime = 1800.0,
    against: options.Against = None,
    retry_stale: options.RetryStale = False,
    cookies: options.Cookies = False,
    into: options.Into = Path("results"),
) -> None:
    """Measure stores cell by cell, and rank them.

    Writes a folder with a report.html, and prints the ranking.
    """
    from windtunnel.runner.request import Request
    from windtunnel.workload.slow import SlowLoad

    usual = options.usually(options.known_scenario(scenario))
    if not (rate or users):
        rate, poisson = usual.rate, poisson or usual.poisson
    if usual.rates and not users:
        fast, slow = (str(usual.rates[name]) for name in ("fast", "slow"))
        rate, slow_rate = rate or fast, slow_rate or slow
    usual_processes = "3" if (usual.rates or split) and not host else "1"
    work = options.slow_work(slow_work, sleep_ms)
    request = Request(
        scenario=scenario,
        stores=tuple(stores or ()) or (() if full else usual.stores),
        mixes=options.known_mixes(mix or list(usual.mixes)),
        users=options.numbers("--users", users or "8", 10_000),
        rates=options.rates(rate),
        arrivals="poisson" if poisson else "constant",
        sleep_ms=sleep_ms,
        slow=tuple(SlowLoad(each, work) for each in options.slow_rates(slow_rate)),
        splits=options.splits(split or []),
        processes=options.numbers("--processes", processes or usual_processes, 64),
        **options.timing(quick, usual.duration, rounds=rounds, duration=duration, warmup=warmup),
        seed=seed,
        full=full,
        pin=pin,
        host=options.known_url("--host", host),
        against=options.known_url("--against", against),
        retry_stale=retry_stale,
        cookies=cookies,
        slos=options.objectives(slo or []),
        precision=options.percentage(precision),
        max_time=max_time,
    )
    check(request, users, several=bool(usual.rates))
    check_objectives(request)
    measure(request, into)


def measure(request: Request, into: Path) -> None:
    """Do a run and report it; leaves with 1 if an objective was broken."""
    from rich.console import Console

    from windtunnel.analysis.verdicts import has_failed
    from windtunnel.reports import report as reports
    from windtunnel.runner import run

    folder = run.run(request, Console(highlight=False, soft_wrap=True), into)
    if has_failed(reports.report(folder).verdicts):
        raise typer.Exit(ExitCode.FAILED)


def report(
    run: Annotated[str, typer.Argument(help="a folder of results/, or `latest`")],
    json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Print what a run measured, and write its report.html anew."""
    from windtunnel.reports import report as reports

    reports.report(run, json)


def check(request: Request, users: str | None, *, several: bool) -> None:
    """Raise UsageError for what does not go together; `several` kinds of requests have rates."""
    if request.splits and (request.host or request.against or request.processes != (3,)):
        raise UsageError(
            "--split says which processes there are: no --processes, --host, --against"
        )
    if several and users:
        raise UsageError(f"{request.scenario} is open load: give rates instead of --users")
    if request.slow and not several:
        raise UsageError(f"--slow-rate: {request.scenario} has no slow work beside its own")
    if request.rates and users:
        raise UsageError("--rate is open load and --users closed: give one of them")
    if request.arrivals == "poisson" and not request.rates:
        raise UsageError("--poisson is about --rate: give one")
    if request.host and request.processes != (1,):
        raise UsageError("--processes is for servers that this command starts, not for --host")
    if request.scenario == "wsgi" and request.processes != (1,):
        raise UsageError("wsgi compares servers by one process of each: leave out --processes")
    if request.full and request.stores:
        raise UsageError("--full takes every store: leave out --stores")


# capacity: the highest rate at which objectives hold.


@needs_clone
def capacity(
    scenario: options.Scenario,
    slo: Annotated[
        list[str],
        typer.Option(metavar="TEXT", help="as 'p99(response, read) < 50ms'; all must hold"),
    ],
    stores: options.Stores = None,
    mix: options.Mixes = None,
    first: Annotated[
        float, typer.Option(min=1, max=100_000, metavar="R", help="the rate to begin with")
    ] = 200.0,
    slow_rate: options.SlowRates = None,
    slow_work: options.SlowWorkOption = "sleep",
    sleep_ms: options.SleepMs = 100,
    poisson: options.Poisson = False,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="rounds at each rate")] = 3,
    duration: Annotated[float, typer.Option(min=0.1, max=3600, help="seconds of a cell")] = 10.0,
    seed: options.Seed = 1,
    host: options.Host = None,
    into: options.Into = Path("results"),
) -> None:
    """Search the highest open rate at which every objective holds, for each store.

    All stores side by side: doubles until an objective is broken, then bisects to 5 %. A store
    whose cells are too short to tell drops out, with the --duration that it takes.
    """
    from rich.console import Console

    from windtunnel.reports import report as reports
    from windtunnel.runner import run
    from windtunnel.runner.request import Request
    from windtunnel.runner.strategies import search
    from windtunnel.workload.slow import SlowLoad

    usual = options.usually(options.known_scenario(scenario))
    if usual.rates:
        slow_rate = slow_rate or str(usual.rates["slow"])
    work = options.slow_work(slow_work, sleep_ms)
    request = Request(
        scenario=scenario,
        stores=tuple(stores or usual.stores),
        mixes=options.known_mixes(mix or list(usual.mixes)),
        rates=(first,),
        slow=tuple(SlowLoad(each, work) for each in options.slow_rates(slow_rate)),
        processes=(3,) if usual.rates and not host else (1,),
        arrivals="poisson" if poisson else "constant",
        rounds=rounds,
        duration=duration,
        warmup=1.0,
        seed=seed,
        host=options.known_url("--host", host),
        slos=bounds(slo),
    )
    check_objectives(request)
    console = Console(highlight=False, soft_wrap=True)
    reports.report(run.run(request, console, into, search(request, first)))


def bounds(texts: list[str]) -> tuple[str, ...]:
    """Return the objectives; raises SloError, and UsageError for what one server cannot break."""
    from windtunnel.analysis.slo import parse

    if any(parse(text).measure == "regression" for text in texts):
        raise UsageError("a regression has no capacity: it compares two servers, see run --against")
    return options.objectives(texts)


# compare: two variants of one run, or two runs.


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="a run: a folder, a name, `latest`")],
    second: Annotated[
        str | None, typer.Argument(metavar="[B]", help="another; without it the variants of A")
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="as 'regression < 10%'; exit code 1 if it fails"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Say of each store and operation whether B is faster or slower than A, or neither.

    One run measured with --against has its two variants compared; only these meet in the same
    rounds, and only they can prove a regression.
    """
    from windtunnel.reports import report

    if report.compare(first, second, slo or [], json=json):
        raise typer.Exit(ExitCode.FAILED)
