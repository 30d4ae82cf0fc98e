"""The environment of a run: machine, software and revision; a core for the generator alone."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("tornado", "locust", "gevent", "httptools", "hdrhistogram", "msgspec", "uvloop")


def gather() -> dict[str, Any]:
    """Return the `host` of `run.json`; None for what is not known. Memory is in bytes."""
    return {
        "cpu": _cpu_model(),
        "cores": _usable_cores(),
        "cores_online": psutil.cpu_count(),
        "cpu_quota_cores": _cpu_quota(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": _os_name(),
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions(),
    }


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Return the version of each of these packages that is installed."""
    installed = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            installed[package] = metadata.version(package)
    return installed


def git(folder: Path) -> dict[str, Any]:
    """Return the `git` of `run.json`: `revision`, and `dirty` for uncommitted changes, or None."""
    revision = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision or None, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True, env=quiet
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str | None:
    lines = _text("/proc/cpuinfo").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _usable_cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return psutil.cpu_count()


def _cpu_quota() -> float | None:
    quota, _, period = _text("/sys/fs/cgroup/cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.strip().isdigit() else None


def _os_name() -> str | None:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True) or None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def generator_cores() -> list[int]:
    """Return the core that is the generator's alone, the last; no core on a machine with one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1:] if len(cores) > 1 else []


@contextmanager
def exclusive_cores(cores: Sequence[int], pids: Iterable[int]) -> Iterator[None]:
    """Keep every thread of these processes and their children off `cores` while the block runs."""
    all_cores = os.sched_getaffinity(0)
    threads = list(_threads(pids))
    _allow(threads, all_cores - set(cores))
    try:
        yield
    finally:
        _allow(threads, all_cores)


def _threads(pids: Iterable[int]) -> Iterator[int]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for member in (process, *process.children(recursive=True)):
                yield from (thread.id for thread in member.threads())


def _allow(threads: Iterable[int], cores: set[int]) -> None:
    for thread in threads:
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(thread, cores)
