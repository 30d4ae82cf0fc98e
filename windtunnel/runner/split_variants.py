"""Splits of one stack as variants of a run: each is active while its cells are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from deploy.stack import Stack
from nginx.plan import SplitPlan, edit_plan
from windtunnel.runner.cell_plan import Variant
from windtunnel.runner.split_trial import activate, try_splits
from windtunnel.runner.stack import StackTarget
from windtunnel.runner.variants import Variants, variant_server
from windtunnel.workload.stores import discover

BY_RUN: Final = "run"


class SplitTarget(StackTarget):
    """The stack under one split, loaded through nginx."""

    def __init__(self, running: Stack, plan: SplitPlan) -> None:
        super().__init__(running)
        self._plan = plan

    def url(self, processes: int) -> str:  # noqa: ARG002
        """Activate the split, unless it is, and return nginx's address."""
        activate(self.stack, self._plan, BY_RUN)
        return self.stack.state.nginx


@contextmanager
def split_variants(stack: Stack, changes: Mapping[str, Mapping[str, str]]) -> Iterator[Variants]:
    """Return a variant for each split: by its name, what it changes of the active one.

    The active one is active again in the end. Raises SplitError for what cannot be, before anything
    is changed, and what `deploy.splits.apply` raises.
    """
    with try_splits(stack, BY_RUN) as trial:
        plans = {name: edit_plan(trial.former, settings) for name, settings in changes.items()}
        stores = discover(stack.state.processes[0])[1]
        yield Variants(
            tuple(
                variant_server(SplitTarget(stack, plan), stores, Variant(name))
                for name, plan in plans.items()
            )
        )
