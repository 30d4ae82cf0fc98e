"""run, report: measure, and say what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.saying import UsageError

if TYPE_CHECKING:
    from bench.request import Request

ROOT = Path(__file__).parent.parent.parent


QUICK = {"rounds": 2, "duration": 1.5, "warmup": 0.4}
USUAL = {"rounds": 6, "duration": 2.0, "warmup": 0.5}


def run(
    scenario: Annotated[str, typer.Argument(help="a file of locustfiles/: crud")],
    stores: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="only these, as 'redis/*/fast'; may be repeated"),
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="balanced, read-heavy, read, ...; may be repeated"),
    ] = None,
    users: Annotated[
        str | None, typer.Option(metavar="N[,N...]", help="closed users; each number is a cell [8]")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(metavar="R[,R...]", help="open load: requests a second, whatever comes back"),
    ] = None,
    poisson: Annotated[
        bool, typer.Option("--poisson", help="arrivals at random; without it evenly spaced")
    ] = False,
    processes: Annotated[
        str,
        typer.Option(
            metavar="N[,N...]", help="server processes: 1 is loaded straight, more by nginx"
        ),
    ] = "1",
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="passes over all cells [6]")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, max=3600, help="seconds measured in a cell [2]")
    ] = None,
    warmup: Annotated[
        float | None, typer.Option(min=0, max=3600, help="seconds before that, left out [0.5]")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the data, and of the order of cells")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="2 rounds: a look, no ranking")] = False,
    full: Annotated[bool, typer.Option("--full", help="every mode and durability")] = False,
    pin: Annotated[
        bool, typer.Option("--pin/--no-pin", help="a core of its own for the generator")
    ] = False,
    host: Annotated[
        str | None, typer.Option(metavar="URL", help="load a server that runs there; start nothing")
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="as 'p99(read) < 20ms on redis/*'; else exit code 1"),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="P%", help="more rounds, until ratios to the best are known so well"),
    ] = None,
    max_time: Annotated[
        float, typer.Option(min=1, metavar="S", help="seconds after which --precision gives up")
    ] = 1800.0,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="a second server: its cells are interleaved with the first's"
        ),
    ] = None,
    retry_stale: Annotated[
        bool,
        typer.Option("--retry-stale", help="send once more what met a closed connection; counted"),
    ] = False,
    into: Annotated[
        Path, typer.Option("--results", metavar="DIR", help="where the run's folder is made")
    ] = Path("results"),
) -> None:
    """Measure stores cell by cell, and rank them.

    Writes a folder with a report.html, and prints the ranking.
    """
    from rich.console import Console

    from bench import report as reports
    from bench import runner
    from bench.request import Request
    from bench.verdicts import failed

    usual = QUICK if quick else USUAL
    request = Request(
        scenario=known_scenario(scenario),
        stores=tuple(stores or ()),
        mixes=known_mixes(mix or ["balanced"]),
        users=numbers("--users", users or "8", 10_000),
        rates=rates(rate),
        arrivals="poisson" if poisson else "constant",
        processes=numbers("--processes", processes, 64),
        rounds=rounds if rounds is not None else int(usual["rounds"]),
        duration=duration if duration is not None else usual["duration"],
        warmup=warmup if warmup is not None else usual["warmup"],
        seed=seed,
        full=full,
        pin=pin,
        host=known_url("--host", host),
        against=known_url("--against", against),
        retry_stale=retry_stale,
        slos=objectives(slo or []),
        precision=percentage(precision),
        max_time=max_time,
    )
    check(request, users)
    folder = runner.run(request, Console(highlight=False, soft_wrap=True), into)
    if failed(reports.report(folder).verdicts):
        raise typer.Exit(1)


def report(
    run: Annotated[str, typer.Argument(help="a folder of results/, or `latest`")],
    json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Print what a run measured, and write its report.html anew."""
    from bench import report as reports

    reports.report(run, json)


def known_scenario(name: str) -> str:
    """Return `name`; raises UsageError unless locustfiles/ has it."""
    known = sorted(p.stem for p in (ROOT / "locustfiles").glob("[!_]*.py"))
    if name not in known:
        raise UsageError(f"there is no scenario {name!r}: choose from {', '.join(known)}")
    return name


def known_mixes(names: list[str]) -> tuple[str, ...]:
    """Return `names`; raises UsageError for one that is no mix."""
    from bench.mixes import MIXES

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


def rates(text: str | None) -> tuple[float, ...]:
    """Return the rates of a list as `200,500`; raises UsageError."""
    if text is None:
        return ()
    try:
        found = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"--rate {text}: write numbers with commas, as 200,500") from None
    if not all(0.1 <= rate <= 100_000 for rate in found):
        raise UsageError(f"--rate {text}: between 0.1 and 100000 requests a second")
    return found


def objectives(texts: list[str]) -> tuple[str, ...]:
    """Return them as written; raises SloError for one that cannot be read."""
    from bench.slo import parse

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
    """Return the address without a path; raises UsageError unless it is an http URL."""
    if text is None:
        return None
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        named = parts.scheme == "http" and parts.hostname and (parts.port or 80)
    except ValueError:
        named = None
    if not named or parts.path not in {"", "/"} or parts.query:
        raise UsageError(f"{option} {text}: write it as http://127.0.0.1:10001")
    return f"http://{parts.netloc}"


def check(request: Request, users: str | None) -> None:
    """Raise UsageError for what does not go together."""
    if request.rates and users:
        raise UsageError("--rate is open load and --users closed: give one of them")
    if request.arrivals == "poisson" and not request.rates:
        raise UsageError("--poisson is about --rate: give one")
    if request.host and request.processes != (1,):
        raise UsageError("--processes is for servers that this command starts, not for --host")
    if request.full and request.stores:
        raise UsageError("--full takes every store: leave out --stores")
