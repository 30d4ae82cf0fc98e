"""What the options of commands that measure are called, and what their texts mean."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windtunnel.errors import UsageError

if TYPE_CHECKING:
    from windtunnel.workload.slow import SlowWork

ROOT = Path(__file__).parent.parent.parent

QUICK: dict[str, Any] = {"rounds": 2, "duration": 1.5, "warmup": 0.4}
USUAL: dict[str, Any] = {"rounds": 6, "duration": 2.0, "warmup": 0.5}


@dataclass(frozen=True, slots=True)
class Usual:
    """What a scenario is measured with unless told otherwise: its file's own parameters.

    `rates` has a rate for each kind of requests, where there are several; without `rate` and
    `rates` users are closed.
    """

    stores: tuple[str, ...]
    mixes: tuple[str, ...]
    rate: str | None
    rates: Mapping[str, float]
    poisson: bool
    duration: float


Scenario = Annotated[str, typer.Argument(help="a file of locustfiles/: crud, pools, ...")]
Stores = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="only these, as 'redis/*/fast'; may be repeated"),
]
Mixes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="balanced, read-heavy, read, ...; may be repeated"),
]
Users = Annotated[
    str | None, typer.Option(metavar="N[,N...]", help="closed users; each number is a cell [8]")
]
Rates = Annotated[
    str | None,
    typer.Option(metavar="R[,R...]", help="open load: requests a second, whatever comes back"),
]
SlowRates = Annotated[
    str | None,
    typer.Option(metavar="R[,R...]", help="slow requests a second beside --rate, in pools"),
]
SlowWorkOption = Annotated[
    str, typer.Option(metavar="NAME", help="what these ask for: sleep, or summary (blocking)")
]
SleepMs = Annotated[
    int, typer.Option(min=1, max=10_000, metavar="N", help="milliseconds of a sleep")
]
Splits = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="TEXT",
        help="a split to compare, as 'even: pools.fast.processes=2 pools.slow.processes=2'; "
        "its cells are interleaved with those of the others",
    ),
]
Poisson = Annotated[
    bool, typer.Option("--poisson", help="arrivals at random; without it evenly spaced")
]
Processes = Annotated[
    str | None,
    typer.Option(
        metavar="N[,N...]",
        help="server processes: 1 is loaded straight, more by nginx [1; in pools 3]",
    ),
]
Rounds = Annotated[int | None, typer.Option(min=1, max=1000, help="passes over all cells [6]")]
Duration = Annotated[
    float | None, typer.Option(min=0.1, max=3600, help="seconds measured in a cell [2]")
]
Warmup = Annotated[
    float | None, typer.Option(min=0, max=3600, help="seconds before that, left out [0.5]")
]
Seed = Annotated[int, typer.Option(help="of the data, and of the order of cells")]
Quick = Annotated[bool, typer.Option("--quick", help="2 rounds: a look, no ranking")]
Full = Annotated[bool, typer.Option("--full", help="every mode and durability")]
Pin = Annotated[bool, typer.Option("--pin/--no-pin", help="a core of its own for the generator")]
Host = Annotated[
    str | None,
    typer.Option(metavar="URL", help="load a server that runs there (or unix:/PATH); start none"),
]
Against = Annotated[
    str | None,
    typer.Option(metavar="URL", help="a second server: its cells are interleaved with the first's"),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="as 'p99(read) < 20ms on redis/*'; else exit code 1"),
]
Precision = Annotated[
    str | None,
    typer.Option(metavar="P%", help="more rounds, until ratios to the best are known so well"),
]
MaxTime = Annotated[
    float, typer.Option(min=1, metavar="S", help="seconds after which --precision gives up")
]
RetryStale = Annotated[
    bool, typer.Option("--retry-stale", help="send once more what met a closed connection; counted")
]
Cookies = Annotated[
    bool, typer.Option("--cookies", help="let each user keep the cookies that it is sent")
]
Into = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="where the run's folder is made")
]


def usually(scenario: str) -> Usual:
    """Return what a scenario is measured with unless told otherwise."""
    told = literals(scenario)
    return Usual(
        stores=told.get("STORES", ()),
        mixes=(told.get("MIX", "balanced"),),
        rate=f"{told['RATE']:g}" if "RATE" in told else None,
        rates=told.get("RATES", {}),
        poisson=told.get("POISSON", False),
        duration=told.get("DURATION", USUAL["duration"]),
    )


def timing(quick: bool, seconds: float, **given: float | None) -> dict[str, Any]:
    """Return rounds, duration and warmup: as given, else those of a quick or a usual run."""
    usual = QUICK if quick else USUAL | {"duration": seconds}
    return usual | {name: value for name, value in given.items() if value is not None}


def known_scenario(name: str) -> str:
    """Return `name`; raises UsageError unless locustfiles/ has it."""
    known = sorted(p.stem for p in (ROOT / "locustfiles").glob("[!_]*.py"))
    if name not in known:
        raise UsageError(f"there is no scenario {name!r}: choose from {', '.join(known)}")
    return name


def known_mixes(names: list[str]) -> tuple[str, ...]:
    """Return `names`; raises UsageError for one that is no mix."""
    from windtunnel.workload.mixes import MIXES

    for name in names:
        if name not in MIXES:
            raise UsageError(f"--mix {name}: choose from {', '.join(MIXES)}")
    return tuple(dict.fromkeys(names))


def numbers(option: str, text: str, most: int) -> tuple[int, ...]:
    """Return the whole numbers of a list as `8,64`; raises UsageError."""
    try:
        found = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"{option} {text}: write whole numbers with commas, as 8,64") from None
    if not all(1 <= number <= most for number in found):
        raise UsageError(f"{option} {text}: between 1 and {most}")
    return found


def literals(scenario: str) -> dict[str, Any]:
    """Return a scenario's parameters that are plain values, without importing Locust for it."""
    found = {}
    for node in ast.parse((ROOT / "locustfiles" / f"{scenario}.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with suppress(ValueError):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def splits(texts: list[str]) -> dict[str, dict[str, str]]:
    """Return what each split changes, by its name; raises UsageError."""
    found = {}
    for text in texts:
        name, colon, rest = text.partition(":")
        if not colon or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name.strip()):
            raise UsageError(
                f"--split {text!r}: write NAME: KEY=VALUE ..., the name in small letters"
            )
        pairs = [each.partition("=") for each in shlex.split(rest)]
        if not all(equals for _, equals, _ in pairs):
            raise UsageError(f"--split {text!r}: write NAME: KEY=VALUE ..., the keys of split.toml")
        found[name.strip()] = {key: value for key, _, value in pairs}
    return found


def slow_work(name: str, ms: int) -> SlowWork:
    """Return the slow work of this name; raises UsageError."""
    from windtunnel.workload.slow import SlowKind, SlowWork

    try:
        return SlowWork(SlowKind(name), ms)
    except ValueError:
        raise UsageError(f"--slow-work {name}: choose from {', '.join(SlowKind)}") from None


def rates(text: str | None, option: str = "--rate", least: float = 0.1) -> tuple[float, ...]:
    """Return the rates of a list as `200,500`; raises UsageError."""
    if text is None:
        return ()
    try:
        found = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"{option} {text}: write numbers with commas, as 200,500") from None
    if not all(least <= rate <= 100_000 for rate in found):
        raise UsageError(f"{option} {text}: between {least:g} and 100000 requests a second")
    return found


def slow_rates(text: str | None) -> tuple[float, ...]:
    """Return the rates of slow work, 0 for none, to compare the others with; raises UsageError."""
    return rates(text, "--slow-rate", 0.0)


def objectives(texts: list[str]) -> tuple[str, ...]:
    """Return them as written; raises SloError for one that cannot be read."""
    from windtunnel.analysis.slo import parse

    for text in texts:
        parse(text)
    return tuple(texts)


def percentage(text: str | None) -> float | None:
    """Return a share of 1 of a text as `5%`; raises UsageError."""
    if text is None:
        return None
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0.001 <= share <= 1:
        raise UsageError(f"--precision {text}: write it as 5%, from 0.1% to 100%")
    return share


def known_url(option: str, text: str | None) -> str | None:
    """Return the address; raises UsageError unless it is one of HTTP or a unix socket."""
    if text is None:
        return None
    from windtunnel.client.address import Address

    try:
        return Address(text).url
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    except OSError as error:
        raise UsageError(f"{option} {text}: {error.strerror or error}") from error
