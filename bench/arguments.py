"""What a scenario on stores is told, on Locust's command line and in its web UI."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from locust.argument_parser import LocustArgumentParser

from bench.discovery import discover
from bench.mixes import MIXES
from bench.plan import Offer, UnknownStoreError, select

TARGETS: Final = {"nginx": "http://127.0.0.1:10000", "direct": "http://127.0.0.1:10001"}

_QUESTIONS: Final = {"-h", "--help", "-V", "--version", "-l", "--list"}


@dataclass(frozen=True, slots=True)
class Defaults:
    """A scenario's parameters as its file has them."""

    mix: str
    population: int
    summary_size: int
    seed: int


class Open(list[str]):
    """Choices that are offered and not enforced: globs and addresses may stand in their place."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str)


class Extend(argparse.Action):
    """Gathers values over repeated options; the first one replaces the default."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Take the values of one option."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is self.default else [*before, *values])


def matching(stores: Sequence[Offer]) -> Callable[[str], str]:
    """Return a check that a glob matches one of `stores`, as argparse wants it."""

    def glob(value: str) -> str:
        try:
            select(stores, [value] if stores else [])
        except UnknownStoreError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return value

    return glob


def url_of(target: str, host: str | None) -> str:
    """The address to load: `host` if it is given, else what `target` names or is."""
    return (host or TARGETS.get(target, target)).rstrip("/")


def offers(argv: Sequence[str]) -> list[Offer]:
    """Ask the server that `argv` names for its stores; raises ServerDownError.

    Nothing is asked, and none returned, where `argv` only asks for help.
    """
    if _QUESTIONS & set(argv):
        return []
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--target", default="nginx")
    early.add_argument("-H", "--host", default=os.environ.get("LOCUST_HOST"))
    told, _ = early.parse_known_args(argv)
    return discover(url_of(told.target, told.host), timeout=5.0)[1]


def preselected(stores: Iterable[Offer]) -> list[str]:
    """The store to begin with: one that is up and can be loaded in any way, or none."""
    able = [o for o in stores if o.status == "up" and o.default and not o.local]
    able.sort(key=lambda offer: offer.mode != "async")
    return [offer.id for offer in able[:1]]


def add(parser: LocustArgumentParser, stores: Sequence[Offer], defaults: Defaults) -> None:
    """Add the arguments; those of Locust get defaults that fit: this machine only, no ramp."""
    parser.set_defaults(web_host="127.0.0.1", spawn_rate=100.0, stop_timeout=3.0)
    parser.add_argument(
        "--stores",
        nargs="+",
        type=matching(stores),
        action=Extend,
        is_multiple=True,
        choices=Open(offer.id for offer in stores if offer.status == "up"),
        default=preselected(stores),
        metavar="GLOB",
        help="Stores to load at the same time, users divided evenly: ids or globs like 'redis/*'",
    )
    parser.add_argument(
        "--mix", choices=list(MIXES), default=defaults.mix, help="Which operations, in what ratio"
    )
    parser.add_argument(
        "--target",
        choices=Open(TARGETS),
        default="nginx",
        metavar="{nginx,direct,URL}",
        help="Through nginx (port 10000), or one process direct (port 10001); Host wins over it",
    )
    parser.add_argument(
        "--population",
        type=int,
        default=defaults.population,
        help="Records that a store starts from",
    )
    parser.add_argument(
        "--summary-size",
        type=int,
        default=defaults.summary_size,
        help="Rows of the table that summary aggregates",
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="Makes the data the same")
