"""Processes of an experiment: modules of this project, run to their end or for a block."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.harness import ExperimentError

ROOT: Final = Path(__file__).parents[1]
"""The project's folder, from which its modules are run."""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a module of this project."""
    return [sys.executable, "-m", module, *arguments]


def run_module(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    exit_codes: Sequence[int] = (0,),
) -> str:
    """Run a module to its end and return what it prints.

    Raises ExperimentError, with the last line printed, for an exit code not in `exit_codes`.
    """
    process = subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode not in exit_codes:
        lines = (process.stderr.strip() or process.stdout.strip()).splitlines()
        reason = lines[-1] if lines else f"exit code {process.returncode}"
        raise ExperimentError(f"{module} {' '.join(arguments[:1])}: {reason}")
    return process.stdout


class ModuleProcess:
    """A running module that takes and gives lines over its stdin and stdout."""

    def __init__(self, module: str, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._module = module
        self._process = process

    def write_line(self, line: str) -> None:
        """Send a line to the process's stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def read_line(self) -> str:
        """Wait for the next line of its stdout; raises ExperimentError where there is none."""
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return line.rstrip("\n")
        raise ExperimentError(f"{self._module} has ended: try `python -m {self._module}`")

    def finish(self) -> str:
        """Close its stdin, and return the rest of its stdout once it has ended."""
        output, _ = self._process.communicate(timeout=60)
        return output


@contextmanager
def module_process(
    module: str, *arguments: str, stderr: int | None = None
) -> Iterator[ModuleProcess]:
    """Run a module until the block ends."""
    with subprocess.Popen(
        command(module, *arguments),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            yield ModuleProcess(module, process)
        finally:
            process.terminate()


@contextmanager
def server_process(*options: str) -> Iterator[tuple[ModuleProcess, int]]:
    """Run one process of the server; give it and its port. Raises ExperimentError."""
    # it probes databases that are not up, and says so on stderr
    quiet = subprocess.DEVNULL
    with module_process("server", "--port", "0", *options, stderr=quiet) as server:
        while " serves " not in (line := server.read_line()):
            pass
        yield server, int(line.rpartition(":")[2])
