"""Two variants of one run, or two runs: for each store and operation, which is faster.

The ratio is the second's figure to the first's, with a 95 % interval over whole rounds. Variants
that were interleaved in one run meet in the same rounds and are compared in pairs; two runs are
not, and whatever drifted between them stands in no interval. p-values are Holm-corrected over all
comparisons. "No difference" is a result: the whole interval lies within 5 % of equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from windtunnel.analysis.differences import differences
from windtunnel.analysis.grouping import Group, StoreMeasurements, group_cells
from windtunnel.analysis.keys import StoreKey, TableLoad
from windtunnel.analysis.metrics import METRICS, PAST_DEADLINE
from windtunnel.analysis.ranked_entries import TableEntry, operation_entry, overall_entry
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
    OVERALL,
    Comparison,
    ComparisonSummary,
    Outcome,
    stream_subject,
)
from windtunnel.analysis.validity import is_mostly_limited
from windtunnel.errors import UsageError
from windtunnel.recording.results import Run, RunInfo

EQUAL_WITHIN = 0.05
BASE = "base"
"""What a variant without a name is called."""

DRIFT = (
    "These are two runs at two times: what drifted between them is in no interval here, so a "
    "difference may be the machine's. Only interleaved cells can prove a regression: "
    "windtunnel run --against URL."
)


class VariantsError(UsageError):
    """Runs that cannot be compared as they were given; the message is one line for the user."""


@dataclass(frozen=True)
class Pair:
    """One store under one load, measured twice."""

    load: TableLoad
    store: StoreKey
    first: StoreMeasurements
    second: StoreMeasurements

    @property
    def sides(self) -> tuple[StoreMeasurements, StoreMeasurements]:
        """Both measurements."""
        return self.first, self.second


@dataclass(frozen=True)
class Claim:
    """A comparison before its p-value was corrected."""

    pair: Pair
    subject: str
    stream: str | None
    metric: str
    figures: tuple[Bootstrap | str, Bootstrap | str]
    log_ratio: LogRatio | None


def compare(first: Run, second: Run | None = None) -> ComparisonSummary:
    """Compare two runs, or the two variants of one.

    Raises VariantsError if one run has not two variants, or two have any.
    """
    if second is None:
        return _compare_variants(first)
    for run in (first, second):
        if len(names := variants(run)) > 1:
            raise VariantsError(
                f"{run.path.name} has variants itself ({', '.join(names)}): compare it alone"
            )
    sides = group_cells(first), group_cells(second)
    return ComparisonSummary(
        first=first.path.name,
        second=second.path.name,
        interleaved=False,
        differences=differences(first, second),
        caveats=[DRIFT, *_measured_once(*sides)],
        comparisons=_comparisons(_pairs(*sides), interleaved=False),
    )


def variants(run: Run) -> list[str]:
    """The names of a run's variants, in their order, with "base" for those without a name."""
    measured = dict.fromkeys(cell.variant or BASE for cell in run.cells)
    listed = [name for name in run.info.variants if name in measured]
    return sorted(dict.fromkeys([*listed, *measured]), key=lambda name: name != BASE)


def _compare_variants(run: Run) -> ComparisonSummary:
    names = variants(run)
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
    groups = group_cells(run)
    first, second = (
        [group for group in groups if (group.load.variant or BASE) == name] for name in names
    )
    return ComparisonSummary(
        first=names[0],
        second=names[1],
        interleaved=True,
        differences=differences(run, msgspec.structs.replace(run, info=_info_against(run))),
        caveats=_measured_once(first, second),
        comparisons=_comparisons(_pairs(first, second), interleaved=True),
    )


def _info_against(run: Run) -> RunInfo:
    """The facts of the second variant's server."""
    ledgers = run.info.variants.get("against") or run.info.against
    stores = {**run.info.stores, **ledgers}
    return msgspec.structs.replace(run.info, stores=stores, variants={}, against={})


def _by_load(groups: Sequence[Group]) -> dict[tuple[TableLoad, StoreKey], StoreMeasurements]:
    """The measurements of each store under each load, whichever variant and target it was."""
    return {
        (msgspec.structs.replace(group.load, variant=None, target=None), store): measurements
        for group in groups
        for store, measurements in group.stores.items()
    }


def _pairs(first: Sequence[Group], second: Sequence[Group]) -> list[Pair]:
    others = _by_load(second)
    return [
        Pair(load, store, measurements, others[load, store])
        for (load, store), measurements in _by_load(first).items()
        if (load, store) in others
    ]


