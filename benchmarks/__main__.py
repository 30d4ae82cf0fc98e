"""`python -m benchmarks [NAME]...`: what a request costs, against limits."""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.client import client
from benchmarks.harness import Suite, run
from benchmarks.loop_watch import watching
from benchmarks.operations import operations
from benchmarks.responses import answers
from benchmarks.stack import stack

PERF: Final = Suite(
    "perf",
    experiments={
        "answers": answers,
        "client": client,
        "operations": operations,
        "stack": stack,
        "watching": watching,
    },
    columns={
        "name": "what",
        "measured": "measured, against the baseline (driver alone)",
        "bound": "limit",
        "passed": "",
    },
)
"""A new experiment is a module with such a function, and a line here."""

if __name__ == "__main__":
    sys.exit(run(PERF, sys.argv[1:]))
