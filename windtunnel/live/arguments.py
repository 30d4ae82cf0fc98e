"""The arguments of a scenario on stores, on Locust's command line and in its web UI."""

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
_TARGET_METAVAR: Final = "{nginx,direct,URL}"

WHOLE_NUMBERS: Final = {
    "population": (1, 400_000),
    "summary_size": (1, 1_000_000),
    "seed": (0, 2**63 - 1),
    "max_in_flight": (1, 10_000),
    "sleep_ms": (1, LONGEST_MS),
}
"""The arguments that are whole numbers: least, most. A population has to fit into one request."""

MAX_RATE: Final = 100_000.0
"""Requests per second; more than any generator of this suite can send."""

_NO_SERVER_OPTIONS: Final = {"-h", "--help", "-V", "--version", "-l", "--list", "--worker"}
"""Options that need no server: they print something, or make a worker, which asks its master."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """A scenario's parameters as its file has them.

    With `rates` (requests per second, by stream) it has several streams, each open at its own rate;
    else a single one, which is closed load unless a rate is given. `work` is its slow work, if any.
    """

    mix: str
    population: int
    summary_size: int
    seed: int
    rates: Mapping[str, float] = field(default_factory=dict)
    work: SlowWork | None = None


class OpenChoices(list[str]):
    """Choices that are offered but not enforced: globs and addresses are accepted as well."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str | list)


class ExtendAction(argparse.Action):
    """Joins the lists of repeated options; the first one replaces the default."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Add the values of one option."""
        current = getattr(namespace, self.dest)
        items = [*([] if current is self.default else current), *chain(*values)]
        setattr(namespace, self.dest, list(dict.fromkeys(items)))


def store_glob_type(stores: Sequence[StoreInfo]) -> Callable[[str], list[str]]:
    """Return an argparse type that turns a glob into the ids of `stores` that it matches.

    Where no stores are known the glob stays as it is, to be resolved by the master.
    """

    def glob(value: str) -> list[str]:
        try:
            return [store.id for store in select(stores, [value])] if stores else [value]
        except UnknownStoreError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return glob


