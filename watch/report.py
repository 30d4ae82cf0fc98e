"""The shape of a watch's report, as it is served in JSON."""

from __future__ import annotations

from typing import TypedDict


class LagHistogram(TypedDict):
    """A histogram: `counts[i]` timers were at most `le_s[i]` seconds late; the last: later."""

    le_s: list[float]
    counts: list[int]
    total_s: float


class HolderInfo(TypedDict):
    """Who held the loop: a handler's class and verb, or a callback; and its innermost function.

    What is unknown, or does not apply, is "".
    """

    handler: str
    store: str
    operation: str
    where: str


class HolderBlocks(HolderInfo):
    """The blocks of one holder; `where` is the function sampled most."""

    count: int
    total_ms: float
    longest_ms: float


class BlocksReport(TypedDict):
    """Turns of the loop of `at_least_ms` or longer since the start; `by`: worst holder first."""

    at_least_ms: float
    count: int
    total_ms: float
    by: list[HolderBlocks]


class RecentReport(TypedDict):
    """The last ten seconds or so; the longest hold has a holder only if it was a block."""

    seconds: float
    busy_share: float
    longest_block_ms: float
    longest_block_by: HolderInfo | None


class LoopReport(TypedDict):
    """The event loop since its start; the difference of two reports covers the time between them.

    `exact` is false where `busy_s` is a lower bound (uvloop). `connections` are the HTTP
    connections open now, the reader's own included, null where they are not counted (gunicorn).
    """

    loop: str
    connections: int | None
    exact: bool
    elapsed_s: float
    busy_s: float
    lag: LagHistogram
    recent: RecentReport
    blocks: BlocksReport
