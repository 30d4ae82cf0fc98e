"""What a report says about a run, as data: `report RUN --json` prints exactly this as JSON.

Times are in microseconds, throughput in requests per second. `schema` grows with breaking changes.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from windtunnel.analysis.keys import TableLoad
from windtunnel.recording.conditions import Conditions, Configuration
from windtunnel.recording.results import Ledger
from windtunnel.recording.tuning_results import TuningResult

SCHEMA = 1
OVERALL = "overall"


def stream_subject(stream: str) -> str:
    """What all requests of a stream are called in tables and comparisons."""
    return f"{stream} requests"


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a store: estimate, 95 % interval, place and ratio to the best of its column.

    The ratio's own interval is over the rounds that both have, paired; the best has none, nor has
    anybody who met it in fewer than six.
    Without an estimate, or without a place, `note` says why. `bound` is set where the generator
    was the limit: the truth is "at least" or "at most" the estimate.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    place: int | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    note: str | None = None
    bound: str | None = None


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A store in a table; `unranked` says why it takes no place, if so.

    `flags` counts the cells under each flag, `failures` the failed answers by name; `skipped` is
    how many were scheduled and never sent (for one operation of a mix: its share of them).
    """

    store: str
    reference: bool = False
    rounds: int = 0
    samples: int = 0
    failed: int = 0
    skipped: int = 0
    failures: dict[str, int] = {}
    flags: dict[str, int] = {}
    unranked: str | None = None
    scores: dict[str, Score] = {}


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The stores of one durability under one load, for one operation or overall (`subject`).

    `metrics` names the columns, keys of METRICS; rows come best first by the first of them.
    """

    load: TableLoad
    title: str
    durability: str
    subject: str
    metrics: list[str]
    rows: list[TableRow]
    answer: str = ""


class DoubtfulCell(Conditions, frozen=True, kw_only=True):
    """A cell that was left out (`void`) or is included with a warning (`flags`)."""

    flags: list[str]
    void: str | None


class IncompleteOperation(Conditions, frozen=True, kw_only=True):
    """One operation of a cell that was never finished: shown, and in no ranking.

    `throughput_rps` is of successful answers, over the `seconds` that were measured; a quantile
    that had too few of them is None, and closed load has no response times.
    """

    seconds: float
    operation: str
    count: int
    failed: int
    throughput_rps: float
    service_us: dict[str, float | None]
    response_us: dict[str, float | None]


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of the requests scheduled for a store under one load, all rounds together.

    `late` were sent more than 2 ms after their scheduled start, `skipped` never; `unanswered` have
    no outcome. None stands for what was not counted; the lag is the worst cell's p99 in
    milliseconds; `bound` is whether the generator was the limit.
    """

    store: str
    title: str
    intended: int | None
    answered: int
    failed: int
    late: int | None
    skipped: int | None
    unanswered: int | None
    stale: int | None
    retried: int | None
    schedule_lag_p99_ms: float | None
    bound: bool


class State(StrEnum):
    """What can be said of an objective."""

    HOLDS = "holds"
    FAILS = "fails"
    INCONCLUSIVE = "inconclusive"


class Capacity(Configuration, frozen=True, kw_only=True):
    """The highest rate (requests/s) at which an objective held, and the lowest at which not.

    `why` says whether that one failed, or was inconclusive; it and `broke` are None where every
    rate that was tried held. `rate` is None, as it is what was searched for.
    """

    slo: str
    held: float | None
    broke: float | None
    why: State | None


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """The mean latency of some requests, and its parts, in microseconds."""

    count: int
    mean_us: float
    parts_us: dict[str, float]


class Parts(Configuration, frozen=True, kw_only=True):
    """Where the time of a store's sampled requests went, by band of their latency.

    `sampled` of them came in the `seconds` of all rounds together (None where a load was changed
    while it ran); a band that got too few of them is None.
    """

    operation: str
    latency: str
    sampled: int = 0
    seconds: float | None = None
    bands: dict[str, Band | None]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """An objective and one store under one load, for one operation or all together.

    `found` and `limit` are in microseconds, requests a second, or shares of 1.
    """

    slo: str
    store: str | None = None
    operation: str | None = None
    load: TableLoad | None = None
    found: float | None = None
    limit: float | None = None
    state: State
    why: str | None = None


class Outcome(StrEnum):
    """What the second is, compared with the first."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "no difference"
    INCONCLUSIVE = "inconclusive"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one store, twice; `ratio` is second to first, with its 95 % interval.

    `stream` names the stream that it is of, if it is not an operation's. `p_value` is corrected
    for all comparisons of the whole (Holm).
    """

    store: str
    load: TableLoad
    operation: str
    stream: str | None = None
    metric: str
    first: float | None
    second: float | None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    outcome: Outcome
    why: str | None = None


class ComparisonSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Two variants of one run (`interleaved`), or two runs; `differences` come first."""

    schema: int = SCHEMA
    first: str
    second: str
    interleaved: bool
    differences: list[str]
    caveats: list[str]
    comparisons: list[Comparison]
    verdicts: list[Verdict] = []


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report. `unmeasured` maps a store without a clean cell to the reason; `incomplete`
    holds what was seen of cells that a killed run did not finish.
    """

    schema: int = SCHEMA
    run: str
    scenario: str
    started: datetime
    finished: datetime | None
    seed: int
    rounds: int
    cells: int
    answers: list[str]
    caveats: list[str]
    tables: list[Table]
    conduct: list[Accounting] = []
    incomplete: list[IncompleteOperation] = []
    parts: list[Parts] = []
    verdicts: list[Verdict] = []
    capacities: list[Capacity] = []
    compared: ComparisonSummary | None = None
    tuned: TuningResult | None = None
    stores: dict[str, Ledger]
    skipped: dict[str, str]
    unmeasured: dict[str, str]
    doubtful: list[DoubtfulCell]
    host: dict[str, Any]
    git: dict[str, Any]
    settings: dict[str, Any]

    @property
    def left_out(self) -> dict[str, str]:
        """Those of `skipped` that were not measured at all."""
        return {name: why for name, why in self.skipped.items() if name not in self.stores}

    @property
    def spared(self) -> dict[str, str]:
        """Those of `skipped` that were measured under some loads and cannot bear the others."""
        return {name: why for name, why in self.skipped.items() if name in self.stores}
