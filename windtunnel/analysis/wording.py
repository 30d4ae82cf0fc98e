"""Figures and tables in words: how a number is printed, and the sentence above a table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import ceil
from statistics import mode

from windtunnel.analysis.breakdown import needed
from windtunnel.analysis.summary import (
    ALONE,
    METRICS,
    OVERALL,
    PAST_DEADLINE,
    RESPONSE,
    SERVICE,
    Band,
    Capacity,
    Conduct,
    Incomplete,
    Parts,
    Row,
    Score,
    State,
    Table,
)
from windtunnel.recording.results import Ledger

NO_FIGURE = "\N{EN DASH}"
BOUNDS = {"at least": "\N{GREATER-THAN OR EQUAL TO}", "at most": "\N{LESS-THAN OR EQUAL TO}"}

QUANTILES = ("p50", "p99")
_TIMES = (f"{latency} {name}, ms" for latency in (RESPONSE, SERVICE) for name in QUANTILES)
UNFINISHED = ("answers", "failed", "answers/s", *_TIMES)


def number(value: float) -> str:
    """Three significant digits, never in exponents: 0.0413, 4.13, 413, 4,130."""
    if value >= 100 or value <= 0:
        return f"{value:,.0f}"
    decimals = 1 if value >= 9.995 else 2 if value >= 0.9995 else 3 if value >= 0.09995 else 4
    return f"{value:.{decimals}f}"


def scaled(metric: str, value: float) -> float:
    """A figure in the unit it is printed in: stored microseconds become milliseconds."""
    return value / 1000 if METRICS[metric].unit == "ms" else value


def figure(metric: str, score: Score) -> str:
    """The estimate without its unit, "> deadline" where too many failed, or a dash."""
    if score.note == PAST_DEADLINE:
        return PAST_DEADLINE
    if score.estimate is None:
        return NO_FIGURE
    sign = BOUNDS[score.bound] if score.bound else ""
    return sign + number(scaled(metric, score.estimate))


def interval(metric: str, score: Score) -> str:
    """The 95 % interval in brackets, or nothing."""
    if score.low is None or score.high is None:
        return ""
    return f"[{number(scaled(metric, score.low))}, {number(scaled(metric, score.high))}]"


def ratio(score: Score) -> str:
    """The ratio to the best with its 95 % interval, "1.99 [1.95, 2.03]", or nothing."""
    if score.ratio is None:
        return ""
    told = number(score.ratio)
    if score.ratio_low is None or score.ratio_high is None:
        return told
    return f"{told} [{number(score.ratio_low)}, {number(score.ratio_high)}]"


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 round", "6 rounds", "2 processes"."""
    plural = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{plural}"


def listed(names: list[str], most: int = 3) -> str:
    """Names joined as in a sentence, the rest counted."""
    rest = len(names) - most
    if rest > 1:
        return f"{', '.join(names[:most])} and {rest} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def answer(table: Table) -> str:
    """The sentence above a table: who is best, by how much, and who cannot be told from it.

    Under open load it is said of the median and of p99 of the response times.
    """
    return "; ".join(filter(None, (_answer(table, table.metrics[0]), _by_tail(table))))


def _by_tail(table: Table) -> str:
    tail = table.metrics[0].replace("p50", "p99")
    if not table.load.open or tail == table.metrics[0] or tail not in table.metrics:
        return ""
    rows = [row for row in table.rows if row.scores and not row.unranked]
    seen = [row for row in rows if row.scores[tail].estimate is not None]
    placed = sorted((row for row in seen if _place(row, tail)), key=lambda row: _order(row, tail))
    if len(placed) < 2:
        return ""
    measured = _measured(placed[0], tail).removeprefix(f"{METRICS[tail].label} ")
    best = f"{placed[0].store}, {measured}"
    return f"by {METRICS[tail].label}: {best}{_others(placed, tail)}"


def _order(row: Row, metric: str) -> tuple[int, float]:
    return _place(row, metric) or 0, row.scores[metric].estimate or 0.0


def _answer(table: Table, metric: str) -> str:
    asked = f"{_best(table)} at {table.durability} durability"
    ranked = [row for row in table.rows if row.scores and _place(row, metric) is not None]
    seen = [row for row in table.rows if row.scores and row.scores[metric].estimate is not None]
    rivals = [row for row in seen if not row.unranked]
    if not rivals:
        return f"{asked}: no store can be ranked{_why(table)}"
    best = rivals[0]
    if len(rivals) == 1:
        return f"{asked}: only {best.store} can be ranked, {_measured(best, metric)}"
    if not ranked:
        note = best.scores[metric].note
        return f"{asked}: {note}; best seen: {best.store}, {_measured(best, metric)}"
    return f"{asked}: {best.store}, {_measured(best, metric)}{_others(ranked, metric)}"


def _best(table: Table) -> str:
    if table.subject != OVERALL:
        return f"Fastest for {table.subject}"
    if table.metrics[0] == "throughput":
        return f"Most requests per second in the {table.load.mix} mix"
    how = ", each alone" if table.load.mix == ALONE else f" of the {table.load.mix} mix"
    return f"Fastest over all operations{how}"


def _measured(row: Row, metric: str) -> str:
    score = row.scores[metric]
    name = "" if metric == "throughput" else f"{METRICS[metric].label} "
    parts = [f"{name}{figure(metric, score)} {METRICS[metric].unit}", interval(metric, score)]
    return " ".join(part for part in parts if part)


