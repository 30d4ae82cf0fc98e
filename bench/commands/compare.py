"""compare: two variants of one run, or two runs."""

from __future__ import annotations

from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="a run: a folder, a name, `latest`")],
    second: Annotated[
        str | None, typer.Argument(metavar="[B]", help="another; without it the variants of A")
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="as 'regression < 10%'; exit code 1 if it fails"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Say of each store and operation whether B is faster or slower than A, or neither.

    One run measured with --against has its two variants compared; only these meet in the same
    rounds, and only they can prove a regression.
    """
    from bench.reports import comparing

    if comparing.compare(first, second, slo or [], json=json):
        raise typer.Exit(1)
