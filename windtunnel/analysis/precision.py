"""How precisely a run has measured its ratios so far: `--precision 5%` adds rounds until then."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from windtunnel.analysis.compare import compare, variants
from windtunnel.analysis.grouping import Group, group_cells
from windtunnel.analysis.keys import OperationKey, StoreKey, has_ranked_variants
from windtunnel.analysis.metrics import METRICS
from windtunnel.analysis.ranked_entries import operation_entry
from windtunnel.analysis.stats import Bootstrap, LogRatio, paired_log_ratio, t_quantile
from windtunnel.analysis.summary import OVERALL
from windtunnel.recording.results import Run


@dataclass(frozen=True, slots=True, order=True)
class Precision:
    """The widest interval: half of it, as a share of the ratio; `inf` where there is none."""

    width: float
    subject: str


def precision(run: Run) -> Precision | None:
    """The least certain ratio of medians: of a store to the best, or of a variant to the other.

    Medians are of response times under open load, else of service times. Of a store that has no
    rival it is its own interval. None where nothing can be ranked at all, so that no number of
    rounds would help.
    """
    count = 1 if has_ranked_variants(run) else len(variants(run))
    if count == 2:
        return max(_between_variants(run), default=None)
    return max(_to_best(run), default=None) if count < 2 else None


def relative_half_width(log_ratio: LogRatio) -> float:
    """Half of the 95 % interval of a ratio: 0.05 is known to within 5 % either way."""
    return math.exp(t_quantile(log_ratio.freedom) * log_ratio.error) - 1


def _to_best(run: Run) -> Iterator[Precision]:
    for group in group_cells(run):
        for operation in group.operations:
            medians = dict(_rival_medians(group, operation))
            if medians:
                yield from _of_rivals(operation, group.load.mix or "", medians)


def _rival_medians(group: Group, operation: OperationKey) -> Iterator[tuple[StoreKey, Bootstrap]]:
    metric = "response_p50" if group.load.open else "p50"
    for store, measurements in group.stores.items():
        if store not in group.references and operation in measurements.operations:
            entry = operation_entry(store, measurements.operations[operation], [metric])
            median = entry.figures[metric]
            if entry.why_unranked is None and isinstance(median, Bootstrap) and median.estimate > 0:
                yield store, median


def _of_rivals(
    operation: OperationKey, mix: str, medians: dict[StoreKey, Bootstrap]
) -> Iterator[Precision]:
    best = min(medians, key=lambda store: medians[store].estimate)
    if len(medians) == 1:
        figure = medians[best].interval_estimate
        width = math.inf if figure.high is None else figure.high / figure.estimate - 1
        yield Precision(width, f"{operation} of {best}, {mix}")
    for store in medians.keys() - {best}:
        log_ratio = paired_log_ratio(medians[store], medians[best])
        width = math.inf if log_ratio is None else relative_half_width(log_ratio)
        yield Precision(width, f"{operation} of {store}, {mix}")


def _between_variants(run: Run) -> Iterator[Precision]:
    for row in compare(run).comparisons:
        if row.operation != OVERALL and METRICS[row.metric].q == 0.5:
            is_known = row.high is not None and row.ratio is not None
            width = (row.high or 0) / (row.ratio or 1) - 1 if is_known else math.inf
            yield Precision(width, f"{row.operation} of {row.store}, {row.load.mix}")
