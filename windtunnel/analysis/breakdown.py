"""Where the time went: the mean parts of typical and of slow requests, from `samples.jsonl`.

Percentiles of parts do not add up, means do: so the requests are chosen by their whole latency,
around the median and around p99, and the parts of these are averaged. nginx's clock ticks in
milliseconds, so for requests below 5 ms nginx and the wait for the loop are one part.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import ceil, fsum

import msgspec

from windtunnel.analysis.metrics import RESPONSE, SERVICE
from windtunnel.analysis.summary import OVERALL, Band, Parts
from windtunnel.analysis.validity import cell_key, clean_cells, clean_keys
from windtunnel.client.api import SLEEP
from windtunnel.recording.conditions import Configuration
from windtunnel.recording.results import Cell
from windtunnel.recording.series import SampledRequest

BANDS = {"p45 to p55": (0.45, 0.55), "p98.5 to p99.5": (0.985, 0.995)}
PART_NAMES = ("generator", "nginx", "loop", "wait", "driver", "handler")
NGINX_AND_LOOP, REST = "nginx and loop", "rest"
ORDER = ("generator", "nginx", NGINX_AND_LOOP, "loop", "wait", "driver", "handler", REST)
NGINX_RESOLVED_FROM_US = 5_000
MIN_REQUESTS = 10
"""Requests that a band needs: fewer say more of themselves than of the store."""


def breakdown(
    samples: Iterable[SampledRequest], cells: Sequence[Cell], *, steady: bool = True
) -> list[Parts]:
    """The parts of every store under each load, for each operation and all together.

    Samples of cells that are void, or were never finished, are left out. A load is `steady` unless
    it may be changed while it runs, as Locust's can.
    """
    clean = clean_keys(cells, steady=steady)
    groups: dict[Configuration, list[SampledRequest]] = defaultdict(list)
    for sample in samples:
        if sample.parts_us and cell_key(sample, steady=steady) in clean:
            groups[sample.configuration].append(sample)
    seconds: dict[Configuration, float] = defaultdict(float)
    for cell in clean_cells(cells) if steady else ():
        seconds[cell.configuration] += cell.seconds
    return [
        parts
        for configuration in sorted(groups, key=_order)
        for parts in _by_operation(configuration, groups[configuration], seconds.get(configuration))
    ]


def band_samples_needed(name: str) -> int:
    """How many samples of an operation a band needs."""
    low, high = BANDS[name]
    return round(MIN_REQUESTS / (high - low))


def _order(configuration: Configuration) -> tuple[str, str]:
    return configuration.subject, str(configuration)


def _by_operation(
    configuration: Configuration, samples: Sequence[SampledRequest], seconds: float | None
) -> Iterator[Parts]:
    overall = [sample for sample in samples if sample.operation != SLEEP]
    by_operation: dict[str, list[SampledRequest]] = {OVERALL: overall}
    for sample in samples:
        by_operation.setdefault(sample.operation, []).append(sample)
    conditions = {**msgspec.structs.asdict(configuration), "store": configuration.subject}
    for operation, requests in by_operation.items():
        if operation != OVERALL or len(by_operation) > 2:
            yield Parts(
                **conditions,
                operation=operation,
                latency=SERVICE if samples[0].response_us is None else RESPONSE,
                sampled=len(requests),
                seconds=seconds,
                bands={name: band(requests, *ends) for name, ends in BANDS.items()},
            )


def band(samples: Sequence[SampledRequest], low: float, high: float) -> Band | None:
    """The mean parts of those whose latency lies between two quantiles; None: too few."""
    ordered = sorted(samples, key=latency_us)
    chosen = ordered[ceil(low * len(ordered)) : ceil(high * len(ordered))]
    if len(chosen) < MIN_REQUESTS:
        return None
    mean = fsum(map(latency_us, chosen)) / len(chosen)
    sums = {name: fsum(row.parts_us.get(name) or 0.0 for row in chosen) for name in PART_NAMES}
    means = {name: total / len(chosen) for name, total in sums.items()}
    has_nginx = any(sample.parts_us.get("nginx") is not None for sample in chosen)
    if has_nginx and mean < NGINX_RESOLVED_FROM_US:
        means[NGINX_AND_LOOP] = means.pop("nginx") + means.pop("loop")
    means[REST] = mean - fsum(means.values())
    rounded = {name: round(means.get(name, 0.0), 1) for name in ORDER}
    parts_us = {name: mean_us for name, mean_us in rounded.items() if mean_us > 0}
    return Band(count=len(chosen), mean_us=round(mean, 1), parts_us=parts_us)


def latency_us(sample: SampledRequest) -> float:
    """The response time of a request, or its service time under closed load, in microseconds."""
    return sample.service_us if sample.response_us is None else sample.response_us
