"""How well a run knows its ratios so far: what `--precision 5%` goes on for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from windtunnel.analysis.compare import compare, variants
from windtunnel.analysis.entries import of_operation
from windtunnel.analysis.grouping import View, contenders, views
from windtunnel.analysis.stats import Bootstrap, LogRatio, paired_log_ratio, t_quantile
from windtunnel.analysis.summary import METRICS, OVERALL
from windtunnel.recording.results import Run


@dataclass(frozen=True, slots=True, order=True)
class Precision:
    """The widest interval: half of it, as a share of the ratio; `inf` where none can be given."""

    width: float
    what: str


def precision(run: Run) -> Precision | None:
    """The least certain ratio of medians: of a store to the best, or of a variant to the other.

    Medians are of response times under open load, else of service times. A store that has no rival
    is asked for its own interval. None where nothing can be ranked at all, so that no number of
    rounds would help.
    """
    run = contenders(run)
    found = [*_to_the_best(run), *_between_variants(run)]
    return max(found, default=None)


def relative_half_width(spread: LogRatio) -> float:
    """Half of the 95 % interval of a ratio: 0.05 is known to within 5 % either way."""
    return math.exp(t_quantile(spread.freedom) * spread.error) - 1


def _to_the_best(run: Run) -> Iterator[Precision]:
    if len(variants(run)) > 1:
        return
    for view in views(run.cells, [], run.info.stores):
        for operation in view.operations:
            rivals = dict(_rivals(view, operation))
            if rivals:
                yield from _of_rivals(f"{operation} of {{}}, {view.load.mix}", rivals)


def _rivals(view: View, operation: str) -> Iterator[tuple[str, Bootstrap]]:
    metric = "response_p50" if view.load.open else "p50"
    for store, seen in view.stores.items():
        if store not in view.references and operation in seen.operations:
            candidate = of_operation(store, seen.operations[operation], [metric])
            figure = candidate.figures[metric]
            if candidate.unranked is None and isinstance(figure, Bootstrap) and figure.estimate > 0:
                yield store, figure


def _of_rivals(what: str, rivals: dict[str, Bootstrap]) -> Iterator[Precision]:
    best = min(rivals, key=lambda store: rivals[store].estimate)
    if len(rivals) == 1:
        figure = rivals[best].figure
        known = figure.high is not None
        width = (figure.high or 0) / figure.estimate - 1 if known else math.inf
        yield Precision(width, what.format(best))
    for store in rivals.keys() - {best}:
        spread = paired_log_ratio(rivals[store], rivals[best])
        width = math.inf if spread is None else relative_half_width(spread)
        yield Precision(width, what.format(store))


def _between_variants(run: Run) -> Iterator[Precision]:
    if len(variants(run)) != 2:
        return
    for each in compare(run).comparisons:
        if each.operation != OVERALL and METRICS[each.metric].q == 0.5:
            known = each.high is not None and each.ratio is not None
            width = (each.high or 0) / (each.ratio or 1) - 1 if known else math.inf
            yield Precision(width, f"{each.operation} of {each.store}, {each.load.mix}")
