"""plan: which split would hold SLOs, by simulation alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windtunnel.cli import options, types
from windtunnel.cli.types import option_type
from windtunnel.errors import ExitCode, UsageError
from windtunnel.workload.options import SEED

if TYPE_CHECKING:
    from windtunnel.analysis.slo import Slo
    from windtunnel.recording.tuning_results import TuningResult, WorkProfile
    from windtunnel.tuning.distributions import Duration
    from windtunnel.tuning.system_model import Traffic

ASSUMED = {"fast": "0.3", "slow": "20"}
"""Milliseconds, where neither a run nor an option states them."""


def plan(
    fast_rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, metavar="R", help="fast requests per second")
    ],
    slow_rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, metavar="R", help="slow requests per second")
    ],
    slo: options.RequiredSlos,
    fast_ms: Annotated[
        Any,
        typer.Option(
            metavar="T",
            parser=option_type(types.service_time),
            help="service time of a fast request: 0.3, exp:0.3, 0.2,0.4 [measured, or 0.3]",
        ),
    ] = None,
    slow_ms: Annotated[
        Any,
        typer.Option(
            metavar="T",
            parser=option_type(types.service_time),
            help="service time of a slow request: 20, exp:20, 12,15,40 [measured, or 20]",
        ),
    ] = None,
    slow_cpu: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="CPU time of a slow request, of its service time"
        ),
    ] = None,
    cores: Annotated[
        float | None,
        typer.Option(min=0.1, max=1024, metavar="N", help="for the processes [of this machine]"),
    ] = None,
    constant: Annotated[
        bool, typer.Option("--constant", help="evenly spaced arrivals; by default at random")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="most processes in all")
    ] = None,
    balance: options.Balances = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RUN", help="service times of this run of tune [the latest]"
        ),
    ] = None,
    seed: options.Seed = SEED.default,
    results: options.ResultsFolder = Path("results"),
    json: options.Json = False,
) -> None:
    """Show which split would hold SLOs, by simulation alone.

    Loads nothing, and so works for machines and rates that are not available here. The smallest
    split that holds comes first.
    """
    import os
    from dataclasses import replace

    from windtunnel.recording import tuning_results
    from windtunnel.reports import plan, report
    from windtunnel.tuning import planner
    from windtunnel.tuning.layout import PROCESSES

    slos = _slos(slo)
    folder, tuned = _tuning_run(from_, results)
    given = {"fast": fast_ms, "slow": slow_ms}
    traffic, source = _traffic(given, tuned, poisson=not constant, slow_cpu=slow_cpu)
    if folder is not None and source.startswith("measured"):
        source = f"{source} in {folder}"
    machine = float(cores or os.cpu_count() or 1)
    planned = planner.plan(
        replace(traffic.at(fast_rate, slow_rate), cores=machine),
        slos,
        most=processes or min(max(4, round(2 * machine)), PROCESSES),
        balances=tuple(dict.fromkeys(balance or ["round_robin"])),
        seed=seed,
    )
    error = None if tuned is None else tuning_results.model_error(tuned.tried)
    if json:
        typer.echo(plan.as_json(planned, source, error))
    else:
        checked = plan.model_error_line(error, str(folder))
        plan.show(planned, source, checked, report.console())
    if planned.best is None:
        raise typer.Exit(ExitCode.FAILED)


def _slos(texts: list[str]) -> list[Slo]:
    """Return the SLOs; raises ObjectiveError, and UsageError for what the model does not have."""
    from windtunnel.analysis.slo import parse
    from windtunnel.tuning.objectives import kinds

    slos = [parse(text) for text in texts]
    for slo in slos:
        kinds(slo)
        if slo.measure == "failures":
            raise UsageError(f"--slo {str(slo)!r}: in the model nothing fails; use windtunnel tune")
    return slos


def _tuning_run(name: str | None, results: Path) -> tuple[Path | None, TuningResult | None]:
    """Return the folder of a run of tune and what it found, or None of both where there is none."""
    from windtunnel.recording import tuning_results
    from windtunnel.reports import report

    latest = tuning_results.latest_tuning_run(results) if name in {None, report.LATEST} else None
    if name is None or latest is not None:
        return latest or (None, None)
    folder = results / name if (results / name).is_dir() else report.find(name)
    tuned = tuning_results.load(folder)
    if tuned is None or tuned.fast is None or tuned.slow is None:
        raise UsageError(f"--from {name}: that run has no service times: it must be a run of tune")
    return folder, tuned


def _traffic(
    given: Mapping[str, Duration | None],
    tuned: TuningResult | None,
    *,
    poisson: bool,
    slow_cpu: float | None,
) -> tuple[Traffic, str]:
    """Return the work of either kind at any rate, and where its service times are from."""
    from dataclasses import replace

    from windtunnel.tuning.system_model import Traffic, work, work_of

    measured: dict[str, WorkProfile | None] = {"fast": None, "slow": None}
    if tuned is not None:
        measured = {"fast": tuned.fast, "slow": tuned.slow}
    works, sources = {}, []
    for name, service_time in given.items():
        kind = measured[name]
        if service_time is None and kind is not None:
            works[name] = replace(work_of(kind, name), poisson=poisson)
            sources.append("measured")
        else:
            assumed = types.service_time(ASSUMED[name])
            works[name] = work(name, 1.0, service_time or assumed, poisson=poisson)
            sources.append("assumed" if service_time is None else "given")
    if slow_cpu is not None:
        works["slow"] = replace(works["slow"], cpu=slow_cpu)
    return Traffic(works["fast"], works["slow"]), _sources(*sources)


def _sources(fast: str, slow: str) -> str:
    if fast == slow:
        hint = ": give --fast-ms and --slow-ms" if fast == "assumed" else ""
        return f"{fast} service times{hint}"
    return f"{fast} service times of fast work, {slow} ones of slow work"
