"""The split of this machine's stack, as the page sees and changes it.

It is read here, and changed in a child process (`python -m windtunnel.live.split_control`): a
change starts and drains processes and waits for nginx, which would hold up the load that this
process may send; and it completes even if Locust is stopped meanwhile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from windtunnel.errors import SetupError
from windtunnel.live.child_process import ModuleError, run_module

BY: Final = "page"

MAX_CHANGES: Final = 20
"""How many changes the page lists: the last ones, and the one that can be undone."""

MAX_TRIALS: Final = 100
"""How many trials that are over are marked on the charts."""

NO_STACK: Final = "No stack runs on this machine: start one with `windtunnel up`."


class SplitControlError(SetupError):
    """The split was not changed, or cannot be read; the message is one line."""


class ConflictError(SplitControlError):
    """The split was changed by somebody else meanwhile."""


class InvalidSplitError(SplitControlError):
    """The changes do not fit each other; the message names the key."""


@dataclass(frozen=True, slots=True)
class SplitState:
    """The split in force: `flat` has the value of each key as text, `history` every change."""

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
        """The number of the change that an undo reverts."""
        undone = {change["undoes"] for change in self.history}
        edits = [c["number"] for c in self.history if c["undoes"] is None and not c["trial"]]
        return next((number for number in reversed(edits) if number not in undone), None)

    def recent_history(self, since: float) -> list[dict[str, Any]]:
        """Return the changes since a moment and the one that can be undone, the oldest first.

        Of a trial that is over there are only its times: a tune makes one for each of its cells.
        """
        undoable = self.undoable
        recent = [
            change
            for change in self.history
            if change["number"] == undoable or (change["clean_at"] or change["serving_at"]) > since
        ]
        trials = [c for c in recent if c["trial"] and c["number"] != self.last]
        numbers = {change["number"] for change in trials}
        edits = [change for change in recent if change["number"] not in numbers]
        listed = [c for c in edits[:-MAX_CHANGES] if c["number"] == undoable] + edits[-MAX_CHANGES:]
        marks = [{key: trial[key] for key in MARK_FIELDS} for trial in trials[-MAX_TRIALS:]]
        return sorted([*listed, *marks], key=lambda change: int(change["number"]))


MARK_FIELDS: Final = ("number", "trial", "began_at", "serving_at", "clean_at")
"""What the page gets of a trial that is over."""


def read_split() -> SplitState:
    """Return the split in force; raises SplitControlError."""
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
    return SplitState(
        running.state.nginx, plan.flat(), [str(balance) for balance in Balance], history
    )


@lru_cache(maxsize=1)
def _history(root: Path, stamp: tuple[int, int] | None) -> list[dict[str, Any]]:  # noqa: ARG001
    """Return every change, read once per change: the page asks every two seconds."""
    from deploy.history import read_history

    return [_as_dict(change) for change in read_history()]


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
    """Return key, old and new value of what `changes` would change; raises SplitControlError."""
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
    return [list(difference) for difference in plans.differences(before, after)]


def change(base: int, changes: Mapping[str, str] | None) -> dict[str, Any]:
    """Apply `changes`, or undo the last change if they are None; return the change as a dict.

    `base` is the number of the change that they build on. Raises SplitControlError.
    """
    order = json.dumps({"base": base, "changes": changes})
    try:
        answer = json.loads(run_module("windtunnel.live.split_control", order.encode()))
    except (ModuleError, ValueError) as error:
        raise SplitControlError(f"the change failed: {error}") from error
    if "conflict" in answer:
        raise ConflictError(answer["conflict"])
    if "error" in answer:
        raise SplitControlError(answer["error"])
    return dict(answer["change"])


# -- in the child process ----------------------------------------------------------------


def main() -> None:
    """Carry out the order on standard input (JSON), and print the result as JSON."""
    order = json.load(sys.stdin)
    answer: dict[str, Any]
    try:
        answer = {"change": _as_dict(_apply(order["base"], order["changes"]))}
    except ConflictError as error:
        answer = {"conflict": str(error)}
    except SplitControlError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def _apply(base: int, changes: Mapping[str, str] | None) -> Any:
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
        splits.put_back(lambda _: None, running.layout.workspace)  # shown when the page asks again
        history = read_history(running.layout.workspace)
        last = history[-1].number if history else 0
        if last != base:
            raise ConflictError("The split was changed meanwhile: review it and try again.")
        if changes is None:
            return splits.undo(running, by=BY)
        before = splits.active_plan(running)
        return splits.apply(running, edit_plan(before, changes), by=BY, based_on=before)
    except (StackError, SplitError, ApplyError, OSError) as error:
        raise SplitControlError(_line(error)) from error


def _as_dict(change: Any) -> dict[str, Any]:
    """Return a change for JSON, moments in seconds of the epoch.

    `clean_s` and `clean_at` are None if it was interrupted before old workers had drained.
    """
    return {
        "number": change.number,
        "by": change.by,
        "differences": [list(difference) for difference in change.differences],
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
