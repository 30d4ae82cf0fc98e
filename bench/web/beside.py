"""Runs a module of ours in a process of its own, so that it holds up no load of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


class BesideError(Exception):
    """It broke down; the message is its last line."""


def beside(module: str, question: bytes) -> bytes:
    """Return what a module answers on standard output to a question on standard input.

    It goes on to its end even if this process is stopped. Raises BesideError.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=question,
        capture_output=True,
        check=False,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise BesideError(lines[-1] if lines else f"status {done.returncode}")
    return done.stdout
