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

from windtunnel.settings import port_offset, results_folder
from windtunnel.workload.options import (
    COOKIES,
    MAX_IN_FLIGHT,
    MIX,
    POISSON,
    POPULATION,
    RATE_OR_NONE,
    RETRY_STALE,
    SEED,
    SLEEP_MS,
    SLOW_WORK,
    SUMMARY_SIZE,
    LoadOption,
    stream_rate,
)
from windtunnel.workload.slow import SlowWork
from windtunnel.workload.stores import StoreInfo, UnknownStoreError, discover, select

_PORTS: Final = {"nginx": 10000, "direct": 10001}
_TARGET_METAVAR: Final = "{nginx,direct,URL}"

WHOLE_NUMBERS: Final = {
    option.name: option for option in (POPULATION, SUMMARY_SIZE, SEED, MAX_IN_FLIGHT, SLEEP_MS)
}
"""The arguments that are whole numbers."""

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


def option_type(option: LoadOption[Any]) -> Callable[[str], Any]:
    """Return an argparse type for the values of an option."""

    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def rate_option(name: str) -> LoadOption[float]:
    """Return the option of this name: the rate of the only stream, or of one of several."""
    return RATE_OR_NONE if name == "rate" else stream_rate(name.removesuffix("_rate"))


def targets() -> dict[str, str]:
    """Return the addresses of a stack on this machine by the values of `target`."""
    offset = port_offset()
    return {name: f"http://127.0.0.1:{port + offset}" for name, port in _PORTS.items()}


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
    _add_option(parser, MIX, defaults.mix)
    parser.add_argument(
        "--target",
        choices=OpenChoices(dict.fromkeys([*_PORTS, target])),
        default="nginx",
        metavar=_TARGET_METAVAR,
        help="All processes through nginx, or one process direct; Host wins over it",
    )
    _add_rates(parser, defaults)
    for flag in (POISSON, RETRY_STALE, COOKIES):
        _add_option(parser, flag, flag.default)
    parser.add_argument(
        "--results",
        default=results_folder(),
        metavar="DIR",
        include_in_web_ui=False,
        help="Folder for the results of each run, for `windtunnel report`; '': none",
    )
    for option, default in (
        (POPULATION, defaults.population),
        (SUMMARY_SIZE, defaults.summary_size),
        (SEED, defaults.seed),
        (MAX_IN_FLIGHT, MAX_IN_FLIGHT.default),
    ):
        _add_option(parser, option, default)


def _add_rates(parser: LocustArgumentParser, defaults: Defaults) -> None:
    """Add the rate, or that of each stream, and the slow work."""
    parser.set_defaults(streams=list(defaults.rates))
    if not defaults.rates:
        _add_option(parser, RATE_OR_NONE, RATE_OR_NONE.default)
    for stream, rate in defaults.rates.items():
        _add_option(parser, stream_rate(stream), rate)
    if defaults.work is not None:
        _add_option(parser, SLOW_WORK, defaults.work.kind.value)
    _add_option(parser, SLEEP_MS, defaults.work.ms if defaults.work else SLEEP_MS.default)


def _add_option(parser: LocustArgumentParser, option: LoadOption[Any], default: Any) -> None:
    text = option.help[0].upper() + option.help[1:]
    if option.default is False:
        parser.add_argument(option.flag, action="store_true", default=default, help=text)
    elif option.choices:
        parser.add_argument(option.flag, choices=option.choices, default=default, help=text)
    else:
        parser.add_argument(option.flag, type=option_type(option), default=default, help=text)
