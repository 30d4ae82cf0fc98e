"""The options that several commands have; those of a load come from `workload.options`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from windtunnel.cli import types
from windtunnel.cli.types import load_option, option_type
from windtunnel.workload import options

Scenario = Annotated[str, typer.Argument(help="a file of locustfiles/: crud, pools, ...")]
Stores = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="only these, as 'redis/*/fast'; may be repeated"),
]
Mix = Annotated[str, load_option(options.MIX)]
Mixes = Annotated[list[str] | None, load_option(options.MIX, help="; may be repeated")]
Users = Annotated[
    Sequence[int] | None, load_option(options.USERS, several=True, help=", a cell for each [8]")
]
Rates = Annotated[
    Sequence[float] | None, load_option(options.RATE, several=True, help=", a cell for each")
]
SlowRates = Annotated[
    Sequence[float] | None,
    load_option(options.stream_rate("slow"), several=True, help=" (of pools)"),
]
SlowWork = Annotated[str, load_option(options.SLOW_WORK)]
SleepMs = Annotated[int, load_option(options.SLEEP_MS)]
Poisson = Annotated[bool, load_option(options.POISSON)]
Seed = Annotated[int, load_option(options.SEED)]
RetryStale = Annotated[bool, load_option(options.RETRY_STALE)]
Cookies = Annotated[bool, load_option(options.COOKIES)]
Host = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        parser=option_type(types.address),
        help="load the server that runs there (or at unix:/PATH); start none",
    ),
]
Slos = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        parser=option_type(types.slo),
        help="as 'p99(read) < 20ms on redis/*'; exit code 1 if it fails; may be repeated",
    ),
]
RequiredSlos = Annotated[
    list[str],
    typer.Option(
        metavar="TEXT",
        parser=option_type(types.slo),
        help="as 'p99(response, fast) < 50ms'; all must hold; may be repeated",
    ),
]
Balances = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        parser=option_type(types.balance),
        help="round_robin, least_conn, ...; may be repeated [round_robin]",
    ),
]
ResultsFolder = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="the folder of run folders")
]
Json = Annotated[bool, typer.Option("--json", help="as JSON, for programs")]
