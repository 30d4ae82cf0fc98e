"""tune: measure which split of the processes is best for a load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from windtunnel.cli import options, types
from windtunnel.cli.output import needs_clone
from windtunnel.cli.types import option_type
from windtunnel.errors import ExitCode
from windtunnel.workload.options import MIX, SEED, SLEEP_MS, SLOW_WORK

DEFAULT_RATES = (200.0, 5.0)
DEFAULT_PRECISION = 0.1


@needs_clone
def tune(
    slo: options.RequiredSlos,
    rates: Annotated[
        Sequence[float] | None,
        typer.Option(
            metavar="FAST,SLOW",
            parser=option_type(types.rates),
            help="requests per second of fast and of slow work [200,5]",
        ),
    ] = None,
    slow_work: options.SlowWork = SLOW_WORK.default,
    sleep_ms: options.SleepMs = SLEEP_MS.default,
    store: Annotated[
        str, typer.Option(metavar="ID", help="the store of fast work")
    ] = "redis/async/fast",
    mix: options.Mix = MIX.default,
    poisson: options.Poisson = False,
    split: Annotated[
        list[Any] | None,
        typer.Option(
            metavar="NAME",
            parser=option_type(types.pool_layout),
            help="only these, as 3+1, 4-together, 2+2-least_conn; may be repeated",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=2, max=64, metavar="N", help="processes to divide [as many as run]"),
    ] = None,
    balance: options.Balances = None,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="P%",
            parser=option_type(types.percentage),
            help="stop when the ratios to the best are this precise [10%]",
        ),
    ] = None,
    max_time: Annotated[
        float, typer.Option(min=1, metavar="S", help="seconds after which no round begins")
    ] = 600.0,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="most rounds")] = 60,
    duration: Annotated[int, typer.Option(min=1, max=600, help="measured seconds of a cell")] = 3,
    warmup: Annotated[
        float, typer.Option(min=0, max=60, help="seconds before that, left out")
    ] = 0.5,
    seed: options.Seed = SEED.default,
    apply: Annotated[
        bool, typer.Option("--apply", help="apply the recommended split; by default it is restored")
    ] = False,
    results: options.ResultsFolder = Path("results"),
) -> None:
    """Measure which split of the processes is best for a load of fast and slow work.

    Tries splits in shuffled rounds, drops early what is clearly worse, and restores the former
    split.
    """
    from windtunnel.reports import report, tuning
    from windtunnel.runner.tune import tune as tune_splits
    from windtunnel.runner.tune_request import TuneRequest
    from windtunnel.tuning.tuner import Limits
    from windtunnel.workload.slow import SlowKind, SlowWork

    fast_rate, slow_rate = rates or DEFAULT_RATES
    request = TuneRequest(
        slos=tuple(slo),
        fast_rate=fast_rate,
        slow_rate=slow_rate,
        work=SlowWork(SlowKind(slow_work), sleep_ms),
        store=store,
        mix=mix,
        poisson=poisson,
        processes=processes,
        balances=tuple(dict.fromkeys(balance or ["round_robin"])),
        pool_layouts=tuple(dict.fromkeys(split or ())),
        duration=duration,
        warmup=warmup,
        seed=seed,
        limits=Limits(precision or DEFAULT_PRECISION, max_time, rounds),
        apply=apply,
    )
    console = report.console()
    folder, tuned = tune_splits(request, console, results)
    tuning.show(tuned, console)
    page = report.write(folder)
    console.print(f"Full report: {page}", soft_wrap=True, markup=False)
    if not tuned.holds:
        raise typer.Exit(ExitCode.FAILED)
