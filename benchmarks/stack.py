"""What waiting for the suite costs: `up` with warm folders, and `make bench` outside its cells."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from time import monotonic

from benchmarks.check import Verdict
from benchmarks.workspace import OFFSET, place
from deploy import lifecycle
from deploy.services import Workspace, services
from windtunnel.recording import results

UP_LIMIT, UP_ELASTICSEARCH_LIMIT, OUTSIDE_LIMIT = 8.0, 15.0, 0.25

UPS = 3
SLOWEST = "elasticsearch"
RARE = {"rethinkdb"}
"""No registry has its server: it is had only where somebody installed it."""


def stack() -> Iterator[Verdict]:
    """Measure both, in a workspace of its own with the programs that are there."""
    names = sorted(services())
    with place() as here:
        yield up(here, [name for name in names if name != SLOWEST], UP_LIMIT)
        yield up(here, names, UP_ELASTICSEARCH_LIMIT)
        yield outside(here)


def up(here: Workspace, names: Sequence[str], limit: float) -> Verdict:
    """Start these databases, the processes and nginx several times; the first one warms folders."""
    name = f"up, {'with' if SLOWEST in names else 'without'} Elasticsearch"
    seconds: list[float] = []
    missing: Mapping[str, str] = {}
    for _ in range(UPS + 1):
        began = monotonic()
        missing = lifecycle.ensure_up(names, workspace=here).state.missing
        seconds.append(monotonic() - began)
        lifecycle.down(here)
    told = f"{median(seconds[1:]):.1f} s (median of {UPS})"
    if lacking := set(missing) - RARE:
        return Verdict(name, f"without {', '.join(sorted(lacking))}", f"{limit:g} s", None)
    return Verdict(name, told, f"{limit:g} s", median(seconds[1:]) <= limit)


def outside(here: Workspace) -> Verdict:
    """Run `make bench ARGS=--quick` as it is typed, and count what is no cell."""
    into = here.root / "results"
    began = monotonic()
    subprocess.run(
        ["make", "bench", f"ARGS=--quick --results {into}"],
        env={
            **os.environ,
            "WINDTUNNEL_FOLDER": str(here.root),
            "WINDTUNNEL_OFFSET": str(OFFSET),
        },
        check=True,
        stdout=subprocess.DEVNULL,
    )
    whole = monotonic() - began
    [folder] = into.iterdir()
    cells = results.load(folder).cells
    inside = sum(cell.seconds + cell.health.get("before_s", 0.0) for cell in cells)
    share = 1 - inside / whole
    told = f"{share:.0%} of {whole:.0f} s ({len(cells)} cells)"
    return Verdict(
        "make bench --quick, outside cells", told, f"{OUTSIDE_LIMIT:.0%}", share <= OUTSIDE_LIMIT
    )
