"""What a scenario on stores is told, on Locust's command line and in its web UI."""

from __future__ import annotations

import argparse
import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from locust.argument_parser import LocustArgumentParser

from windtunnel.workload.mixes import MIXES
from windtunnel.workload.slow import LONGEST_MS, SlowKind, SlowWork
from windtunnel.workload.stores import StoreInfo, UnknownStoreError, discover, select

_PORTS: Final = {"nginx": 10000, "direct": 10001}

WHOLE: Final = {
    "population": (1, 400_000),
    "summary_size": (1, 1_000_000),
    "seed": (0, 2**63 - 1),
    "max_in_flight": (1, 10_000),
    "sleep_ms": (1, LONGEST_MS),
}
"""The arguments that are whole numbers: from, to. A population has to fit into one request."""

FASTEST: Final = 100_000.0
"""Requests a second that may be asked for; more than any generator of this suite can send."""

_NEEDLESS: Final = {"-h", "--help", "-V", "--version", "-l", "--list", "--worker"}
"""Options with which no server is asked: a question, or a worker, whom its master tells all."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """A scenario's parameters as its file has them.

    With `rates` (requests a second) it has several streams, each open at a rate of its own; else
    one, which users make closed unless they give a rate. `work` is what slow work it has, if any.
    """

    mix: str
    population: int
    summary_size: int
    seed: int
    rates: Mapping[str, float] = field(default_factory=dict)
    work: SlowWork | None = None


class OpenChoices(list[str]):
    """Choices that are offered and not enforced: globs and addresses may stand in their place."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str | list)


class ExtendAction(argparse.Action):
    """Gathers lists over repeated options; the first one replaces the default."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Take the values of one option."""
        before = getattr(namespace, self.dest)
        found = [*([] if before is self.default else before), *chain(*values)]
        setattr(namespace, self.dest, list(dict.fromkeys(found)))


def matching(stores: Sequence[StoreInfo]) -> Callable[[str], list[str]]:
    """Return what turns a glob into ids of `stores`, as argparse wants it.

    Where no stores are known the glob stays: whoever knows them selects by it.
    """

    def glob(value: str) -> list[str]:
        try:
            return [offer.id for offer in select(stores, [value])] if stores else [value]
        except UnknownStoreError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return glob


def between(least: int, most: int) -> Callable[[str], int]:
    """Return a check that a text is a whole number in these limits, as argparse wants it."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            wanted = f"a whole number from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return number


def rate(text: str) -> float:
    """Check that a text is a number of requests a second, as argparse wants it; 0 is none."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= FASTEST:
        wanted = f"a number of requests a second, from 0 (none by schedule) to {FASTEST:.0f}"
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def targets() -> dict[str, str]:
    """The addresses of a stack on this machine, by what `target` calls them."""
    offset = os.environ.get("WINDTUNNEL_OFFSET") or "0"
    moved = int(offset) if offset.isdecimal() else 0
    return {name: f"http://127.0.0.1:{port + moved}" for name, port in _PORTS.items()}


def url_of(target: str, host: str | None) -> str:
    """The address to load: `host` if it is given, else what `target` names or is."""
    return (host or targets().get(target, target)).rstrip("/")


def _address(text: str) -> str:
    if text not in _PORTS and ":" not in text:
        known = "neither nginx nor direct nor an address like http://127.0.0.1:10001"
        raise argparse.ArgumentTypeError(f"{text!r} is {known}")
    return text


def address(argv: Sequence[str]) -> Namespace:
    """Return `target` and `host` as `argv` has them, ahead of all other arguments."""
    early = argparse.ArgumentParser("locust", add_help=False, allow_abbrev=False)
    early.add_argument("--target", type=_address, default="nginx", metavar="{nginx,direct,URL}")
    early.add_argument("-H", "--host", default=os.environ.get("LOCUST_HOST"))
    return early.parse_known_args(argv)[0]


def needless(argv: Sequence[str]) -> bool:
    """Whether `argv` only asks something, or is a worker's."""
    return bool(_NEEDLESS & set(argv))


