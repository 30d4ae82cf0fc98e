"""Where the time went: the mean parts of typical and of slow requests, from `samples.jsonl`.

Percentiles of parts do not add up, means do: so the requests are chosen by their whole latency,
around the median and around p99, and the parts of these are averaged. nginx's clock ticks in
milliseconds, so for requests below 5 ms nginx and the wait for the loop are one part.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import ceil, fsum

from windtunnel.analysis.grouping import clean, cut
from windtunnel.analysis.summary import OVERALL, RESPONSE, SERVICE, Band, Parts
from windtunnel.client.api import SLEEP
from windtunnel.recording.conditions import Configuration
from windtunnel.recording.results import Cell
from windtunnel.recording.streams import SampledRequest

BANDS = {"p45 to p55": (0.45, 0.55), "p98.5 to p99.5": (0.985, 0.995)}
NAMES = ("generator", "nginx", "loop", "wait", "driver", "handler")
NGINX_AND_LOOP, REST = "nginx and loop", "rest"
ORDER = ("generator", "nginx", NGINX_AND_LOOP, "loop", "wait", "driver", "handler", REST)
NGINX_TELLS_FROM_US = 5_000
FEWEST = 10
"""Requests that a band needs: fewer say more of themselves than of the store."""


def parts(
    samples: Iterable[SampledRequest], cells: Iterable[Cell], *, steady: bool = True
) -> list[Parts]:
    """The parts of every store under each load, for each operation and all together.

    Samples of cells that are void, or were never finished, are left out. A load is `steady` unless
    it may be changed while it runs, as Locust's can.
    """
    counted = [cell for cell in cells if cell.void is None]
    known = clean(counted, steady=steady)
    groups: dict[Configuration, list[SampledRequest]] = defaultdict(list)
    for sample in samples:
        if sample.parts_us and cut(sample, steady=steady) in known:
            groups[sample.configuration].append(sample)
    lasted: dict[Configuration, float] = defaultdict(float)
    for cell in counted if steady else ():
        lasted[cell.configuration] += cell.seconds
    return [
        found
        for group in sorted(groups, key=lambda group: (group.subject, group.mix or "", str(group)))
        for found in _of(groups[group], lasted.get(group))
    ]


def needed(name: str) -> int:
    """How many samples of an operation a band needs."""
    low, high = BANDS[name]
    return round(FEWEST / (high - low))


def _of(samples: Sequence[SampledRequest], seconds: float | None) -> Iterable[Parts]:
    of_stores = [sample for sample in samples if sample.operation != SLEEP]
    by_operation: dict[str, list[SampledRequest]] = {OVERALL: of_stores}
    for sample in samples:
        by_operation.setdefault(sample.operation, []).append(sample)
    one = samples[0]
    for operation, some in by_operation.items():
        if operation != OVERALL or len(by_operation) > 2:
            yield Parts(
                store=one.subject,
                mix=one.mix,
                variant=one.variant,
                processes=one.processes,
                users=one.users,
                rate=one.rate,
                slow_rate=one.slow_rate,
                operation=operation,
                latency=SERVICE if one.response_us is None else RESPONSE,
                sampled=len(some),
                seconds=seconds,
                bands={name: band(some, *ends) for name, ends in BANDS.items()},
            )


def band(samples: Sequence[SampledRequest], low: float, high: float) -> Band | None:
    """The mean parts of those whose latency lies between two quantiles; None: too few."""
    ordered = sorted(samples, key=whole)
    chosen = ordered[ceil(low * len(ordered)) : ceil(high * len(ordered))]
    if len(chosen) < FEWEST:
        return None
    mean = fsum(map(whole, chosen)) / len(chosen)
    sums = {name: fsum(each.parts_us.get(name) or 0.0 for each in chosen) for name in NAMES}
    means = {name: total / len(chosen) for name, total in sums.items()}
    through = any(each.parts_us.get("nginx") is not None for each in chosen)
    if through and mean < NGINX_TELLS_FROM_US:
        means[NGINX_AND_LOOP] = means.pop("nginx") + means.pop("loop")
    means[REST] = mean - fsum(means.values())
    shown = {name: round(means[name], 1) for name in ORDER if round(means.get(name, 0.0), 1) > 0}
    return Band(count=len(chosen), mean_us=round(mean, 1), parts_us=shown)


def whole(sample: SampledRequest) -> float:
    """The latency that counts, in microseconds."""
    return sample.service_us if sample.response_us is None else sample.response_us
