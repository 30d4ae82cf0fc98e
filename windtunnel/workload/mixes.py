"""Mixes: in which proportions users call the operations.

Creates and deletes are equally many wherever both are, so that a dataset keeps its size. An
operation alone has no companion, as the CPU time of a cell is to be its own: `create` alone lets
the dataset grow, `delete` alone starts from one that is large enough (`dataset.size_for`) and ends
its window early should that run out. `sleep` asks no store: it is what waiting costs in a store's
mode, whatever its database would do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from windtunnel.client.api import SLEEP, Operation

CREATE, READ, UPDATE, EDIT, DELETE, FIND, SUMMARY = Operation

Mix = Mapping[str, int]
"""How many of each operation a user does in every hand of cards."""

MIXES: Final[Mapping[str, Mix]] = MappingProxyType(
    {
        "balanced": {CREATE: 1, READ: 6, EDIT: 2, DELETE: 1},
        "read-heavy": {CREATE: 1, READ: 36, EDIT: 2, DELETE: 1},
        "write-heavy": {CREATE: 2, READ: 2, UPDATE: 2, EDIT: 2, DELETE: 2},
        "find-heavy": {CREATE: 1, READ: 2, EDIT: 1, DELETE: 1, FIND: 5},
        **{operation.value: {operation: 1} for operation in Operation},
        SLEEP: {SLEEP: 1},
    }
)

NEEDS_RECORD: Final = frozenset({READ, UPDATE, EDIT, DELETE})


def consumes(mix: Mix) -> bool:
    """Whether a population shrinks under `mix`: it deletes more than it creates."""
    return mix.get(DELETE, 0) > mix.get(CREATE, 0)


class OperationBag:
    """Draws operations hand by hand: each hand holds the mix exactly, shuffled anew."""

    __slots__ = ("_hand", "_mix", "_shuffle")

    def __init__(self, mix: Mix, rng: random.Random) -> None:
        self._mix: list[str] = [operation for operation, count in mix.items() for _ in range(count)]
        self._hand: list[str] = []
        self._shuffle: Callable[[list[str]], None] = rng.shuffle

    def draw(self) -> str:
        """Return the next operation."""
        if not self._hand:
            self._hand = self._mix.copy()
            self._shuffle(self._hand)
        return self._hand.pop()

    def create_first(self, instead_of: str) -> str:
        """Put an operation back that has no record to work on, and return a create.

        The create is taken from later in the hand, so that the proportions hold; only where the
        hand has none left is it one more than the mix says.
        """
        if CREATE in self._hand:
            self._hand.remove(CREATE)
            self._hand.append(instead_of)
        return CREATE
