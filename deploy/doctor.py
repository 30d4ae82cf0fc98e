"""What this machine is and has, as rows for people."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.layout import PROJECT, default_place
from deploy.services import Missing, Place, Program, ensure_all, services

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = tuple[str, ...]


def machine(seconds: float = 1.0) -> list[Row]:
    """Cores, memory, what the hypervisor steals in so many seconds, how long an fsync takes."""
    import platform

    import psutil

    return [
        ("python", platform.python_version()),
        ("cores", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"),
        ("memory", f"{psutil.virtual_memory().available / 1e9:.1f} GB free"),
        ("steal", _steal_text(steal(seconds))),
        ("fsync", _fsync_text(PROJECT)),
    ]


def steal(seconds: float) -> float | None:
    """The share of CPU time (0..1) that the hypervisor took; None where /proc does not tell."""
    before = _stat()
    time.sleep(seconds)
    after = _stat()
    if before is None or after is None:
        return None
    spent = [now - then for now, then in zip(after, before, strict=True)]
    return spent[7] / sum(spent) if sum(spent) else None


def _stat() -> list[int] | None:
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        return [int(field) for field in fields]
    except (OSError, ValueError, IndexError):
        return None


def _steal_text(share: float | None) -> str:
    if share is None:
        return "unknown: this system does not tell"
    warning = ": expect noise; measure with more rounds" if share > 0.02 else ""
    return f"{100 * share:.1f} % of CPU time over 1 s{warning}"


def fsync_ms(folder: Path, times: int = 20) -> float:
    """The median of so many fsyncs of 4 kB, in ms; raises OSError."""
    spent = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            spent.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(spent)


def _fsync_text(folder: Path) -> str:
    try:
        return f"{fsync_ms(folder):.2f} ms (median of 20, 4 kB, in {folder})"
    except OSError as error:
        return f"cannot write in {folder}: {error.strerror}"


@dataclass(frozen=True, slots=True)
class Found:
    """Programs by service, and why the others cannot be had."""

    programs: Mapping[str, Program]
    missing: Mapping[str, Missing]


def look(place: Place | None = None) -> Found:
    """Look for every program, and fetch none."""
    place = replace(place or default_place(), fetches=False)
    return Found(*ensure_all(place, services(), lambda _: None))


def programs(found: Found) -> list[Row]:
    """Each server program: version and where it is from, or why it cannot be had."""
    rows: list[Row] = []
    for name, service in services().items():
        if name in found.missing:
            rows.append((service.title, "-", str(found.missing[name])))
        else:
            program = found.programs[name]
            rows.append((service.title, service.version(program), program.source))
    return rows


def engines(found: Found) -> list[Row]:
    """Each engine: in which modes it can run here, with its drivers or what stands in the way."""
    from server.engines import discover

    return [_engine(name, engine, found.missing) for name, engine in discover().items()]


def _engine(name: str, engine: Any, missing: Mapping[str, Missing]) -> Row:
    drivers = {mode: engine.missing(mode) for mode in engine.modes()}
    lacking = sorted({reason for reason in drivers.values() if reason})
    service = engine.service.name if engine.service else ""
    if service in missing:
        lacking.insert(0, f"{service}: {missing[service]}")
    can = [mode for mode, reason in drivers.items() if not reason and service not in missing]
    told = lacking or sorted({engine.driver(mode) for mode in can})
    return (name, ", ".join(can) or "no", "; ".join(told))
