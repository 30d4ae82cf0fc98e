"""Whether a test may start: everything that can be known before a store is touched."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines
from windtunnel.errors import UsageError
from windtunnel.live import arguments
from windtunnel.live.load_profile import work as work_of
from windtunnel.runner.plan import LoadSpec, why_unsuitable
from windtunnel.workload import dataset
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.slow import SlowKind, SlowWork, summary_store, why_no_slow_work
from windtunnel.workload.stores import (
    ServerDownError,
    StoreInfo,
    UnknownStoreError,
    discover,
    select,
)

RESET_TIMEOUT = 150.0
MOST_USERS = 10_000
"""Each has a connection of its own, and the ports of one address run out."""

DELETING_SECONDS = 10.0
"""For how long `delete` alone is provided for; after that each delete takes a create."""

log = logging.getLogger("windtunnel")


class RefusedError(UsageError):
    """A test that cannot be started; the message is one line."""


REFUSALS = (RefusedError, ServerDownError, UnknownStoreError, dataset.ResetError)
"""What keeps a test from starting; each message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A test that may start: on which stores, with how many records in each.

    `summary_stores` has, by store, whose summary its slow `work` asks for, if that is what it does.
    """

    url: str
    client: Client
    stores: list[StoreInfo]
    left_out: dict[str, list[str]]
    size: int
    work: SlowWork | None
    summary_stores: dict[str, str]


def admit(options: Namespace, users: int) -> Admitted:
    """Return what a test with these options works on; raises one of REFUSALS."""
    if options.mix not in MIXES:
        raise RefusedError(f"there is no mix {options.mix!r}: choose one of {', '.join(MIXES)}")
    if users > MOST_USERS:
        raise RefusedError(f"{users} users are too many: {MOST_USERS} at most")
    size = dataset.size_for(MIXES[options.mix], options.population, users, DELETING_SECONDS)
    url = arguments.url_of(options.target, options.host)
    client = _client(url)
    _, offers = discover(url)
    through_nginx = _is_nginx(client)
    work = _work(options)
    stores, left_out = chosen(offers, options.stores, options.mix, through_nginx, work)
    asked = work is not None and work.kind is SlowKind.SUMMARY
    theirs = {one.id: summary_store(one, offers) or one.id for one in stores if asked}
    return Admitted(url, client, stores, left_out, size, work, theirs)


def _work(options: Namespace) -> SlowWork | None:
    try:
        return work_of(options)
    except ValueError:
        known = ", ".join(SlowKind)
        raise RefusedError(f"there is no slow work {options.slow_work!r}: choose {known}") from None


def chosen(
    offers: Sequence[StoreInfo],
    globs: Sequence[str],
    mix: str,
    through_nginx: bool,
    work: SlowWork | None = None,
) -> tuple[list[StoreInfo], dict[str, list[str]]]:
    """Return the stores that `globs` select and that can be loaded so, and the others by reason.

    Raises RefusedError if none can, UnknownStoreError for a glob that matches nothing.
    """
    if not globs:
        raise RefusedError("no store is chosen: choose one or more (--stores 'sqlite/*')")
    able: list[StoreInfo] = []
    left_out: dict[str, list[str]] = {}
    for offer in select(offers, globs):
        reason = why_not_loadable(offer, mix, through_nginx=through_nginx)
        if reason is None and work is not None:
            reason = why_no_slow_work(offer, work, offers)
        if reason is None:
            able.append(offer)
        else:
            left_out.setdefault(reason, []).append(offer.id)
    if not able:
        raise RefusedError("; ".join(f"{', '.join(ids)}: {r}" for r, ids in left_out.items()))
    return able, left_out


def why_not_loadable(offer: StoreInfo, mix: str, *, through_nginx: bool) -> str | None:
    """Why a store cannot be loaded with `mix`, or None."""
    if offer.status != "up":
        return offer.detail or offer.status
    if offer.local and through_nginx:
        return "it lives in one process, so load that one (target: direct)"
    return why_unsuitable(offer, LoadSpec(mix, users=1, processes=1))


def _client(url: str) -> Client:
    try:
        return Client(Address(url), Deadlines(RESET_TIMEOUT))
    except (OSError, ValueError) as error:
        raise RefusedError(f"no target: {error}") from error


def _is_nginx(client: Client) -> bool:
    answer = client.request("GET", "/ping")
    client.close()
    return answer.headers.get("server", "").startswith("nginx")
