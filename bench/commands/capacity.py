"""capacity: the highest rate at which objectives hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.run import known_mixes, known_scenario, known_url, objectives
from bench.commands.saying import UsageError


def capacity(
    scenario: Annotated[str, typer.Argument(help="a file of locustfiles/: crud")],
    slo: Annotated[
        list[str],
        typer.Option(metavar="TEXT", help="as 'p99(response, read) < 50ms'; all must hold"),
    ],
    stores: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="only these, as 'redis/*/fast'; may be repeated"),
    ] = None,
    mix: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="balanced, read, ...; may be repeated")
    ] = None,
    first: Annotated[
        float, typer.Option(min=1, max=100_000, metavar="R", help="the rate to begin with")
    ] = 200.0,
    poisson: Annotated[bool, typer.Option("--poisson", help="arrivals at random")] = False,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="rounds at each rate")] = 3,
    duration: Annotated[float, typer.Option(min=0.1, max=3600, help="seconds of a cell")] = 10.0,
    seed: Annotated[int, typer.Option(help="of the data, and of the order of cells")] = 1,
    host: Annotated[
        str | None, typer.Option(metavar="URL", help="load a server that runs there; start nothing")
    ] = None,
    into: Annotated[
        Path, typer.Option("--results", metavar="DIR", help="where the run's folder is made")
    ] = Path("results"),
) -> None:
    """Search the highest open rate at which every objective holds, for each store.

    All stores side by side: doubles until an objective is broken, then bisects to 5 %.
    """
    from rich.console import Console

    from bench import report as reports
    from bench import runner
    from bench.orders import search
    from bench.request import Request
    from bench.slo import parse

    if any(parse(text).measure == "regression" for text in objectives(slo)):
        raise UsageError("a regression has no capacity: it compares two servers, see run --against")
    request = Request(
        scenario=known_scenario(scenario),
        stores=tuple(stores or ()),
        mixes=known_mixes(mix or ["balanced"]),
        rates=(first,),
        arrivals="poisson" if poisson else "constant",
        rounds=rounds,
        duration=duration,
        warmup=1.0,
        seed=seed,
        host=known_url("--host", host),
        slos=objectives(slo),
    )
    console = Console(highlight=False, soft_wrap=True)
    reports.report(runner.run(request, console, into, search(request, first)))
