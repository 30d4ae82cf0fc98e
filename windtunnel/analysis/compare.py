"""Two variants of one run, or two runs: for each store and operation, which is faster.

The ratio is the second's figure to the first's, with a 95 % interval over whole rounds. Variants
that were interleaved in one run meet in the same rounds and are compared in pairs; two runs are
not, and whatever drifted between them stands in no interval. p-values are Holm-corrected over all
comparisons. "No difference" is a finding: the whole interval lies within 5 % of equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from windtunnel.analysis.differences import between
from windtunnel.analysis.entries import of_operation, overall
from windtunnel.analysis.grouping import (
    StoreView,
    View,
    is_mostly_limited,
    requests,
    views,
)
from windtunnel.analysis.stats import (
    LEVEL,
    MIN_ROUNDS,
    Bootstrap,
    LogRatio,
    holm,
    paired_log_ratio,
    unpaired_log_ratio,
)
from windtunnel.analysis.summary import (
    METRICS,
    OVERALL,
    PAST_DEADLINE,
    Compared,
    Comparison,
    Outcome,
    TableLoad,
)
from windtunnel.errors import UsageError
from windtunnel.recording.results import Run, RunInfo

EQUAL_WITHIN = 0.05
DRIFT = (
    "These are two runs at two times: what drifted between them is in no interval here, so a "
    "difference may be the machine's. Only interleaved cells can prove a regression: "
    "windtunnel run --against URL."
)


class VariantsError(UsageError):
    """Runs that cannot be compared as they were given; the message is one line for the user."""


@dataclass(frozen=True)
class Pair:
    """One store under one load, seen twice."""

    load: TableLoad
    store: str
    first: StoreView
    second: StoreView


@dataclass(frozen=True)
class Claim:
    """A comparison before its p-value was corrected."""

    pair: Pair
    operation: str
    metric: str
    figures: tuple[Bootstrap | str, Bootstrap | str]
    spread: LogRatio | None


def compare(first: Run, second: Run | None = None) -> Compared:
    """Compare two runs, or the two variants of one.

    Raises VariantsError if one run has not two variants, or two have any.
    """
    names = [variants(first), variants(second) if second is not None else []]
    if second is None:
        return _interleaved(first, names[0])
    for run, found in zip((first, second), names, strict=True):
        if len(found) > 1:
            raise VariantsError(
                f"{run.path.name} has variants itself ({', '.join(found)}): compare it alone"
            )
    sides = tuple(views(run.cells, [], run.info.stores) for run in (first, second))
    pairs = _pairs(*sides)
    return Compared(
        first=first.path.name,
        second=second.path.name,
        interleaved=False,
        differences=between(first, second),
        caveats=[DRIFT, *_alone(*sides)],
        comparisons=_compare(pairs, interleaved=False),
    )


def variants(run: Run) -> list[str]:
    """The names of a run's variants, as they came, with "base" for those without a name."""
    seen = {cell.variant or "base": None for cell in run.cells}
    told = [name for name in run.info.variants if name in seen]
    return sorted(dict.fromkeys([*told, *seen]), key=lambda name: name != "base")


def _interleaved(run: Run, names: Sequence[str]) -> Compared:
    if len(names) > 2:
        raise VariantsError(
            f"{run.path.name} has {len(names)} variants, which are ranked and not compared by "
            f"twos: windtunnel report {run.path.name}"
        )
    if len(names) != 2:
        raise VariantsError(
            f"{run.path.name} has {len(names) or 'no'} variant, "
            "two are compared: give a second run, or measure with --against URL"
        )
    found = views(run.cells, [], run.info.stores)
    sides = tuple(
        [view for view in found if (view.load.variant or "base") == name] for name in names
    )
    return Compared(
        first=names[0],
        second=names[1],
        interleaved=True,
        differences=between(run, msgspec.structs.replace(run, info=_against(run))),
        caveats=_alone(*sides),
        comparisons=_compare(_pairs(*sides), interleaved=True),
    )


def _against(run: Run) -> RunInfo:
    told = run.info.variants.get("against") or run.info.against
    return msgspec.structs.replace(
        run.info, stores={**run.info.stores, **told}, variants={}, against={}
    )


def _pairs(first: Sequence[View], second: Sequence[View]) -> list[Pair]:
    known = {
        (_bare(view.load), store): seen for view in second for store, seen in view.stores.items()
    }
    pairs = {
        (_bare(view.load), store): Pair(_bare(view.load), store, seen, other)
        for view in first
        for store, seen in view.stores.items()
        if (other := known.get((_bare(view.load), store)))
    }
    return list(pairs.values())


def _bare(load: TableLoad) -> TableLoad:
    return msgspec.structs.replace(load, variant=None, target=None)