def offers(argv: Sequence[str]) -> list[StoreInfo]:
    """Ask the server that `argv` names for its stores; raises ServerDownError.

    Nothing is asked, and none returned, where `argv` needs none.
    """
    if needless(argv):
        return []
    told = address(argv)
    return discover(url_of(told.target, told.host), timeout=5.0)[1]


def preselected(stores: Iterable[StoreInfo]) -> list[str]:
    """The store to begin with: one that is up and light, and can be loaded in any way, or none."""
    able = [offer for offer in stores if offer.status == "up" and offer.default]
    able.sort(key=lambda o: (o.local, "TCP" in str(o.ledger.get("transport")), o.mode != "async"))
    return [offer.id for offer in able[:1]]


def add(
    parser: LocustArgumentParser, stores: Sequence[StoreInfo], target: str, defaults: Defaults
) -> None:
    """Add the arguments; those of Locust get defaults that fit: this machine only, no ramp.

    `target` is the one that the command line has; it is among those to choose from.
    """
    parser.set_defaults(web_host="127.0.0.1", num_users=8, spawn_rate=100.0, stop_timeout=3.0)
    parser.add_argument(
        "--stores",
        nargs="+",
        type=matching(stores),
        action=ExtendAction,
        is_multiple=True,
        choices=OpenChoices(offer.id for offer in stores if offer.status == "up"),
        default=preselected(stores),
        metavar="GLOB",
        help="Loaded at the same time, users divided evenly; on the command line globs: 'redis/*'",
    )
    parser.add_argument(
        "--mix", choices=list(MIXES), default=defaults.mix, help="Which operations, in what ratio"
    )
    parser.add_argument(
        "--target",
        choices=OpenChoices(dict.fromkeys([*_PORTS, target])),
        default="nginx",
        metavar="{nginx,direct,URL}",
        help="All processes through nginx, or one process direct; Host wins over it",
    )
    _add_rates(parser, defaults)
    parser.add_argument(
        "--poisson",
        action="store_true",
        default=False,
        help="Send at random times of that rate, not at equal distances",
    )
    parser.add_argument(
        "--retry-stale",
        action="store_true",
        default=False,
        help="Send an idempotent request once more if its connection was found closed",
    )
    parser.add_argument(
        "--cookies",
        action="store_true",
        default=False,
        help="Let each user keep the cookies that it is sent",
    )
    parser.add_argument(
        "--results",
        default=os.environ.get("WINDTUNNEL_RESULTS", "results"),
        metavar="DIR",
        include_in_web_ui=False,
        help="Where the run's folder is made, for `windtunnel report`; '' for nowhere",
    )
    for name, (explained, default) in {
        "population": ("Records that a store starts from", defaults.population),
        "summary_size": ("Rows of the table that summary aggregates", defaults.summary_size),
        "seed": ("Makes the data the same", defaults.seed),
        "max_in_flight": ("With a rate: requests under way at most, more are skipped", 1_000),
    }.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=between(*WHOLE[name]),
            default=default,
            help=explained,
        )


def _add_rates(parser: LocustArgumentParser, defaults: Defaults) -> None:
    """Add the rate, or that of each stream, and what slow work is."""
    parser.set_defaults(streams=list(defaults.rates))
    if not defaults.rates:
        told = "Requests a second in all, sent on schedule whatever the answers do; 0: closed users"
        parser.add_argument("--rate", type=rate, default=0.0, help=told)
    for stream, usual in defaults.rates.items():
        told = f"Requests a second of the {stream} kind in all, sent on schedule; 0: none"
        parser.add_argument(f"--{stream}-rate", type=rate, default=usual, help=told)
    if defaults.work is not None:
        parser.add_argument(
            "--slow-work",
            choices=[kind.value for kind in SlowKind],
            default=defaults.work.kind.value,
            help="What slow requests ask for: to block so long, or the summary of a blocking store",
        )
    parser.add_argument(
        "--sleep-ms",
        type=between(*WHOLE["sleep_ms"]),
        default=SlowWork().ms if defaults.work is None else defaults.work.ms,
        help="Milliseconds of each sleep, where that is what is asked for",
    )
