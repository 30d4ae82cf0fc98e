"""capacity: the highest rate at which objectives hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.commands import objectives, options
from bench.commands.saying import UsageError


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
    slow_work: options.SlowWork = "sleep",
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

    from bench.asked.request import Request
    from bench.asked.work import Slow
    from bench.reports import report as reports
    from bench.run import runner
    from bench.run.orders import search

    usual = options.usually(options.known_scenario(scenario))
    if usual.rates:
        slow_rate = slow_rate or str(usual.rates["slow"])
    work = options.slow_work(slow_work, sleep_ms)
    request = Request(
        scenario=scenario,
        stores=tuple(stores or usual.stores),
        mixes=options.known_mixes(mix or list(usual.mixes)),
        rates=(first,),
        slow=tuple(Slow(each, work) for each in options.slow_rates(slow_rate)),
        processes=(3,) if usual.rates and not host else (1,),
        arrivals="poisson" if poisson else "constant",
        rounds=rounds,
        duration=duration,
        warmup=1.0,
        seed=seed,
        host=options.known_url("--host", host),
        slos=bounds(slo),
    )
    objectives.check(request)
    console = Console(highlight=False, soft_wrap=True)
    reports.report(runner.run(request, console, into, search(request, first)))


def bounds(texts: list[str]) -> tuple[str, ...]:
    """Return the objectives; raises SloError, and UsageError for what one server cannot break."""
    from bench.figures.slo import parse

    if any(parse(text).measure == "regression" for text in texts):
        raise UsageError("a regression has no capacity: it compares two servers, see run --against")
    return options.objectives(texts)
