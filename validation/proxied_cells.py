"""Cells that are measured through a proxy, each with the proxy's own record of its requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness import ExperimentError
from benchmarks.processes import server_process
from validation.ground_truth import reads_by_cell
from validation.measurement import STORE, measure, reads
from validation.proxy import ProxiedRequest
from validation.proxy_process import proxy_process
from windtunnel.recording.results import Cell
from windtunnel.recording.series import SampledRequest

FaultArguments = tuple[str, *tuple[float, ...]]
"""The name of a fault of `validation.faults`, and its parameters."""


@dataclass(frozen=True, slots=True)
class ProxiedCell:
    """A cell, the requests that the run kept of it, and all its reads as the proxy saw them.

    The reads of the warm-up come first.
    """

    cell: Cell
    requests: Sequence[ProxiedRequest]
    samples: Sequence[SampledRequest]

    @property
    def measured_requests(self) -> Sequence[ProxiedRequest]:
        """The last ones, but for one of each closed user's, which was under way at the end."""
        end = len(self.requests) - (self.cell.users or 0)
        return self.requests[end - reads(self.cell).count : end]


def measure_cells(fault: FaultArguments, *options: str) -> list[ProxiedCell]:
    """Measure through a fault; return the valid cells. Raises ExperimentError."""
    with server_process() as (_, port), proxy_process(port, *fault) as proxy:
        run, samples = measure(proxy.url, *options)
        requests = reads_by_cell(proxy.finish(), STORE)
    if len(requests) != len(run.cells):
        raise ExperimentError(f"{len(run.cells)} cells are on disk, the proxy saw {len(requests)}")
    cells = list(map(ProxiedCell, run.cells, requests, _samples_by_cell(requests, samples)))
    return [proxied for proxied in cells if proxied.cell.void is None]


def _samples_by_cell(
    cells: Sequence[Sequence[ProxiedRequest]], samples: Sequence[SampledRequest]
) -> list[list[SampledRequest]]:
    """Join samples to cells by request id; raises ExperimentError for an unknown id."""
    indices = {read.request_id: index for index, requests in enumerate(cells) for read in requests}
    by_cell: list[list[SampledRequest]] = [[] for _ in cells]
    for sample in samples:
        if sample.request_id not in indices:
            raise ExperimentError(f"the proxy never saw the sampled request {sample.request_id}")
        by_cell[indices[sample.request_id]].append(sample)
    return by_cell
