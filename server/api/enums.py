"""The closed sets of words that the server speaks, each in its one sense."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How the handler waits for the database."""

    BLOCKING = "blocking"
    THREADS = "threads"
    ASYNC = "async"


class Durability(StrEnum):
    """What the answer to a write means."""

    UNACKED = "unacked"
    VOLATILE = "volatile"
    FAST = "fast"
    SAFE = "safe"


class Operation(StrEnum):
    """What a store can be asked to do, and what a report has a row for."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    EDIT = "edit"
    DELETE = "delete"
    FIND = "find"
    SUMMARY = "summary"
