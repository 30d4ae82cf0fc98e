"""Splits of one stack as variants of a run: each is in force while its cells are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.asked.discovery import discover
from bench.asked.lineup import Lineup, server
from bench.asked.plan import Variant
from bench.run.restoring import bring, trying
from bench.run.stacked import StackTarget
from deploy import splits
from deploy.stack import Stack
from nginx.plan import Plan

BY = "run"


class SplitTarget(StackTarget):
    """The stack under one split, loaded through nginx."""

    def __init__(self, running: Stack, plan: Plan) -> None:
        super().__init__(running)
        self._plan = plan

    def url(self, processes: int) -> str:  # noqa: ARG002
        """Bring the split into force, unless it is, and return nginx's address."""
        bring(self.stack, self._plan, BY)
        return self.stack.state.nginx


@contextmanager
def splitting(stack: Stack, wanted: Mapping[str, Mapping[str, str]]) -> Iterator[Lineup]:
    """Return a variant for each split, by name: what it changes of the one in force.

    That one is in force again in the end. Raises SplitError for what cannot be, before anything
    is changed, and what `deploy.splits.apply` raises.
    """
    with trying(stack, BY) as trial:
        plans = {name: splits.changed(trial.former, settings) for name, settings in wanted.items()}
        offers = discover(stack.state.processes[0])[1]
        yield Lineup(
            tuple(
                server(SplitTarget(stack, plan), offers, Variant(name))
                for name, plan in plans.items()
            )
        )
