"""The closed sets of terms: modes, durabilities, operations."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How a handler waits for the database."""

    BLOCKING = "blocking"
    THREADS = "threads"
    ASYNC = "async"


class Durability(StrEnum):
    """What the answer to a write guarantees."""

    UNACKED = "unacked"
    VOLATILE = "volatile"
    FAST = "fast"
    SAFE = "safe"


class Operation(StrEnum):
    """An operation of a store, and a row of a report."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    EDIT = "edit"
    DELETE = "delete"
    FIND = "find"
    SUMMARY = "summary"
