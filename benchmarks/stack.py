"""What waiting for the suite costs: `up` with warm folders, and `make bench` outside its cells."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from time import monotonic
from typing import Final

from benchmarks.harness import Check, ExperimentError
from benchmarks.processes import ROOT
from benchmarks.workspace import environment, own_workspace
from deploy import lifecycle
from deploy.services import Workspace, services
from windtunnel.recording import results

UP_LIMIT_S: Final = 8.0
"""How long `up` may take, without Elasticsearch."""

UP_ELASTICSEARCH_LIMIT_S: Final = 15.0
"""How long `up` may take, with Elasticsearch."""

OUTSIDE_LIMIT: Final = 0.25
"""The share of `make bench --quick` that may pass outside of cells."""

UPS = 3
SLOWEST = "elasticsearch"
RARE = {"rethinkdb"}
"""No registry has its server: only a machine on which somebody installed it does."""


def stack() -> Iterator[Check]:
    """Time of `up` with warm folders, and of `make bench` outside its cells."""
    names = sorted(services())
    with own_workspace() as workspace:
        yield up(workspace, [name for name in names if name != SLOWEST], UP_LIMIT_S)
        yield up(workspace, names, UP_ELASTICSEARCH_LIMIT_S)
        yield outside_cells(workspace)


def up(workspace: Workspace, names: Sequence[str], limit_s: float) -> Check:
    """Start these databases, the processes and nginx several times; the first one warms folders."""
    name = f"up, {'with' if SLOWEST in names else 'without'} Elasticsearch"
    durations_s: list[float] = []
    missing: Mapping[str, str] = {}
    for _ in range(UPS + 1):
        start = monotonic()
        missing = lifecycle.ensure_up(names, workspace=workspace).state.missing
        durations_s.append(monotonic() - start)
        lifecycle.down(workspace)
    if absent := set(missing) - RARE:
        return Check(name, f"without {', '.join(sorted(absent))}", f"{limit_s:g} s", None)
    typical_s = median(durations_s[1:])
    figures = f"{typical_s:.1f} s (median of {UPS})"
    return Check(name, figures, f"{limit_s:g} s", typical_s <= limit_s)


def outside_cells(workspace: Workspace) -> Check:
    """Run `make bench ARGS=--quick` as it is typed, and measure its time outside of cells."""
    folder = workspace.root / "results"
    start = monotonic()
    process = subprocess.run(
        ["make", "bench", f"ARGS=--quick --results {folder}"],
        cwd=ROOT,
        env=environment(workspace),
        check=False,
        stdout=subprocess.DEVNULL,
    )
    if process.returncode:
        raise ExperimentError(f"make bench --quick: exit code {process.returncode}")
    total_s = monotonic() - start
    [run_folder] = folder.iterdir()
    cells = results.load(run_folder).cells
    cells_s = sum(cell.seconds + cell.health.get("before_s", 0.0) for cell in cells)
    share = 1 - cells_s / total_s
    return Check(
        "make bench --quick, outside cells",
        f"{share:.0%} of {total_s:.0f} s ({len(cells)} cells)",
        f"{OUTSIDE_LIMIT:.0%}",
        share <= OUTSIDE_LIMIT,
    )
