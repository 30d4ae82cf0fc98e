"""run, report: measure, and say what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands import objectives, options
from bench.commands.saying import UsageError

if TYPE_CHECKING:
    from bench.asked.request import Request


def run(
    scenario: options.Scenario,
    stores: options.Stores = None,
    mix: options.Mixes = None,
    users: options.Users = None,
    rate: options.Rates = None,
    slow_rate: options.SlowRates = None,
    slow_work: options.SlowWork = "sleep",
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
    from bench.asked.request import Request
    from bench.asked.work import Slow

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
        slow=tuple(Slow(each, work) for each in options.slow_rates(slow_rate)),
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
    objectives.check(request)
    measure(request, into)


def measure(request: Request, into: Path) -> None:
    """Do a run and report it; leaves with 1 if an objective was broken."""
    from rich.console import Console

    from bench.figures.verdicts import failed
    from bench.reports import report as reports
    from bench.run import runner

    folder = runner.run(request, Console(highlight=False, soft_wrap=True), into)
    if failed(reports.report(folder).verdicts):
        raise typer.Exit(1)


def report(
    run: Annotated[str, typer.Argument(help="a folder of results/, or `latest`")],
    json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Print what a run measured, and write its report.html anew."""
    from bench.reports import report as reports

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