def _alone(first: Sequence[View], second: Sequence[View]) -> list[str]:
    seen = [
        {(_bare(view.load), store) for view in side for store in view.stores}
        for side in (first, second)
    ]
    lines = []
    for own, other, which in ((seen[0], seen[1], "first"), (seen[1], seen[0], "second")):
        stores = sorted({store for _, store in own - other})
        if stores:
            lines.append(f"Measured under its load in the {which} alone: {', '.join(stores)}.")
    return lines


def _compare(pairs: Sequence[Pair], *, interleaved: bool) -> list[Comparison]:
    claims = [claim for pair in pairs for claim in _claims(pair, interleaved=interleaved)]
    told = [claim for claim in claims if claim.spread is not None]
    p_values = [claim.spread.p_value for claim in told if claim.spread]
    corrected = dict(zip(map(id, told), holm(p_values), strict=True))
    return [_comparison(claim, corrected.get(id(claim))) for claim in claims]


def _claims(pair: Pair, *, interleaved: bool) -> Iterator[Claim]:
    quantiles = ["response_p50", "response_p99"] if pair.load.open else ["p50", "p99"]
    for stream in pair.first.streams:
        yield from _of_stream(pair, stream, [*quantiles, "bystander_p99"], interleaved=interleaved)
    for operation in View(pair.load, "", {"": pair.first}).operations:
        if operation in pair.second.operations:
            sides = [
                of_operation(pair.store, seen.operations[operation], quantiles).figures
                for seen in (pair.first, pair.second)
            ]
            for metric in quantiles:
                both = (sides[0][metric], sides[1][metric])
                yield _claim(pair, operation, metric, both, interleaved=interleaved)
    if not pair.load.open:
        found = [
            overall(pair.store, seen, [], ["throughput"]).figures["throughput"]
            for seen in (pair.first, pair.second)
        ]
        yield _claim(pair, OVERALL, "throughput", (found[0], found[1]), interleaved=interleaved)


def _of_stream(
    pair: Pair, stream: str, metrics: list[str], *, interleaved: bool
) -> Iterator[Claim]:
    first, second = (
        of_operation(pair.store, seen.streams[stream], metrics).figures
        for seen in (pair.first, pair.second)
    )
    for metric in metrics:
        both = (first[metric], second[metric])
        yield _claim(pair, requests(stream), metric, both, interleaved=interleaved)


def _claim(
    pair: Pair,
    operation: str,
    metric: str,
    figures: tuple[Bootstrap | str, Bootstrap | str],
    *,
    interleaved: bool,
) -> Claim:
    first, second = figures
    spread = None
    if isinstance(first, Bootstrap) and isinstance(second, Bootstrap):
        measure = paired_log_ratio if interleaved else unpaired_log_ratio
        if min(first.estimate, second.estimate) > 0:
            spread = measure(second, first)
    return Claim(pair, operation, metric, figures, spread)


def _comparison(claim: Claim, p_value: float | None) -> Comparison:
    first, second = (f.estimate if isinstance(f, Bootstrap) else None for f in claim.figures)
    outcome, why = _without(claim)
    found = Comparison(
        store=claim.pair.store,
        load=claim.pair.load,
        operation=claim.operation,
        metric=claim.metric,
        first=first,
        second=second,
        outcome=outcome,
        why=why,
    )
    if claim.spread is None or p_value is None:
        return found
    low, high = claim.spread.interval
    outcome, why = _outcome(claim, low, high, p_value)
    return msgspec.structs.replace(
        found,
        ratio=claim.spread.ratio,
        low=low,
        high=high,
        p_value=p_value,
        outcome=outcome,
        why=why,
    )


def _without(claim: Claim) -> tuple[Outcome, str | None]:
    """What can be said where there is no interval."""
    beyond = [figure == PAST_DEADLINE for figure in claim.figures]
    if beyond[0] != beyond[1] and not isinstance(claim.figures[beyond[0]], str):
        which = "second" if beyond[1] else "first"
        return (
            Outcome.SLOWER if beyond[1] else Outcome.FASTER,
            f"the {which} failed or skipped more than this quantile leaves out",
        )
    notes = [figure for figure in claim.figures if isinstance(figure, str)]
    few = f"fewer than {MIN_ROUNDS} rounds"
    return Outcome.INCONCLUSIVE, notes[0] if notes else few


def _outcome(claim: Claim, low: float, high: float, p_value: float) -> tuple[Outcome, str | None]:
    if low > 1 / (1 + EQUAL_WITHIN) and high < 1 + EQUAL_WITHIN:
        return Outcome.SAME, None
    if p_value >= LEVEL:
        return Outcome.INCONCLUSIVE, None
    smaller = low * high < 1  # their geometric mean is the ratio
    better = smaller != METRICS[claim.metric].higher_is_better
    loser = claim.pair.first if better else claim.pair.second
    if is_mostly_limited(loser.cells):
        return Outcome.INCONCLUSIVE, "the generator was the limit for the slower one"
    return (Outcome.FASTER if better else Outcome.SLOWER), None
