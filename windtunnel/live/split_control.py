"""The split of this machine's stack, as the page sees and changes it.

It is read here and changed by a process of its own (`python -m windtunnel.live.split_control`):
a change starts and drains processes and waits for nginx, which would hold up the load that this
process may send; and it is brought to its end should Locust be stopped meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from windtunnel.errors import SetupError

# Runs a module of ours in a process of its own, so that it holds up no load of this one.


ROOT: Final = Path(__file__).parents[2]


class ModuleError(SetupError):
    """It broke down; the message is its last line."""


def beside(module: str, question: bytes) -> bytes:
    """Return what a module answers on standard output to a question on standard input.

    It goes on to its end even if this process is stopped. Raises ModuleError.
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
        raise ModuleError(lines[-1] if lines else f"status {done.returncode}")
    return done.stdout


BY: Final = "page"

LISTED: Final = 20
"""Changes that the page is told of at most, the last ones, and the one that can be undone."""

TRIED: Final = 100
"""Trials that are over and still on the charts, of which it is told too: when they were."""

NO_STACK: Final = "No stack runs on this machine: start one with `windtunnel up`."


class SplitControlError(SetupError):
    """Nothing was changed, or nothing can be shown; the message is one line."""


class ConflictError(SplitControlError):
    """Somebody else has changed the split meanwhile."""


class InvalidSplitError(SplitControlError):
    """The choices do not fit each other; the line names the key."""


@dataclass(frozen=True, slots=True)
class SplitState:
    """The split in force: `flat` has each key with its value as text, `history` every change."""

    nginx: str
    flat: Mapping[str, str]
    balances: list[str]
    history: list[dict[str, Any]]

    @property
    def last(self) -> int:
        """The number of the last change, 0 before the first."""
        return self.history[-1]["number"] if self.history else 0

    @property
    def undoable(self) -> int | None:
        """The number of the change that an undo takes back."""
        undone = {change["undoes"] for change in self.history}
        left = [c["number"] for c in self.history if c["undoes"] is None and not c["trial"]]
        return next((number for number in reversed(left) if number not in undone), None)

    def told(self, since: float) -> list[dict[str, Any]]:
        """The changes since a moment and the one that can be undone, the oldest first.

        Of a trial that is over there is only when it was: a tune makes one for each of its cells.
        """
        undoable = self.undoable
        some = [
            one
            for one in self.history
            if one["number"] == undoable or (one["clean_at"] or one["serving_at"]) > since
        ]
        over = [one for one in some if one["trial"] and one["number"] != self.last]
        numbers = {one["number"] for one in over}
        rest = [one for one in some if one["number"] not in numbers]
        kept = [one for one in rest[:-LISTED] if one["number"] == undoable] + rest[-LISTED:]
        marks = [{key: one[key] for key in MARK} for one in over[-TRIED:]]
        return sorted([*kept, *marks], key=lambda one: int(one["number"]))


MARK: Final = ("number", "trial", "began_at", "serving_at", "clean_at")
"""What is told of a trial that is over."""


def shown() -> SplitState:
    """Look at the split in force; raises SplitControlError."""
    from deploy import splits, stack
    from deploy.errors import StackError
    from deploy.history import history_stamp
    from nginx.split import Balance

    try:
        running = stack.running()
        if running is None:
            raise SplitControlError(NO_STACK)
        plan = splits.active_plan(running)
        history = _history(running.layout.root, history_stamp())
    except (StackError, ValueError, OSError) as error:
        raise SplitControlError(_line(error)) from error
    return SplitState(running.state.nginx, plan.flat(), [str(one) for one in Balance], history)


@lru_cache(maxsize=1)
def _history(root: Path, stamp: tuple[int, int] | None) -> list[dict[str, Any]]:  # noqa: ARG001
    """Every change, read once: the page asks every two seconds, in the process of the load."""
    from deploy.history import read_history

    return [_told(change) for change in read_history()]


def access_log(url: str) -> Path | None:
    """Return the log of the nginx at `url`, if it is this machine's stack's."""
    from deploy import stack
    from deploy.errors import StackError
    from nginx.render import ACCESS_LOG

    try:
        running = stack.running()
    except (StackError, ValueError, OSError):
        return None
    if running is None or running.state.nginx != url:
        return None
    return running.nginx.folder / ACCESS_LOG


def differences(changes: Mapping[str, str]) -> list[list[str]]:
    """What changes would change: key, old and new; raises SplitControlError naming the key."""
    from deploy import splits, stack
    from deploy.errors import StackError
    from nginx import plan as plans
    from nginx.split import SplitError

    try:
        running = stack.running()
        if running is None:
            raise SplitControlError(NO_STACK)
        before = splits.active_plan(running)
        after = plans.edit_plan(before, changes)
    except SplitError as error:
        raise InvalidSplitError(_line(error)) from error
    except (StackError, ValueError, OSError) as error:
        raise SplitControlError(_line(error)) from error
    return [list(one) for one in plans.differences(before, after)]


def change(base: int, changes: Mapping[str, str] | None) -> dict[str, Any]:
    """Apply changes, or undo the last one if there are None, and return what became of it.

    `base` is the number of the change that they build on. Raises SplitControlError.
    """
    order = json.dumps({"base": base, "changes": changes})
    try:
        answer = json.loads(beside("windtunnel.live.split_control", order.encode()))
    except (ModuleError, ValueError) as error:
        raise SplitControlError(f"the change broke down: {error}") from error
    if "conflict" in answer:
        raise ConflictError(answer["conflict"])
    if "error" in answer:
        raise SplitControlError(answer["error"])
    return dict(answer["change"])


# -- in the process of its own ----------------------------------------------------------------


def main() -> None:
    """Carry out the order on standard input, and tell on standard output what became of it."""
    order = json.load(sys.stdin)
    answer: dict[str, Any]
    try:
        answer = {"change": _told(_carried_out(order["base"], order["changes"]))}
    except ConflictError as error:
        answer = {"conflict": str(error)}
    except SplitControlError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def _carried_out(base: int, changes: Mapping[str, str] | None) -> Any:
    from deploy import splits, stack
    from deploy.errors import StackError
    from deploy.history import read_history
    from nginx.apply import ApplyError
    from nginx.plan import edit_plan
    from nginx.split import SplitError

    try:
        running = stack.running()
        if running is None:
            raise SplitControlError(NO_STACK)
        splits.put_back(lambda _: None, running.layout.workspace)  # which the next look shows
        history = read_history(running.layout.workspace)
        last = history[-1].number if history else 0
        if last != base:
            raise ConflictError("The split was changed meanwhile: look at it again.")
        if changes is None:
            return splits.undo(running, by=BY)
        before = splits.active_plan(running)
        return splits.apply(running, edit_plan(before, changes), by=BY, since=before)
    except (StackError, SplitError, ApplyError, OSError) as error:
        raise SplitControlError(_line(error)) from error


def _told(change: Any) -> dict[str, Any]:
    """A change as JSON has it, moments in seconds of the epoch.

    `clean_s` and `clean_at` are None of one that was interrupted before old workers had drained.
    """
    return {
        "number": change.number,
        "by": change.by,
        "differences": [list(one) for one in change.differences],
        "apply_s": change.apply_s,
        "clean_s": change.clean_s,
        "began_at": change.serving_at - change.apply_s,
        "serving_at": change.serving_at,
        "clean_at": change.clean_at,
        "undoes": change.undoes,
        "trial": change.kind == "trial",
    }


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main()
