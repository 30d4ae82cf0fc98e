"""The starting state of a test under Locust, and each process's part of it."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Mapping, Sequence

from windtunnel.client import descriptors
from windtunnel.client.api import Operation
from windtunnel.live.admission import admit
from windtunnel.workload import dataset
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.slow import SlowWork
from windtunnel.workload.stores import StoreInfo
from windtunnel.workload.user_pool import UserConfig, UserPool

log = logging.getLogger("windtunnel")

Parts = Mapping[str, tuple[int, list[str]]]
"""By store: where a part of its population begins, and the ids of that part."""


def part(ids: Sequence[str], rank: int, parts: int) -> tuple[int, list[str]]:
    """Return where part `rank` of `parts` begins, and its ids."""
    begin, end = len(ids) * rank // parts, len(ids) * (rank + 1) // parts
    return begin, list(ids[begin:end])


def gather(terms: UserConfig, parts: Parts, users: int, rank: int = 0) -> UserPool:
    """Return the crowd of a process that owns these parts of the populations."""
    if short := descriptors.allow(users):
        log.warning(short)
    free = {
        store: dataset.records(terms.seed, terms.population, ids, start)
        for store, (start, ids) in parts.items()
    }
    return UserPool(terms, free, users, rank)


def prepare(
    options: Namespace, users: int
) -> tuple[UserConfig, dict[str, list[str]], Sequence[StoreInfo]]:
    """Recreate the population of every chosen store; return the terms, ids by store, the stores.

    Raises one of REFUSALS.
    """
    admitted = admit(options, users)
    for reason, left_out in admitted.left_out.items():
        log.warning("left out: %s: %s", ", ".join(left_out), reason)
    ids = {}
    for store in admitted.stores:
        log.info("recreating %s records in %s", admitted.size, store.id)
        ids[store.id] = dataset.recreate(admitted.client, store.id, options.seed, admitted.size)
        if Operation.SUMMARY in MIXES[options.mix]:
            dataset.seed_summary(admitted.client, store.id, options.summary_size)
    for asked in dict.fromkeys(admitted.summary_stores.values()):
        dataset.seed_summary(admitted.client, asked, options.summary_size)
    admitted.client.close()
    terms = UserConfig(
        admitted.url,
        options.mix,
        options.seed,
        admitted.size,
        options.summary_size,
        retry_stale=options.retry_stale,
        cookies=options.cookies,
        work=admitted.work or SlowWork(ms=options.sleep_ms),
        summary_stores=admitted.summary_stores,
    )
    return terms, ids, admitted.stores
