"""The stack of a tune: it gets one split after the other, and its former one in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Final

from deploy import lifecycle, splits, stack
from deploy.locks import LOCK_TIMEOUT, stack_lease
from deploy.services import services
from deploy.stack import Stack
from deploy.trial import Trial
from nginx.plan import SplitPlan, edit_plan
from windtunnel.runner.split_trial import activate, try_splits
from windtunnel.runner.stack import StackTarget
from windtunnel.tuning.layout import FAST, ROUTE, SLOW, PoolLayout

BY_TUNE: Final = "tune"

IDLE_TIMEOUT_S: Final = 60.0


@dataclass(slots=True)
class TrialStack:
    """A running stack: its split as it was, and as it is tried out."""

    stack: Stack
    trial: Trial
    apply_s: list[float] = field(default_factory=list)
    clean_s: list[float] = field(default_factory=list)

    @property
    def former(self) -> SplitPlan:
        """The split as it was, or as it was kept."""
        return self.trial.former

    @property
    def target(self) -> StackTarget:
        """Whose processes are loaded, and their pids."""
        return StackTarget(self.stack)

    @property
    def url(self) -> str:
        """nginx's address."""
        return self.stack.state.nginx

    @property
    def layout(self) -> PoolLayout | None:
        """The former split as a layout; None where it is of another kind."""
        return layout_of(self.former)

    @property
    def processes(self) -> int:
        """How many processes the former split has in both pools."""
        return sum(self.former.processes(n) for n in (FAST, SLOW) if n in self.former.pools)

    def to(self, layout: PoolLayout) -> None:
        """Activate a layout, if it is not active; only pools that differ are resized."""
        self._to(split_plan(self.former, layout))
        self._idle()

    def back(self) -> None:
        """Activate the former split, whatever was done."""
        self._to(self.former)

    def keep(self, layout: PoolLayout) -> bool:
        """Activate a layout for good, as a change that can be undone."""
        self.back()
        plan = split_plan(self.former, layout)
        if plan == self.former:
            return False
        self.trial.end()
        splits.apply(self.stack, plan, f"{BY_TUNE} --apply", lock_timeout=LOCK_TIMEOUT)
        self.trial.former = plan
        return True

    def _to(self, plan: SplitPlan) -> None:
        change = activate(self.stack, plan, BY_TUNE)
        if change is None:
            return
        self.apply_s.append(change.apply_s)
        if change.clean_s is not None:
            self.clean_s.append(change.clean_s)

    def _idle(self) -> None:
        """Wait until every process responds: it has finished the requests of the last cell."""
        for address in self.stack.state.processes:
            connection = HTTPConnection(address.removeprefix("http://"), timeout=IDLE_TIMEOUT_S)
            try:
                connection.request("GET", "/ping")
                connection.getresponse().read()
            except (OSError, HTTPException):
                pass  # the cell will say so
            finally:
                connection.close()


def split_plan(former: SplitPlan, layout: PoolLayout) -> SplitPlan:
    """The former split with the sizes, the balance and the route of a layout.

    A pool that it does not have is not made for nothing to go to. Raises SplitError.
    """
    settings = {**layout.settings, "pools.fast.weights": "", "pools.slow.weights": ""}
    if SLOW not in former.pools and not layout.slow:
        settings = {key: text for key, text in settings.items() if f"pools.{SLOW}." not in key}
    return edit_plan(former, settings)


def layout_of(plan: SplitPlan) -> PoolLayout | None:
    """A plan as a layout; None where it has more pools, weights, or balances that differ."""
    where = plan.routes.get(ROUTE, plan.default)
    if FAST not in plan.pools or set(plan.pools) - {FAST, SLOW} or where not in {FAST, SLOW}:
        return None
    fast = plan.pools[FAST]
    slow = plan.pools.get(SLOW, fast)
    if fast["weights"] or slow["weights"] or fast["balance"] != slow["balance"]:
        return None
    sizes = plan.processes(FAST), 0 if where == FAST else plan.processes(SLOW)
    return PoolLayout(*sizes, str(fast["balance"]))


def services_of(store: str) -> list[str] | None:
    """The database of a store, by its engine's name; None, which is all, where that tells none."""
    name = store.split("/", 1)[0].split("-", 1)[0]
    return [name] if name in services() else [] if name == "sqlite" else None


@contextmanager
def trial_stack(say: Callable[[str], None], store: str) -> Iterator[TrialStack]:
    """Use the stack that is up, or a fresh one with the store's database, stopped in the end.

    The former split is brought back when the block is left, for whatever reason; after `keep` that
    is the one which was kept. Raises StackError.
    """
    is_up = stack.running() is not None
    splits.put_back(say)
    running = lifecycle.ensure_up(None if is_up else services_of(store), say=say)
    with ExitStack() as cleanup:
        if running.started:
            cleanup.enter_context(stack_lease(running.layout))
            cleanup.callback(lifecycle.down, say=say, lock_timeout=LOCK_TIMEOUT)
        yield TrialStack(running, cleanup.enter_context(try_splits(running, BY_TUNE)))