def whole_number_type(least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers within these limits."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            limits = f"a whole number from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be {limits}, not {text!r}")
        return value

    return number


def rate_type(text: str) -> float:
    """Return requests per second from a text, as an argparse type; 0 is closed load."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_RATE:
        limits = f"requests per second, from 0 (closed load) to {MAX_RATE:.0f}"
        raise argparse.ArgumentTypeError(f"must be {limits}, not {text!r}")
    return value


def targets() -> dict[str, str]:
    """Return the addresses of a stack on this machine by the values of `target`."""
    offset = os.environ.get("WINDTUNNEL_OFFSET") or "0"
    shift = int(offset) if offset.isdecimal() else 0
    return {name: f"http://127.0.0.1:{port + shift}" for name, port in _PORTS.items()}


def url_of(target: str, host: str | None) -> str:
    """Return the address to load: `host` if it is given, else what `target` names or is."""
    return (host or targets().get(target, target)).rstrip("/")


def _target_type(text: str) -> str:
    if text not in _PORTS and ":" not in text:
        values = "nginx, direct or an address like http://127.0.0.1:10001"
        raise argparse.ArgumentTypeError(f"must be {values}, not {text!r}")
    return text


def parse_address(argv: Sequence[str]) -> Namespace:
    """Return `target` and `host` as `argv` has them, ahead of all other arguments."""
    parser = argparse.ArgumentParser("locust", add_help=False, allow_abbrev=False)
    parser.add_argument("--target", type=_target_type, default="nginx", metavar=_TARGET_METAVAR)
    parser.add_argument("-H", "--host", default=os.environ.get("LOCUST_HOST"))
    return parser.parse_known_args(argv)[0]


def needs_no_server(argv: Sequence[str]) -> bool:
    """Whether `argv` only asks for something to be printed, or is a worker's."""
    return bool(_NO_SERVER_OPTIONS & set(argv))


def discover_stores(argv: Sequence[str]) -> list[StoreInfo]:
    """Return the stores of the server that `argv` names; none where `argv` needs no server.

    Raises ServerDownError.
    """
    if needs_no_server(argv):
        return []
    address = parse_address(argv)
    return discover(url_of(address.target, address.host), timeout=5.0)[1]


def preselect(stores: Iterable[StoreInfo]) -> list[str]:
    """Return the store to begin with, or none: it is up, light and works with every target."""
    usable = [store for store in stores if store.status == "up" and store.default]
    usable.sort(key=lambda s: (s.local, "TCP" in str(s.ledger.get("transport")), s.mode != "async"))
    return [store.id for store in usable[:1]]


def add_arguments(
    parser: LocustArgumentParser, stores: Sequence[StoreInfo], target: str, defaults: Defaults
) -> None:
    """Add the arguments; Locust's own get defaults that fit: this machine only, no ramp.

    `target` is the one of the command line; it is offered among the choices.
    """
    parser.set_defaults(web_host="127.0.0.1", num_users=8, spawn_rate=100.0, stop_timeout=3.0)
    parser.add_argument(
        "--stores",
        nargs="+",
        type=store_glob_type(stores),
        action=ExtendAction,
        is_multiple=True,
        choices=OpenChoices(store.id for store in stores if store.status == "up"),
        default=preselect(stores),
        metavar="GLOB",
        help="Loaded at the same time, users divided evenly; as an option also globs: 'redis/*'",
    )
    parser.add_argument(
        "--mix", choices=list(MIXES), default=defaults.mix, help="Which operations, in what ratio"
    )
    parser.add_argument(
        "--target",
        choices=OpenChoices(dict.fromkeys([*_PORTS, target])),
        default="nginx",
        metavar=_TARGET_METAVAR,
        help="All processes through nginx, or one process direct; Host wins over it",
    )
    _add_rates(parser, defaults)
    parser.add_argument(
        "--poisson",
        action="store_true",
        default=False,
        help="Send at random (exponential) intervals of that rate, not evenly spaced",
    )
    parser.add_argument(
        "--retry-stale",
        action="store_true",
        default=False,
        help="Send an idempotent request once more if its connection was closed",
    )
    parser.add_argument(
        "--cookies",
        action="store_true",
        default=False,
        help="Let each user keep its cookies",
    )
    parser.add_argument(
        "--results",
        default=os.environ.get("WINDTUNNEL_RESULTS", "results"),
        metavar="DIR",
        include_in_web_ui=False,
        help="Folder for the results of each run, for `windtunnel report`; '': none",
    )
    for name, (text, default) in {
        "population": ("Records in each store at the start", defaults.population),
        "summary_size": ("Rows of the table that summary aggregates", defaults.summary_size),
        "seed": ("Seed of the data and of random arrivals", defaults.seed),
        "max_in_flight": ("With a rate: most requests in flight; more are skipped", 1_000),
    }.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=whole_number_type(*WHOLE_NUMBERS[name]),
            default=default,
            help=text,
        )


def _add_rates(parser: LocustArgumentParser, defaults: Defaults) -> None:
    """Add the rate, or that of each stream, and the slow work."""
    parser.set_defaults(streams=list(defaults.rates))
    if not defaults.rates:
        text = "Requests per second in total, sent on schedule (open load); 0: closed users"
        parser.add_argument("--rate", type=rate_type, default=0.0, help=text)
    for stream, default in defaults.rates.items():
        text = f"Requests per second of the {stream} stream in total, sent on schedule; 0: none"
        parser.add_argument(f"--{stream}-rate", type=rate_type, default=default, help=text)
    if defaults.work is not None:
        parser.add_argument(
            "--slow-work",
            choices=[kind.value for kind in SlowKind],
            default=defaults.work.kind.value,
            help="Slow requests: a sleep that blocks, or the summary of a blocking store",
        )
    parser.add_argument(
        "--sleep-ms",
        type=whole_number_type(*WHOLE_NUMBERS["sleep_ms"]),
        default=SlowWork().ms if defaults.work is None else defaults.work.ms,
        help="Milliseconds of each sleep",
    )
