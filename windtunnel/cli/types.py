"""The types of options and arguments: each turns a text into a value, or says what to write."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from windtunnel.cli.output import require_clone
from windtunnel.errors import UsageError

if TYPE_CHECKING:
    from windtunnel.tuning.distributions import Duration
    from windtunnel.tuning.layout import PoolLayout
    from windtunnel.workload.options import LoadOption

Value = TypeVar("Value")

_SPLIT_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def option_type(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return `parse` as typer takes it: a ValueError or UsageError names the option."""

    @wraps(parse)
    def typed(text: str) -> Value:
        try:
            return parse(text)
        except (ValueError, UsageError) as error:
            raise typer.BadParameter(str(error)) from error

    return typed


def load_option(option: LoadOption[Any], *, several: bool = False, help: str = "") -> Any:
    """Return an option of a load as an option of a command; `several` with commas."""
    text = f"{option.help}{help}"
    if option.default is False:
        return typer.Option(option.flag, help=text)
    metavar = {int: "N", float: "R", str: "NAME"}[type(option.default)]
    return typer.Option(
        option.flag,
        metavar=f"{metavar}[,{metavar}...]" if several else metavar,
        parser=option_type(option.parse_list if several else option.parse),
        help=text,
    )


def processes(text: str) -> tuple[int, ...]:
    """Return the numbers of server processes of a text as `1,3`."""
    return _processes().parse_list(text)


def _processes() -> LoadOption[int]:
    from windtunnel.workload.options import LoadOption

    return LoadOption("processes", "", 1, (1, 64))


def rates(text: str) -> tuple[float, float]:
    """Return the rates of fast and of slow work of a text as `200,5`."""
    from windtunnel.workload.options import RATE

    values = [RATE.parse(part) for part in text.split(",")]
    if len(values) != 2:
        raise ValueError(f"{text!r} must be two rates, as 200,5")
    return values[0], values[1]


def percentage(text: str) -> float:
    """Return the share of 1 of a text as `5%`."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0.001 <= share <= 1:
        raise ValueError(f"{text!r} must be a percentage from 0.1% to 100%, as 5%")
    return share


def address(text: str) -> str:
    """Return the address of a server over HTTP or at a unix socket."""
    from windtunnel.client.address import Address

    try:
        return Address(text).url
    except OSError as error:
        raise ValueError(f"{text}: {error.strerror or error}") from error


def slo(text: str) -> str:
    """Return an SLO that can be read, as it is written."""
    from windtunnel.analysis.slo import parse

    parse(text)
    return text


def named_changes(text: str) -> tuple[str, Mapping[str, str]]:
    """Return the name and the changes of a split of a text as `even: pools.fast.processes=2`."""
    name, colon, rest = text.partition(":")
    if not colon or not _SPLIT_NAME.fullmatch(name.strip()):
        raise ValueError(f"{text!r}: write NAME: KEY=VALUE ..., the name in small letters")
    return name.strip(), dict(map(change, shlex.split(rest)))


def change(text: str) -> tuple[str, str]:
    """Return the key and the value of a text as `pools.fast.processes=2`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r}: write KEY=VALUE, such as pools.fast.processes=2")
    return key.strip(), value


def service_time(text: str) -> Duration:
    """Return the distribution of a text as `20`, `exp:20` or `12,15,40`, in milliseconds."""
    from windtunnel.tuning.distributions import parse

    return parse(text)


def balance(text: str) -> str:
    """Return the name of a way to balance."""
    from windtunnel.tuning.balancing import BALANCERS

    if text not in BALANCERS:
        raise ValueError(f"{text!r}: choose from {', '.join(BALANCERS)}")
    return text


def pool_layout(text: str) -> PoolLayout:
    """Return the layout of a text as `3+1`, `4-together` or `2+2-least_conn`."""
    from windtunnel.tuning.layout import PROCESSES, read

    layout = read(text)
    if layout.processes > PROCESSES:
        raise ValueError(f"{text!r}: give {PROCESSES} processes or fewer")
    balance(layout.balance)
    return layout


def nginx_version(text: str) -> tuple[int, ...]:
    """Return the version of a text as `1.22.1`."""
    require_clone("split render")
    from nginx.features import parse_version

    try:
        return parse_version(text)
    except ValueError:
        raise ValueError(f"{text!r} must be a version such as 1.22.1") from None
