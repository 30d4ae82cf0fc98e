"""Whether a test may start: everything that can be known before a store is touched."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.errors import UsageError
from windtunnel.live import arguments
from windtunnel.live.load_profile import slow_work
from windtunnel.runner.cell_plan import LoadSpec, why_unsuitable
from windtunnel.workload import dataset
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.options import MAX_USERS
from windtunnel.workload.slow import SlowKind, SlowWork, summary_store, why_no_slow_work
from windtunnel.workload.stores import (
    ServerDownError,
    StoreInfo,
    UnknownStoreError,
    discover,
    select,
)

RESET_TIMEOUT_S = 150.0

DELETE_SECONDS = 10.0
"""How long the records of a mix of deletes alone last; after that each delete takes a create."""

log = logging.getLogger("windtunnel")


class RefusedError(UsageError):
    """A test that cannot be started; the message is one line."""


REFUSALS = (RefusedError, ServerDownError, UnknownStoreError, dataset.ResetError)
"""What keeps a test from starting; each message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A test that may start: its stores, how many records each gets, and what was left out.

    `excluded` has the ids of the stores left out, by reason. Where the slow `work` is a summary,
    `summary_stores` has, by store, the id of the store whose summary it reads.
    """

    url: str
    client: Client
    stores: list[StoreInfo]
    excluded: dict[str, list[str]]
    population: int
    work: SlowWork | None
    summary_stores: dict[str, str]


def admit(options: Namespace, users: int) -> Admission:
    """Return what a test with these options loads; raises one of REFUSALS."""
    if options.mix not in MIXES:
        raise RefusedError(f"there is no mix {options.mix!r}: choose one of {', '.join(MIXES)}")
    if users > MAX_USERS:
        raise RefusedError(f"{users} users are too many: {MAX_USERS} at most")
    population = dataset.population_size(
        MIXES[options.mix], options.population, users, DELETE_SECONDS
    )
    url = arguments.url_of(options.target, options.host)
    client = _connect(url)
    _, known_stores = discover(url)
    through_nginx = _is_nginx(client)
    work = _slow_work(options)
    stores, excluded = select_stores(known_stores, options.stores, options.mix, through_nginx, work)
    reads_summaries = work is not None and work.kind is SlowKind.SUMMARY
    sources = {s.id: summary_store(s, known_stores) or s.id for s in stores if reads_summaries}
    return Admission(url, client, stores, excluded, population, work, sources)


def _slow_work(options: Namespace) -> SlowWork | None:
    try:
        return slow_work(options)
    except ValueError:
        kinds = ", ".join(SlowKind)
        raise RefusedError(f"there is no slow work {options.slow_work!r}: choose {kinds}") from None


def select_stores(
    known_stores: Sequence[StoreInfo],
    globs: Sequence[str],
    mix: str,
    through_nginx: bool,
    work: SlowWork | None = None,
) -> tuple[list[StoreInfo], dict[str, list[str]]]:
    """Return the stores that `globs` select and that can be loaded, and the others by reason.

    Raises RefusedError if none can, UnknownStoreError for a glob that matches nothing.
    """
    if not globs:
        raise RefusedError("no store is chosen: choose one or more (--stores 'sqlite/*')")
    stores: list[StoreInfo] = []
    excluded: dict[str, list[str]] = {}
    for store in select(known_stores, globs):
        reason = why_not_loadable(store, mix, through_nginx=through_nginx)
        if reason is None and work is not None:
            reason = why_no_slow_work(store, work, known_stores)
        if reason is None:
            stores.append(store)
        else:
            excluded.setdefault(reason, []).append(store.id)
    if not stores:
        lines = [f"{', '.join(ids)}: {reason}" for reason, ids in excluded.items()]
        raise RefusedError("; ".join(lines))
    return stores, excluded


def why_not_loadable(store: StoreInfo, mix: str, *, through_nginx: bool) -> str | None:
    """Return why a store cannot be loaded with `mix`, or None."""
    if store.status != "up":
        return store.detail or store.status
    if store.local and through_nginx:
        return "it lives in one process, so load that one (target: direct)"
    return why_unsuitable(store, LoadSpec(mix, users=1, processes=1))


def _connect(url: str) -> Client:
    try:
        return Client(Address(url), Deadlines(RESET_TIMEOUT_S))
    except (OSError, ValueError) as error:
        raise RefusedError(f"no target: {error}") from error


def _is_nginx(client: Client) -> bool:
    answer = client.request("GET", "/ping")
    client.close()
    return answer.headers.get("server", "").startswith("nginx")