def _measured_once(first: Sequence[Group], second: Sequence[Group]) -> list[str]:
    keys, others = set(_by_load(first)), set(_by_load(second))
    lines = []
    for own, other, which in ((keys, others, "first"), (others, keys, "second")):
        stores = sorted({str(store) for _, store in own - other})
        if stores:
            lines.append(f"Measured under its load in the {which} alone: {', '.join(stores)}.")
    return lines


def _comparisons(pairs: Sequence[Pair], *, interleaved: bool) -> list[Comparison]:
    claims = [claim for pair in pairs for claim in _claims(pair, interleaved=interleaved)]
    p_values = {
        number: claim.log_ratio.p_value
        for number, claim in enumerate(claims)
        if claim.log_ratio is not None
    }
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [_comparison(claim, corrected.get(number)) for number, claim in enumerate(claims)]


def _claims(pair: Pair, *, interleaved: bool) -> Iterator[Claim]:
    quantiles = ["response_p50", "response_p99"] if pair.load.open else ["p50", "p99"]
    for stream in pair.first.streams:
        metrics = [*quantiles, "bystander_p99"]
        entries = [
            operation_entry(pair.store, side.streams[stream], metrics) for side in pair.sides
        ]
        for metric in metrics:
            yield _claim(pair, stream_subject(stream), metric, entries, interleaved, stream)
    for operation in Group(pair.load, "", {pair.store: pair.first}).operations:
        if operation in pair.second.operations:
            entries = [
                operation_entry(pair.store, side.operations[operation], quantiles)
                for side in pair.sides
            ]
            for metric in quantiles:
                yield _claim(pair, str(operation), metric, entries, interleaved)
    if not pair.load.open:
        entries = [overall_entry(pair.store, side, [], ["throughput"]) for side in pair.sides]
        yield _claim(pair, OVERALL, "throughput", entries, interleaved)


def _claim(
    pair: Pair,
    subject: str,
    metric: str,
    entries: Sequence[TableEntry],
    interleaved: bool,
    stream: str | None = None,
) -> Claim:
    first, second = (entry.figures[metric] for entry in entries)
    log_ratio = None
    if isinstance(first, Bootstrap) and isinstance(second, Bootstrap):
        measure = paired_log_ratio if interleaved else unpaired_log_ratio
        if min(first.estimate, second.estimate) > 0:
            log_ratio = measure(second, first)
    return Claim(pair, subject, stream, metric, (first, second), log_ratio)


def _comparison(claim: Claim, p_value: float | None) -> Comparison:
    first, second = (
        figure.estimate if isinstance(figure, Bootstrap) else None for figure in claim.figures
    )
    outcome, why = _outcome_without_interval(claim)
    comparison = Comparison(
        store=str(claim.pair.store),
        load=claim.pair.load,
        operation=claim.subject,
        stream=claim.stream,
        metric=claim.metric,
        first=first,
        second=second,
        outcome=outcome,
        why=why,
    )
    if claim.log_ratio is None or p_value is None:
        return comparison
    low, high = claim.log_ratio.interval
    outcome, why = _outcome(claim, low, high, p_value)
    return msgspec.structs.replace(
        comparison,
        ratio=claim.log_ratio.ratio,
        low=low,
        high=high,
        p_value=p_value,
        outcome=outcome,
        why=why,
    )


def _outcome_without_interval(claim: Claim) -> tuple[Outcome, str | None]:
    is_first_past, is_second_past = (figure == PAST_DEADLINE for figure in claim.figures)
    other = claim.figures[0 if is_second_past else 1]
    if is_first_past != is_second_past and not isinstance(other, str):
        which = "second" if is_second_past else "first"
        return (
            Outcome.SLOWER if is_second_past else Outcome.FASTER,
            f"the {which} failed or skipped more than this quantile leaves out",
        )
    reasons = [figure for figure in claim.figures if isinstance(figure, str)]
    return Outcome.INCONCLUSIVE, reasons[0] if reasons else f"fewer than {MIN_ROUNDS} rounds"


def _outcome(claim: Claim, low: float, high: float, p_value: float) -> tuple[Outcome, str | None]:
    if low > 1 / (1 + EQUAL_WITHIN) and high < 1 + EQUAL_WITHIN:
        return Outcome.SAME, None
    if p_value >= LEVEL:
        return Outcome.INCONCLUSIVE, None
    is_smaller = low * high < 1  # their geometric mean is the ratio
    is_better = is_smaller != METRICS[claim.metric].higher_is_better
    loser = claim.pair.first if is_better else claim.pair.second
    if is_mostly_limited(loser.cells):
        return Outcome.INCONCLUSIVE, "the generator was the limit for the slower one"
    return (Outcome.FASTER if is_better else Outcome.SLOWER), None
