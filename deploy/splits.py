"""The split of the stack that runs: what it is, changed, recorded, undone."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deploy import trial
from deploy.errors import BusyError, StackError
from deploy.launch import resized
from deploy.layout import Layout, default_place
from deploy.locks import LOCK_TIMEOUT, stack_lock
from deploy.shift import shift
from deploy.splitfile import read_split, write_split
from deploy.stack import running
from nginx.plan import Plan, changed, differences, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from deploy.services import Place
    from deploy.stack import Stack
    from deploy.trial import Trial

__all__ = [
    "OF_NO_ACCOUNT",
    "Change",
    "Plan",
    "apply",
    "changed",
    "differences",
    "history",
    "killed",
    "on_trial",
    "plan",
    "put_back",
    "resize",
    "stamp",
    "undo",
]

OF_NO_ACCOUNT = 0
"""What a change on trial says that it undoes, so that `undo` takes it for none of a person's."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the split; `apply_s` until the new one served, `clean_s` until only it did.

    Both count from the beginning, in seconds; `clean_s` and `clean_at` are None of a change that
    was interrupted while old workers of nginx finished their requests. `undoes` is the number of
    the change that this one takes back.
    """

    number: int
    by: str
    when: datetime
    before: dict[str, Any]
    after: dict[str, Any]
    differences: list[tuple[str, str, str]]
    apply_s: float
    clean_s: float | None
    serving_at: float
    clean_at: float | None
    undoes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The change as JSON has it."""
        return {**asdict(self), "when": self.when.isoformat()}


def plan(stack: Stack) -> Plan:
    """The split in force."""
    stack.reread()
    return stack.plan


def apply(
    stack: Stack,
    plan: Plan,
    by: str = "split set",
    undoes: int | None = None,
    *,
    since: Plan | None = None,
    lock_timeout: float = 0.0,
) -> Change:
    """Bring a plan into force and record it; returns when no old worker of nginx remains.

    `since` is the plan that it was made from: BusyError if another one is in force meanwhile.
    `lock_timeout` is how many seconds another command has to release the stack.
    Raises SplitError, ApplyError, NotReadyError and StackError (BusyError also while another
    command tries splits). What is raised before the new split is served changes nothing.
    """
    with stack_lock(stack.layout, lock_timeout):
        stack.reread()
        trial.refuse(stack.layout)
        if trial.left(stack.layout) or (since is not None and since != stack.plan):
            raise BusyError("the split was changed meanwhile: look at it, and try again")
        return _applied(stack, plan, by, undoes)


def _applied(stack: Stack, plan: Plan, by: str, undoes: int | None) -> Change:
    before, file = stack.plan, _file(stack.layout)
    change = Change(
        number=len(_read(file)) + 1,
        by=by,
        when=datetime.now(UTC),
        before=before.as_dict(),
        after=plan.as_dict(),
        differences=differences(before, plan),
        apply_s=0.0,
        clean_s=None,
        serving_at=0.0,
        clean_at=None,
        undoes=undoes,
    )
    return _recorded(stack, plan, change, file)


def _recorded(stack: Stack, plan: Plan, change: Change, file: Path) -> Change:
    """Shift, and record it as soon as it serves: what comes then may be interrupted."""
    past = file.read_bytes() if file.exists() else b""

    def served(begun: float, serving: float) -> None:
        nonlocal change
        change = replace(change, apply_s=round(serving - begun, 3), serving_at=serving)
        if change.undoes != OF_NO_ACCOUNT:
            write_split(stack.layout, plan)
        _write(file, past, change)

    times = shift(stack, plan, served)
    change = replace(change, clean_s=round(times.clean - times.begun, 3), clean_at=times.clean)
    _write(file, past, change)
    return change


def history(place: Place | None = None) -> list[Change]:
    """Every change of the place's split, the oldest first."""
    return _read(_file(Layout(place or default_place())))


