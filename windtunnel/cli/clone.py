"""The clone of the project: servers, nginx and scenarios, which a wheel does not have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from windtunnel.errors import SetupError

CLONE: Final = Path(__file__).parents[2]
SCENARIOS: Final = CLONE / "locustfiles"

P = ParamSpec("P")
R = TypeVar("R")


class CloneNeededError(SetupError):
    """A command needs the clone, and windtunnel is installed without it."""


def needs_clone(command: Callable[P, R]) -> Callable[P, R]:
    """Let a command raise CloneNeededError where there is no clone."""

    @wraps(command)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        require_clone(command.__name__.strip("_"))
        return command(*args, **kwargs)

    return checked


def require_clone(command: str) -> None:
    """Raise CloneNeededError unless windtunnel is imported from a clone of the project."""
    if not (CLONE / "deploy" / "stack.py").is_file():
        raise CloneNeededError(
            f"{command} needs the project's clone, for its servers and scenarios: git clone it, "
            "run `make setup` there, and use its .venv/bin/windtunnel"
        )
