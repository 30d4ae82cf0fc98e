"""stores: what the running server offers."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.commands.options import known_url
from bench.commands.saying import UsageError, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence


def stores(
    globs: Annotated[
        list[str] | None, typer.Argument(metavar="[GLOB]...", help="such as 'postgres-*/*/safe'")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="URL", help="ask the server there (or at unix:/PATH)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="all facts, the ledger too")] = False,
) -> None:
    """List what the running server offers."""
    from bench.asked.discovery import discover

    _, offers = discover(known_url("--host", host) or _own_url())
    chosen = [offer for offer in offers if _wanted(offer.id, globs or ["*"])]
    if not chosen:
        raise UsageError(f"no store matches {' '.join(globs or [])}: see `windtunnel stores`")
    if as_json:
        say(json.dumps([_facts(offer) for offer in chosen], indent=2, default=sorted))
    else:
        _show(chosen)


def _own_url() -> str:
    from deploy.layout import default_url
    from deploy.stack import running

    stack = running()
    return stack.state.processes[0] if stack else default_url()


def _wanted(store: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(store, glob) for glob in globs)


def _facts(offer: Any) -> dict[str, Any]:
    names = ("id", "status", "detail", "default", "operations", "ledger")
    return {name: getattr(offer, name) for name in names}


def _show(offers: Sequence[Any]) -> None:
    rows = [
        (
            offer.id,
            offer.status,
            "*" if offer.default else "",
            offer.detail or offer.ledger.get("promise") or "",
        )
        for offer in offers
    ]
    table(("store", "status", "*", "promise, or what is wrong"), rows)
    ups = sum(offer.status == "up" for offer in offers)
    say(f"{ups} of {len(offers)} up; * is the durability that is compared by default")
