"""What can be wrong with the environment, each one line that says what to do.

StackError
├── PortTakenError   a port of ours is held by someone else
├── BusyError        another command starts or stops this stack
└── NotReadyError    a program did not come up
"""

from __future__ import annotations


class StackError(Exception):
    """The environment is not right; the text is one line for the user."""

    exit_code = 3


class PortTakenError(StackError):
    """A port of ours is held by someone else."""


class BusyError(StackError):
    """Another command starts or stops this stack."""


class NotReadyError(StackError):
    """A program that the stack cannot do without did not come up."""
