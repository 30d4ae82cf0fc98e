"""Whether the SLOs of a run can be judged: said before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from windtunnel.analysis.grouping import is_reference
from windtunnel.analysis.keys import StoreKey
from windtunnel.analysis.slo import SloError, parse
from windtunnel.analysis.verdicts import why_unnamed
from windtunnel.analysis.wording import listed
from windtunnel.runner.cell_plan import NothingToMeasureError, Plan
from windtunnel.runner.variants import ledgers


def check_slos(slos: Sequence[str], plan: Plan) -> None:
    """Raise SloError for an SLO that applies to no store of a plan.

    Raises NothingToMeasureError where it would, were that store up.
    """
    stores = [store.id for store in plan.stores]
    by_key = {StoreKey(store): ledger for store, ledger in ledgers(plan.stores).items()}
    for slo in map(parse, slos):
        keys = (
            StoreKey(store.id, variant.name)
            for variant, store in product(plan.variants, plan.stores)
            if variant.takes(store)
        )
        if not any(map(slo.applies_to, keys)):
            for skipped, reason in plan.skipped.items():
                if slo.applies_to(StoreKey(skipped)):
                    raise NothingToMeasureError(f"--slo {slo}: {skipped}: {reason}")
            raise SloError(f"--slo {slo}: no store of this run matches: {listed(stores)}")
        if slo.glob is None and all(is_reference(key, by_key) for key in by_key):
            raise SloError(f"--slo {slo}: {why_unnamed(StoreKey(stores[0]))}")
