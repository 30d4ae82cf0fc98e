"""The figures of a report: their keys, labels and units, and which way is better."""

import msgspec

from windtunnel.recording.histogram import QUANTILES

SERVICE, RESPONSE = "service", "response"
PAST_DEADLINE = "> deadline"
"""What stands for a quantile that too many failed or skipped requests lie beyond."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A column: label, unit, which way is better, and of which latency it is the quantile `q`."""

    label: str
    unit: str
    higher_is_better: bool = False
    q: float | None = None
    latency: str = SERVICE


def _quantiles(names: str, prefix: str, latency: str, key: str) -> dict[str, Metric]:
    return {
        f"{key}{name}": Metric(
            label=f"{prefix}{name}", unit="ms", q=QUANTILES[name], latency=latency
        )
        for name in names.split()
    }


METRICS = {
    **_quantiles("p50 p99 p99.9", "", SERVICE, ""),
    **_quantiles("p50 p99", "geomean ", SERVICE, "geomean_"),
    **_quantiles("p50 p99 p99.9", "response ", RESPONSE, "response_"),
    **_quantiles("p50 p99 p99.9", "service ", SERVICE, "service_"),
    **_quantiles("p50 p99", "geomean response ", RESPONSE, "geomean_response_"),
    **_quantiles("p50 p99", "geomean service ", SERVICE, "geomean_service_"),
    "bystander_p99": Metric(label="bystander p99", unit="ms", q=QUANTILES["p99"], latency=RESPONSE),
    "cpu": Metric(label="server CPU/request", unit="ms"),
    "throughput": Metric(label="throughput", unit="req/s", higher_is_better=True),
}
