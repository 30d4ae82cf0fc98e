"""`python -m validation [--quick] [NAME]...`: what is reported, against what really happened."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from typing import Final

from benchmarks.harness import Check, Suite, run
from validation import fault_shapes, injected_delay, merge, million_samples, pairs, poisson, tuner

EXPERIMENTS: Final[Mapping[str, Callable[[bool], Iterator[Check]]]] = {
    "stall": fault_shapes.stall,
    "short": fault_shapes.short,
    "humps": fault_shapes.humps,
    "ramp": fault_shapes.ramp,
    "poisson": poisson.poisson,
    "injected": injected_delay.injected,
    "aa": pairs.aa,
    "ab": pairs.ab,
    "tuner": tuner.tuner,
    "samples": million_samples.samples,
    "merge": merge.merge,
}
"""A new experiment is such a function, and a line here; `True` makes it short."""

COLUMNS: Final = {
    "name": "what",
    "expected": "truth",
    "measured": "measured",
    "bound": "bound",
    "passed": "",
    "note": "for comparison",
}
QUICK: Final = "--quick"


def main(arguments: Sequence[str]) -> int:
    """Run the experiments named, or all; see `harness.run` for the exit codes."""
    quick = QUICK in arguments
    experiments = {
        name: wraps(experiment)(partial(experiment, quick))
        for name, experiment in EXPERIMENTS.items()
    }
    suite = Suite("truth", experiments, COLUMNS, options=(QUICK,))
    return run(suite, [name for name in arguments if name != QUICK])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
