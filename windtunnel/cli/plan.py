"""plan: which split would hold objectives, by the model alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windtunnel.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from windtunnel.analysis.slo import Slo
    from windtunnel.recording.tuning_results import TuningResult, WorkProfile
    from windtunnel.tuning.distributions import Duration
    from windtunnel.tuning.system_model import Traffic

ASSUMED = {"fast": "0.3", "slow": "20"}
"""Milliseconds, where neither a run nor anybody says."""


def plan(
    fast_rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, metavar="R", help="fast requests a second")
    ],
    slow_rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, metavar="R", help="slow requests a second")
    ],
    slo: Annotated[
        list[str],
        typer.Option(metavar="TEXT", help="as 'p99(response, fast) < 50ms'; all must hold"),
    ],
    fast_ms: Annotated[
        str | None,
        typer.Option(metavar="T", help="a fast request holds its process: 0.3, exp:0.3, 0.2,0.4"),
    ] = None,
    slow_ms: Annotated[
        str | None, typer.Option(metavar="T", help="a slow one: 20, exp:20, 12,15,40")
    ] = None,
    slow_cpu: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SHARE", help="of a slow one that computes [1]"),
    ] = None,
    cores: Annotated[
        float | None, typer.Option(min=0.1, max=1024, metavar="N", help="for the processes [here]")
    ] = None,
    constant: Annotated[
        bool, typer.Option("--constant", help="evenly spaced; without it arrivals are at random")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="at most so many in all")
    ] = None,
    balance: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="round_robin; may be repeated")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RUN", help="service times of this run of tune [the latest]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the simulation")] = 1,
    into: Annotated[
        Path, typer.Option("--results", metavar="DIR", help="where runs of tune are")
    ] = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Say which split would hold objectives, by simulation alone.

    Loads nothing: also for machines and rates that are not to be had here. The smallest split that
    holds comes first.
    """
    import os
    from dataclasses import replace

    from windtunnel.recording import tuning_results
    from windtunnel.reports import plan, report
    from windtunnel.tuning import planner
    from windtunnel.tuning.layout import PROCESSES

    slos, balances = _modelled(objectives(slo)), known_balances(balance)
    found = _run(from_, into)
    where, known = found or (None, None)
    given = {"fast": fast_ms, "slow": slow_ms}
    traffic, source = _traffic(given, known, poisson=not constant, slow_cpu=slow_cpu)
    if where is not None and source.startswith("measured"):
        source = f"{source} in {where}"
    machine = float(cores or os.cpu_count() or 1)
    asked = replace(traffic.at(fast_rate, slow_rate), cores=machine)
    most = processes or min(max(4, round(2 * machine)), PROCESSES)
    planned = planner.plan(asked, slos, most=most, balances=balances, seed=seed)
    error = None if known is None else tuning_results.model_error(known.tried)
    if json:
        typer.echo(plan.as_json(planned, source, error))
    else:
        checked = plan.model_error_line(error, str(where))
        plan.show(planned, source, checked, report.console())
    if planned.best is None:
        raise typer.Exit(ExitCode.FAILED)


def objectives(texts: list[str]) -> list[Slo]:
    """Return what was asked for; raises SloError and UsageError."""
    from windtunnel.analysis.slo import parse
    from windtunnel.tuning.objectives import ObjectiveError, kinds

    slos = [parse(text) for text in texts]
    for slo in slos:
        try:
            kinds(slo)
        except ObjectiveError as error:
            raise UsageError(str(error)) from error
    return slos


def _modelled(slos: list[Slo]) -> list[Slo]:
    for slo in slos:
        if slo.measure == "failures":
            raise UsageError(f"--slo {str(slo)!r}: in the model nothing fails; ask windtunnel tune")
    return slos


def known_balances(names: list[str] | None) -> tuple[str, ...]:
    """Return the ways to balance; raises UsageError for one that is unknown."""
    from windtunnel.tuning.balancing import BALANCERS

    for name in names or ():
        if name not in BALANCERS:
            raise UsageError(f"--balance {name}: choose from {', '.join(BALANCERS)}")
    return tuple(dict.fromkeys(names or ("round_robin",)))


def _run(from_: str | None, into: Path) -> tuple[Path, TuningResult] | None:
    from windtunnel.recording import tuning_results
    from windtunnel.reports import report

    latest = tuning_results.latest(into) if from_ in {None, report.LATEST} else None
    if from_ is None or latest is not None:
        return latest
    folder = into / from_ if (into / from_).is_dir() else report.find(from_)
    found = tuning_results.load(folder)
    if found is None or found.fast is None or found.slow is None:
        raise UsageError(f"--from {from_}: that run has no service times: it is none of `tune`")
    return folder, found


def _traffic(
    given: dict[str, str | None],
    known: TuningResult | None,
    *,
    poisson: bool,
    slow_cpu: float | None,
) -> tuple[Traffic, str]:
    """Return the work of either kind at any rate, and where its service times are from."""
    from dataclasses import replace

    from windtunnel.tuning.system_model import Traffic, work, work_of

    measured: dict[str, WorkProfile | None] = {"fast": None, "slow": None}
    if known is not None:
        measured = {"fast": known.fast, "slow": known.slow}
    works, sources = {}, []
    for name, text in given.items():
        kind = measured[name]
        if text is None and kind is not None:
            works[name] = replace(work_of(kind, name), poisson=poisson)
            sources.append("measured")
        else:
            service = _duration(f"--{name}-ms", text or ASSUMED[name])
            works[name] = work(name, 1.0, service, poisson=poisson)
            sources.append("given" if text else "assumed")
    if slow_cpu is not None:
        works["slow"] = replace(works["slow"], cpu=slow_cpu)
    return Traffic(works["fast"], works["slow"]), _sources(*sources)


def _sources(fast: str, slow: str) -> str:
    if fast == slow:
        hint = ": give --fast-ms and --slow-ms" if fast == "assumed" else ""
        return f"{fast} service times{hint}"
    return f"{fast} service times of fast work, {slow} ones of slow work"


def _duration(option: str, text: str) -> Duration:
    from windtunnel.tuning.distributions import DurationError, parse

    try:
        return parse(text)
    except DurationError as error:
        raise UsageError(f"{option} {error}") from error
