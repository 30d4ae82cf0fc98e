"""run, capacity, report, compare: measure stores, and show what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windtunnel.cli import options, types
from windtunnel.cli.output import needs_clone
from windtunnel.cli.types import option_type
from windtunnel.errors import ExitCode
from windtunnel.workload.options import SEED, SLEEP_MS, SLOW_WORK

if TYPE_CHECKING:
    from windtunnel.runner.request import Request
    from windtunnel.runner.strategies import Strategy
    from windtunnel.workload.arrivals import Arrivals
    from windtunnel.workload.slow import SlowLoad

QUICK: dict[str, Any] = {"rounds": 2, "duration": 1.5, "warmup": 0.4}


@needs_clone
def run(
    scenario: options.Scenario,
    stores: options.Stores = None,
    mix: options.Mixes = None,
    users: options.Users = None,
    rate: options.Rates = None,
    slow_rate: options.SlowRates = None,
    slow_work: options.SlowWork = SLOW_WORK.default,
    sleep_ms: options.SleepMs = SLEEP_MS.default,
    split: Annotated[
        list[Any] | None,
        typer.Option(
            metavar="TEXT",
            parser=option_type(types.named_changes),
            help="a split to compare, as 'even: pools.fast.processes=2 pools.slow.processes=2'; "
            "its cells are interleaved with those of the others; may be repeated",
        ),
    ] = None,
    poisson: options.Poisson = False,
    processes: Annotated[
        Sequence[int] | None,
        typer.Option(
            metavar="N[,N...]",
            parser=option_type(types.processes),
            help="server processes: 1 is loaded directly, more through nginx [1; in pools 3]",
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="passes over all cells [6]")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, max=3600, help="measured seconds of a cell [2]")
    ] = None,
    warmup: Annotated[
        float | None, typer.Option(min=0, max=3600, help="seconds before that, left out [0.5]")
    ] = None,
    seed: options.Seed = SEED.default,
    quick: Annotated[bool, typer.Option("--quick", help="2 short rounds: no ranking")] = False,
    full: Annotated[bool, typer.Option("--full", help="every mode and durability")] = False,
    pin: Annotated[
        bool, typer.Option("--pin/--no-pin", help="a core of its own for the generator")
    ] = False,
    host: options.Host = None,
    slo: options.Slos = None,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="P%",
            parser=option_type(types.percentage),
            help="more rounds, until the ratios to the best are this precise",
        ),
    ] = None,
    max_time: Annotated[
        float, typer.Option(min=1, metavar="S", help="seconds after which --precision gives up")
    ] = 1800.0,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            parser=option_type(types.address),
            help="a second server: its cells are interleaved with those of the first",
        ),
    ] = None,
    retry_stale: options.RetryStale = False,
    cookies: options.Cookies = False,
    results: options.ResultsFolder = Path("results"),
) -> None:
    """Measure stores cell by cell, and rank them.

    Writes a run folder with a report.html, and prints the ranking.
    """
    from windtunnel.runner.request import THROUGH_NGINX, Request
    from windtunnel.runner.scenario import Scenario

    defaults = Scenario.read(scenario)
    is_through_nginx = (defaults.stream_rates or split) and not host
    timing = {"rounds": rounds, "duration": duration, "warmup": warmup}
    request = Request(
        scenario=scenario,
        stores=tuple(stores or ()) or (() if full else defaults.stores),
        mixes=tuple(dict.fromkeys(mix or [defaults.mix])),
        users=tuple(users or ()),
        rates=tuple(rate or (() if users else defaults.rates)),
        slow=_slow_loads(slow_rate or (() if users else defaults.slow_rates), slow_work, sleep_ms),
        splits=dict(split or ()),
        arrivals=_arrivals(poisson or (defaults.poisson and not rate and not users)),
        processes=tuple(processes or (THROUGH_NGINX if is_through_nginx else 1,)),
        seed=seed,
        full=full,
        pin=pin,
        sleep_ms=sleep_ms,
        host=host,
        against=against,
        retry_stale=retry_stale,
        cookies=cookies,
        precision=precision,
        max_time=max_time,
        slos=tuple(slo or ()),
        **(QUICK if quick else {"duration": defaults.duration})
        | {name: value for name, value in timing.items() if value is not None},
    )
    _measure(request, results)


@needs_clone
def capacity(
    scenario: options.Scenario,
    slo: options.RequiredSlos,
    stores: options.Stores = None,
    mix: options.Mixes = None,
    first: Annotated[
        float, typer.Option(min=1, max=100_000, metavar="R", help="the rate to begin with")
    ] = 200.0,
    slow_rate: options.SlowRates = None,
    slow_work: options.SlowWork = SLOW_WORK.default,
    sleep_ms: options.SleepMs = SLEEP_MS.default,
    poisson: options.Poisson = False,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="rounds at each rate")] = 3,
    duration: Annotated[
        float, typer.Option(min=0.1, max=3600, help="measured seconds of a cell")
    ] = 10.0,
    seed: options.Seed = SEED.default,
    host: options.Host = None,
    results: options.ResultsFolder = Path("results"),
) -> None:
    """Search the highest open rate at which every SLO holds, for each store.

    All stores side by side: doubles until an SLO fails, then bisects to 5 %. A store whose cells
    are too short to judge drops out, with the --duration that it takes.
    """
    from windtunnel.runner.request import THROUGH_NGINX, Request
    from windtunnel.runner.scenario import Scenario
    from windtunnel.runner.strategies import search

    defaults = Scenario.read(scenario)
    request = Request(
        scenario=scenario,
        stores=tuple(stores or defaults.stores),
        mixes=tuple(dict.fromkeys(mix or [defaults.mix])),
        rates=(first,),
        slow=_slow_loads(slow_rate or defaults.slow_rates, slow_work, sleep_ms),
        processes=(THROUGH_NGINX,) if defaults.stream_rates and not host else (1,),
        arrivals=_arrivals(poisson),
        rounds=rounds,
        duration=duration,
        warmup=1.0,
        seed=seed,
        host=host,
        slos=tuple(slo),
    )
    _measure(request, results, search(request, first))


def _slow_loads(rates: Sequence[float], name: str, sleep_ms: int) -> tuple[SlowLoad, ...]:
    from windtunnel.workload.slow import SlowKind, SlowLoad, SlowWork

    work = SlowWork(SlowKind(name), sleep_ms)
    return tuple(SlowLoad(rate, work) for rate in rates)


def _arrivals(poisson: bool) -> Arrivals:
    return "poisson" if poisson else "constant"


def _measure(request: Request, results: Path, strategy: Strategy | None = None) -> None:
    """Do a run and report it; exit code 1 if an SLO failed, unless rates were searched."""
    from rich.console import Console

    from windtunnel.analysis.verdicts import has_failed
    from windtunnel.reports import report
    from windtunnel.runner import run

    folder = run.run(request, Console(highlight=False, soft_wrap=True), results, strategy)
    summary = report.report(folder)
    if strategy is None and has_failed(summary.verdicts):
        raise typer.Exit(ExitCode.FAILED)


def report(
    run: Annotated[str, typer.Argument(help="a run folder, its name, or `latest`")],
    json: options.Json = False,
) -> None:
    """Print what a run measured, and write its report.html again."""
    from windtunnel.reports import report

    report.report(run, json)


def compare(
    first: Annotated[
        str, typer.Argument(metavar="A", help="a run: its folder, its name, or `latest`")
    ],
    second: Annotated[
        str | None, typer.Argument(metavar="[B]", help="another; by default the variants of A")
    ] = None,
    slo: options.Slos = None,
    json: options.Json = False,
) -> None:
    """Compare two runs, or the two variants of one: faster, slower, or no difference.

    Only the variants of one run, as of --against, are measured in the same rounds, and only they
    can prove a regression.
    """
    from windtunnel.reports import report

    if report.compare(first, second, slo or [], json=json):
        raise typer.Exit(ExitCode.FAILED)
