"""The starting state of a test under Locust, and each process's part of it."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from windtunnel.client import client
from windtunnel.client.api import Operation
from windtunnel.live.admission import admit
from windtunnel.workload import dataset
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.slow import SlowWork
from windtunnel.workload.stores import StoreInfo
from windtunnel.workload.user_pool import UserConfig, UserPool

log = logging.getLogger("windtunnel")

Part = tuple[int, list[str]]
"""Where a part of a store's population begins, and the ids of that part."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A test whose stores are ready: how its users work, the ids of the records by store."""

    config: UserConfig
    ids: Mapping[str, list[str]]
    stores: Sequence[StoreInfo]


def prepare(options: Namespace, users: int) -> Preparation:
    """Recreate the population of every chosen store; raises one of REFUSALS."""
    admission = admit(options, users)
    for reason, excluded in admission.excluded.items():
        log.warning("left out: %s: %s", ", ".join(excluded), reason)
    ids = {}
    for store in admission.stores:
        log.info("recreating %s records in %s", admission.population, store.id)
        ids[store.id] = dataset.recreate(
            admission.client, store.id, options.seed, admission.population
        )
        if Operation.SUMMARY in MIXES[options.mix]:
            dataset.seed_summary(admission.client, store.id, options.summary_size)
    for store_id in dict.fromkeys(admission.summary_stores.values()):
        dataset.seed_summary(admission.client, store_id, options.summary_size)
    admission.client.close()
    config = UserConfig(
        admission.url,
        options.mix,
        options.seed,
        admission.population,
        options.summary_size,
        retry_stale=options.retry_stale,
        cookies=options.cookies,
        work=admission.work or SlowWork(ms=options.sleep_ms),
        summary_stores=admission.summary_stores,
    )
    return Preparation(config, ids, admission.stores)


def population_part(ids: Sequence[str], rank: int, parts: int) -> Part:
    """Return where part `rank` of `parts` begins, and its ids."""
    begin, end = len(ids) * rank // parts, len(ids) * (rank + 1) // parts
    return begin, list(ids[begin:end])


def make_user_pool(
    config: UserConfig, parts: Mapping[str, Part], users: int, rank: int = 0
) -> UserPool:
    """Return the user pool of a process that owns these parts of the populations, by store."""
    if warning := client.raise_limit(users):
        log.warning(warning)
    free = {
        store: dataset.records(config.seed, config.population, ids, start)
        for store, (start, ids) in parts.items()
    }
    return UserPool(config, free, users, rank)