def _others(ranked: list[Row], metric: str) -> str:
    ties = [row.store for row in ranked[1:] if _place(row, metric) == 1]
    behind = [row for row in ranked if (_place(row, metric) or 0) > 1]
    text = f"; tied with {listed(ties)}" if ties else ""
    if behind:
        text += f"; next {behind[0].store}, {ratio(behind[0].scores[metric])} times that"
    return text


def _place(row: Row, metric: str) -> int | None:
    return row.scores[metric].place


def _why(table: Table) -> str:
    reasons = [
        f"{row.store} ({row.unranked})" for row in table.rows if row.unranked and not row.reference
    ]
    return f": {listed(reasons, 2)}" if reasons else ""


def missing(table: Table, metrics: list[str]) -> Iterator[str]:
    """Why figures or places are missing in these columns, equal reasons in one line."""
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    stores: dict[str, dict[str, None]] = defaultdict(dict)
    for row in table.rows:
        for metric in metrics:
            note = row.scores[metric].note if row.scores else None
            if note and note != PAST_DEADLINE:
                labels[note][METRICS[metric].label] = None
                stores[note][row.store] = None
    for note, found in labels.items():
        yield f"{', '.join(found)}: {note} ({listed(list(stores[note]), 2)})"


def conducted(conduct: Conduct) -> list[str]:
    """Intended, answered, failed, late, skipped, stale, retried, and the schedule's lag."""
    counts = (
        conduct.intended,
        conduct.answered,
        conduct.failed,
        conduct.late,
        conduct.skipped,
        conduct.stale,
        conduct.retried,
    )
    lag = conduct.schedule_lag_p99_ms
    told = NO_FIGURE if lag is None else f"{number(lag)} ms{' !' if conduct.bound else ''}"
    return [*(NO_FIGURE if count is None else f"{count:,}" for count in counts), told]


def unfinished(seen: Incomplete) -> list[str]:
    """Of an operation of a cell that was never finished, what `UNFINISHED` names; times in ms."""
    times = (each.get(name) for each in (seen.response_us, seen.service_us) for name in QUANTILES)
    return [
        f"{seen.count:,}",
        f"{seen.failed:,}",
        number(seen.throughput_rps),
        *(NO_FIGURE if us is None else number(us / 1000) for us in times),
    ]


def capacity(found: Capacity) -> str:
    """A capacity in a sentence."""
    name = ", ".join(filter(None, (found.store, found.mix, found.variant)))
    if found.held is None:
        end = "failed" if found.why is State.FAILS else "cannot be told"
        return f"{name}: at none of the rates tried; the lowest, {found.broke:g}/s, {end}"
    if found.broke is None:
        return f"{name}: at least {found.held:g} requests/s, the highest tried"
    end = "it failed" if found.why is State.FAILS else "it cannot be told"
    return f"{name}: {found.held:g} requests/s; at {found.broke:g} {end}"


def rivals(tables: Iterable[Table]) -> bool:
    """Whether any of them has two to rank."""
    return any(sum(bool(row.scores) for row in table.rows) > 1 for table in tables)


def under(parts: Parts) -> str:
    """Under what load, and which variant: "200/s, response"."""
    return f"{loaded(parts)}, {parts.latency}"


def scarce(parts: Parts, band: str) -> str:
    """Why a band is not shown, and what would show it."""
    wanted = needed(band)
    told = f"too few samples: {parts.sampled:,}, {wanted:,} needed"
    if not parts.seconds or not parts.sampled:
        return told
    seconds = ceil(parts.seconds * wanted / parts.sampled)
    return f"{told}, as in {seconds:,} s over all rounds ({parts.seconds:,.0f} s now)"


def loaded(seen: Parts | Incomplete) -> str:
    """Which variant, mix and load: "balanced, 200/s"."""
    load = amount(seen.users, seen.rate, seen.processes, seen.slow_rate)
    return ", ".join(filter(None, (seen.variant, seen.mix, load)))


def amount(
    users: int | None, rate: float | None, processes: int = 1, slow_rate: float | None = None
) -> str:
    """How much load: "200/s", "60/s and 2/s slow", "8 users, 2 processes"; nothing if unknown."""
    load = f"{rate:g}/s" if rate else counted(users, "user") if users else ""
    load += "" if slow_rate is None else f" and {slow_rate:g}/s slow"
    return ", ".join(filter(None, (load, counted(processes, "process") if processes > 1 else "")))


def split(band: Band) -> tuple[str, str]:
    """The mean latency of a band in ms, and its parts, the greatest first."""
    ordered = sorted(band.parts_us.items(), key=lambda part: -part[1])
    told = (f"{name} {number(us / 1000)}" for name, us in ordered if us >= 0.01 * band.mean_us)
    return number(band.mean_us / 1000), ", ".join(told)


def survived(ledger: Ledger) -> str:
    """What an acknowledged write survives, in words."""
    crashes = {
        "process crash": ledger.survives_process_crash,
        "host crash": ledger.survives_host_crash,
    }
    if None in crashes.values():
        return "unknown"
    return listed([name for name, survives in crashes.items() if survives]) or "nothing"


def trips(ledger: Ledger) -> str:
    """Round trips to the database, the commonest number said once: "edit 2, all others 1"."""
    counts = ledger.round_trips
    if not counts:
        return NO_FIGURE
    usual = mode(counts.values())
    apart = [f"{name} {count:g}" for name, count in counts.items() if count != usual]
    return ", ".join([*apart, f"{'all others' if apart else 'all'} {usual:g}"])