def stamp(place: Place | None = None) -> tuple[int, int] | None:
    """What is another one as soon as the history is; None before the first change."""
    try:
        found = _file(Layout(place or default_place())).stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def undo(stack: Stack, by: str = "split undo") -> Change:
    """Take back the last change that is not taken back yet; raises StackError if there is none."""
    changes = _read(_file(stack.layout))
    undone = {change.undoes for change in changes}
    for change in reversed(changes):
        if change.undoes is None and change.number not in undone:
            return apply(stack, plan_of(change.before), by, change.number)
    raise StackError("there is no change of the split to undo")


@contextmanager
def on_trial(stack: Stack, by: str) -> Iterator[Trial]:
    """Keep changes by others away while the block tries splits; raises BusyError.

    `bench.run.restoring` puts the former one back.
    """
    with ExitStack() as block:
        with stack_lock(stack.layout, LOCK_TIMEOUT):
            _put_back(stack.layout)
            stack.reread()
            found = block.enter_context(trial.held(stack.layout, by, stack.plan))
        yield found


def put_back(say: Callable[[str], None], place: Place | None = None) -> bool:
    """Bring back the split from before the trials of a command that was killed, and say so.

    Returns whether there was such a command. Raises what `apply` raises.
    """
    layout = Layout(place or default_place())
    if not trial.known(layout):
        return False
    with stack_lock(layout, LOCK_TIMEOUT):
        who = _put_back(layout)
    if who:
        say(f"{who} was killed while it tried splits: the one before is back")
    return who is not None


def killed(place: Place | None = None) -> str | None:
    """Return which command was killed while it tried splits, and has not been made good for yet."""
    layout = Layout(place or default_place())
    if not trial.known(layout):
        return None
    try:
        with stack_lock(layout):
            found = trial.left(layout)
    except BusyError:  # by whoever tries splits, most likely
        return None
    return found[0] if found else None


def _put_back(layout: Layout) -> str | None:
    """Who was killed; a stack that does not run starts with its file, which no trial is put in."""
    found = trial.left(layout)
    if found is None:
        return None
    who, former = found
    stack = running(layout.place)
    if stack is not None and stack.plan != former:
        _applied(stack, former, "put back", OF_NO_ACCOUNT)
    trial.forget(layout)
    return who


def resize(
    stack: Stack,
    fast: int | None = None,
    slow: int | None = None,
    by: str = "up",
    undoes: int | None = None,
) -> None:
    """Run so many processes in each pool, on record.

    When it returns nginx serves exactly these, and no old worker of nginx remains. The rest of the
    split stays; a pool gets the weights back that it had when it last had as many processes. Raises
    what `apply` raises.
    """
    with stack_lock(stack.layout, LOCK_TIMEOUT):
        stack.reread()
        plan = resized(stack.plan, fast, slow).with_weights_of([stack.plan, *_known(stack.layout)])
        if plan != stack.plan:
            trial.refuse(stack.layout)
            _applied(stack, plan, by, undoes)


def _known(layout: Layout) -> list[Plan]:
    """What people wanted the split to be, the file first, then the history from its end."""
    wanted = [change for change in _read(_file(layout)) if change.undoes != OF_NO_ACCOUNT]
    return [read_split(layout), *(plan_of(change.before) for change in reversed(wanted))]


def _file(layout: Layout) -> Path:
    return layout.root / "split.jsonl"


def _write(file: Path, past: bytes, change: Change) -> None:
    draft = file.with_suffix(".new")
    draft.write_bytes(past + json.dumps(change.as_dict()).encode() + b"\n")
    draft.replace(file)


def _read(file: Path) -> list[Change]:
    return [_change(line) for line in file.read_text().splitlines()] if file.exists() else []


@lru_cache(maxsize=4096)
def _change(line: str) -> Change:
    """A line of the history, read once: the live page asks for all of them after each change."""
    told = json.loads(line)
    told["when"] = datetime.fromisoformat(told["when"])
    told["differences"] = [tuple(one) for one in told["differences"]]
    return Change(**told)
