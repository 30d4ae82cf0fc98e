"""tune: which split is best for a load, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windtunnel.cli import options
from windtunnel.cli.clone import needs_clone
from windtunnel.cli.plan import known_balances, objectives
from windtunnel.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from windtunnel.tuning.layout import PoolLayout


@needs_clone
def tune(
    slo: Annotated[
        list[str],
        typer.Option(metavar="TEXT", help="as 'p99(response, read, fast) < 50ms'; all must hold"),
    ],
    rates: Annotated[
        str, typer.Option(metavar="FAST,SLOW", help="requests a second of either kind")
    ] = "200,5",
    slow_work: options.SlowWorkOption = "sleep",
    sleep_ms: options.SleepMs = 100,
    store: Annotated[
        str, typer.Option(metavar="ID", help="whom fast work asks")
    ] = "redis/async/fast",
    mix: Annotated[str, typer.Option(metavar="NAME", help="of fast work")] = "balanced",
    poisson: options.Poisson = False,
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="only these, as 3+1, 4-together, 2+2-least_conn"),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=2, max=64, metavar="N", help="divide so many [as many as there are]"),
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="round_robin, least_conn, ...; may be repeated"),
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="P%", help="of the ratios to the best: what is precise enough")
    ] = "10%",
    max_time: Annotated[
        float, typer.Option(min=1, metavar="S", help="seconds after which no round begins")
    ] = 600.0,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="at most so many")] = 60,
    duration: Annotated[int, typer.Option(min=1, max=600, help="seconds measured in a cell")] = 3,
    warmup: Annotated[float, typer.Option(min=0, max=60, help="seconds before that")] = 0.5,
    seed: options.Seed = 1,
    apply: Annotated[
        bool, typer.Option("--apply", help="set what is recommended; else all is as before")
    ] = False,
    into: options.Into = Path("results"),
) -> None:
    """Measure which split of the processes is best for a load of fast and slow work.

    Tries splits in shuffled rounds, gives up what is clearly worse, and puts the former split back.
    """
    from windtunnel.reports import report, tuning
    from windtunnel.runner.tune import Wanted
    from windtunnel.runner.tune import tune as tune_splits
    from windtunnel.tuning.tuner import Limits

    fast_rate, slow_rate = _rates(rates)
    wanted = Wanted(
        slos=tuple(map(str, objectives(slo))),
        fast_rate=fast_rate,
        slow_rate=slow_rate,
        work=options.slow_work(slow_work, sleep_ms),
        store=store,
        mix=_mix(mix),
        poisson=poisson,
        processes=processes,
        balances=known_balances(balance),
        pool_layouts=_pool_layouts(split or []),
        duration=duration,
        warmup=warmup,
        seed=seed,
        limits=Limits(options.percentage(precision) or 0.1, max_time, rounds),
        apply=apply,
    )
    console = report.console()
    folder, found = tune_splits(wanted, console, into)
    tuning.show(found, console)
    page = report.write(folder)
    console.print(f"Full report: {page}", soft_wrap=True, markup=False)
    if not found.holds:
        raise typer.Exit(ExitCode.FAILED)


def _rates(text: str) -> tuple[float, float]:
    try:
        fast, slow = (float(part) for part in text.split(","))
    except ValueError:
        fast = slow = 0.0
    if not (0.1 <= fast <= 100_000 and 0.1 <= slow <= 100_000):
        raise UsageError(f"--rates {text}: write both with a comma, as 200,5")
    return fast, slow


def _mix(name: str) -> str:
    if name == "summary":
        raise UsageError("--mix summary: that is slow work, see --slow-work")
    return options.known_mixes([name])[0]


def _pool_layouts(names: list[str]) -> tuple[PoolLayout, ...]:
    from windtunnel.tuning.layout import PROCESSES, read

    try:
        found = tuple(dict.fromkeys(map(read, names)))
    except ValueError as error:
        raise UsageError(f"--split {error}") from error
    for each in found:
        if each.processes > PROCESSES:
            raise UsageError(f"--split {each.name}: give {PROCESSES} processes or fewer")
    known_balances([each.balance for each in found])
    return found
