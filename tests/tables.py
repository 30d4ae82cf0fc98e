"""The tables of the docs as the code has them: `python -m tests.tables` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from server.api.enums import Mode
from server.api.openapi import document
from server.engines import discover
from server.engines.base import Engine
from server.routes import SLOW

STORE = "/{engine}/{mode}/{durability}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def engines() -> str:
    """Return a row for each engine: how it is reached, what it promises, what it lacks."""
    head = ("engine", "database", "modes: driver", "durabilities", "not offered")
    return table(head, [row(engine) for _, engine in sorted(discover().items())])


def row(engine: type[Engine]) -> list[str]:
    default = engine.default_durability()
    title = "none: the zero of the scale" if engine.reference else engine.title.split(",")[0]
    return [
        f"`{engine.name}`",
        title,
        "; ".join(drivers(engine)),
        ", ".join(f"**{d}**" if d is default else d for d in engine.durabilities),
        ", ".join(engine.not_available),
    ]


def drivers(engine: type[Engine]) -> Iterator[str]:
    def driver(mode: Mode) -> str:
        return engine.drivers[mode] or "Python's own"

    for name, modes in groupby(engine.modes(), driver):
        yield f"{', '.join(modes)}: {name}"


def routes() -> str:
    """Return a row for each route of the OpenAPI document; those below /slow are one row."""
    rows = [
        answered(path, verb, operation)
        for path, item in document([])["paths"].items()
        if not path.startswith(SLOW)
        for verb, operation in item.items()
        if verb != "parameters"
    ]
    slow = [
        f"any of `{SLOW}S`, `{SLOW}/sleep`",
        "The same, sent to the slow pool by nginx",
        "the same",
    ]
    return table(("request", "what it does", "answers"), [*rows, slow])


def answered(path: str, verb: str, operation: dict[str, Any]) -> list[str]:
    """Describe a request; the problems that any request to a store may meet are left out."""
    statuses = [s for s in operation["responses"] if s < "400" or STORE not in path]
    shown = f"`{verb.upper()} {path.replace(STORE, 'S')}`"
    return [shown, operation["summary"], ", ".join(statuses)]


if __name__ == "__main__":
    print(engines(), routes(), sep="\n\n")
