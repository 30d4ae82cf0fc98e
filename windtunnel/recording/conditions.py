"""The conditions of a measurement: what a cell, its seconds and its sampled requests share."""

from __future__ import annotations

from typing import Final, Self

import msgspec

SUBJECT: Final = ("store", "variant", "mix", "processes")
REPETITION: Final = ("round", "attempt")
SERVER: Final = "server"


class LoadConditions(msgspec.Struct, frozen=True, kw_only=True):
    """The load, and the variant and number of processes under it; stores are compared under one.

    `users` is a closed load, `rate` an open one, `slow_rate` that of slow work beside it, both in
    requests a second. `variant` and `mix` are None where a server has none.
    """

    mix: str | None = None
    users: int | None = None
    rate: float | None = None
    slow_rate: float | None = None
    processes: int = 1
    variant: str | None = None


class Configuration(LoadConditions, frozen=True, kw_only=True):
    """What all rounds and attempts of a cell have in common: a store under a load.

    `store` is None where a server has none.
    """

    store: str | None = None

    @property
    def subject(self) -> str:
        """What reports call that which was measured: the store, `server` where there is none."""
        return self.store or SERVER


class Conditions(Configuration, frozen=True, kw_only=True):
    """What was measured, under which load, and in which repetition; a key that can be hashed.

    `attempt` counts the measurements of one cell in its `round`, as a spoiled one is repeated.

    Everything that is ordered is here, and nothing that follows from it: the address that was
    loaded (`target`), the process behind it and a store's connections are facts of a `Cell`. A
    field that is added to `LoadConditions` is one more dimension of the load: it is ordered, it is
    written with each cell, second and sample, and no report merges cells that differ in it.
    """

    round: int = 1
    attempt: int = 1

    @property
    def conditions(self) -> Conditions:
        """The conditions alone, equal for a cell and for every second and sample of it."""
        return msgspec.convert(self, Conditions, from_attributes=True)

    @property
    def configuration(self) -> Configuration:
        """The conditions that all rounds and attempts of a cell have in common."""
        return msgspec.convert(self, Configuration, from_attributes=True)

    def without(self, *names: str) -> Self:
        """Return a copy in which these fields have their defaults, so that they tell no two apart.

        Raises KeyError for a name that is not a condition.
        """
        return msgspec.structs.replace(self, **{name: _DEFAULTS[name] for name in names})


_DEFAULTS: Final = {field.name: field.default for field in msgspec.structs.fields(Conditions)}

NAMES: Final = tuple(_DEFAULTS)
"""The names of all conditions, as in the files of a run."""

LOAD: Final = tuple(name for name in NAMES if name not in SUBJECT + REPETITION)
"""The names of those that say how much load there was."""
