"""Runs a module in a child process, so that it does not hold up the load of this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from windtunnel.errors import SetupError

ROOT: Final = Path(__file__).parents[2]


class ModuleError(SetupError):
    """The process failed; the message is the last line that it printed."""


def run_module(module: str, stdin: bytes) -> bytes:
    """Return what a module prints for an input.

    It runs to its end even if this process is stopped. Raises ModuleError.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    process = subprocess.run(
        [sys.executable, "-m", module],
        input=stdin,
        capture_output=True,
        check=False,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    if process.returncode:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise ModuleError(lines[-1] if lines else f"status {process.returncode}")
    return process.stdout
