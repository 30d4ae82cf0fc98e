"""Facts about this machine: its hardware, which programs it has, which engines can run."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from deploy.layout import PROJECT, default_workspace
from deploy.services import Program, UnavailableError, Workspace, obtain_all, services
from server.engines import discover

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.engines.base import Engine

Row = tuple[str, ...]

STEAL_WARNING = 0.02


def machine(seconds: float = 1.0) -> list[Row]:
    """Return cores, memory, CPU steal over so many seconds, and how long an fsync takes."""
    return [
        ("python", platform.python_version()),
        ("cores", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"),
        ("memory", f"{psutil.virtual_memory().available / 1e9:.1f} GB free"),
        ("steal", _steal_text(steal(seconds))),
        ("fsync", _fsync_text(PROJECT)),
    ]


def steal(seconds: float) -> float | None:
    """Return the share of CPU time (0..1) that the hypervisor took; None if /proc lacks it."""
    before = _cpu_times()
    time.sleep(seconds)
    after = _cpu_times()
    if before is None or after is None:
        return None
    spent = [end - start for end, start in zip(after, before, strict=True)]
    return spent[7] / sum(spent) if sum(spent) else None


def _cpu_times() -> list[int] | None:
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        return [int(field) for field in fields]
    except (OSError, ValueError, IndexError):
        return None


def _steal_text(share: float | None) -> str:
    if share is None:
        return "unknown: this system does not report it"
    warning = ": expect noise; measure with more rounds" if share > STEAL_WARNING else ""
    return f"{100 * share:.1f} % of CPU time over 1 s{warning}"


def fsync_ms(folder: Path, times: int = 20) -> float:
    """Return the median of so many fsyncs of 4 kB, in ms; raises OSError."""
    durations = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            durations.append(time.perf_counter() - began)
    return 1e3 * statistics.median(durations)


def _fsync_text(folder: Path) -> str:
    try:
        return f"{fsync_ms(folder):.2f} ms (median of 20, 4 kB, in {folder})"
    except OSError as error:
        return f"cannot write in {folder}: {error.strerror}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The programs by service, and why those of other services are missing."""

    programs: Mapping[str, Program]
    missing: Mapping[str, UnavailableError]


def inventory(workspace: Workspace | None = None) -> Inventory:
    """Look for every program, and fetch none."""
    workspace = replace(workspace or default_workspace(), fetches=False)
    return Inventory(*obtain_all(workspace, services(), lambda _: None))


def program_rows(inventory: Inventory) -> list[Row]:
    """Return title, version and source of each server program, or why it is missing."""
    rows: list[Row] = []
    for name, service in services().items():
        if name in inventory.missing:
            rows.append((service.title, "-", str(inventory.missing[name])))
        else:
            program = inventory.programs[name]
            rows.append((service.title, service.version(program), program.source))
    return rows


def engine_rows(inventory: Inventory) -> list[Row]:
    """Return each engine with the modes in which it can run here, and its drivers or what lacks."""
    return [_engine_row(name, engine, inventory.missing) for name, engine in discover().items()]


def _engine_row(name: str, engine: type[Engine], missing: Mapping[str, UnavailableError]) -> Row:
    absent = {mode: engine.why_missing(mode) for mode in engine.modes()}
    reasons = sorted({reason for reason in absent.values() if reason})
    service = engine.service.name if engine.service else ""
    if service in missing:
        reasons.insert(0, f"{service}: {missing[service]}")
        return (name, "no", "; ".join(reasons))
    modes = [mode for mode, reason in absent.items() if not reason]
    details = reasons or sorted({engine.driver(mode) for mode in modes})
    return (name, ", ".join(modes) or "no", "; ".join(details))
