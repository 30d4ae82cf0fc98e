"""The errors that reach the user, each one line of text, with the exit code on its class.

WindtunnelError
├── UsageError                2: what was asked for is wrong
│   ├── UnknownStoreError        a glob that selects no store
│   ├── SloError                 an SLO that cannot be read, or judged in this run
│   ├── VariantsError            runs that cannot be compared
│   ├── DurationError            a service time that cannot be read
│   ├── ObjectiveError           an SLO that says nothing about a split
│   ├── RefusedError             a test on the live page that cannot start
│   └── ChoiceError              a change on the live page that is not offered
└── SetupError                3: the environment is not right
    ├── CloneNeededError         a command needs the clone: windtunnel is installed from a wheel
    ├── ServerDownError          no server answers
    ├── ResultsError             a run folder that cannot be read or written
    ├── NothingToMeasureError    every store that was asked for is unavailable
    ├── ResetError               a store that cannot be brought to its starting state
    ├── GeneratorError           the load generator ended
    ├── CellError                a cell that could not be measured: it is void, the run goes on
    ├── ModuleError              the process that changes the split broke down
    └── SplitControlError        the split was not changed
        ├── ConflictError        it was changed by somebody else meanwhile
        └── InvalidSplitError    the changes do not fit each other

An error is defined where it is raised; what several packages raise is here. `deploy`, `nginx` and
`server` do not know windtunnel: their errors have an `exit_code` of the same meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How a command ends."""

    DONE = 0
    FAILED = 1
    """A threshold failed, or an unexpected error."""
    USAGE = 2
    SETUP = 3
    INTERRUPTED = 130


class WindtunnelError(Exception):
    """A command cannot go on; the text is one line that says what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class UsageError(WindtunnelError):
    """What was asked for is wrong."""

    exit_code = ExitCode.USAGE


class SetupError(WindtunnelError):
    """The environment is not right."""

    exit_code = ExitCode.SETUP


class CellError(SetupError):
    """A cell that could not be measured; it is void, and the run goes on."""
