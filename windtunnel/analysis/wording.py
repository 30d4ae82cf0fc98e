"""Figures and loads in words: how a number, an interval, a load or a reason is printed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import ceil
from statistics import mode

import msgspec

from windtunnel.analysis.breakdown import band_samples_needed
from windtunnel.analysis.metrics import METRICS, PAST_DEADLINE, RESPONSE, SERVICE
from windtunnel.analysis.summary import (
    Accounting,
    Band,
    Capacity,
    IncompleteOperation,
    Parts,
    Score,
    State,
    Table,
)
from windtunnel.recording.conditions import LoadConditions
from windtunnel.recording.results import Ledger

NO_FIGURE = "\N{EN DASH}"
BOUNDS = {"at least": "\N{GREATER-THAN OR EQUAL TO}", "at most": "\N{LESS-THAN OR EQUAL TO}"}

WORDED = ("mix", "variant", "processes", "users", "rate", "slow_rate")
"""The conditions that have a wording; any other is named."""

QUANTILES = ("p50", "p99")
_TIMES = (f"{latency} {name}, ms" for latency in (RESPONSE, SERVICE) for name in QUANTILES)
INCOMPLETE_HEADS = ("answers", "failed", "answers/s", *_TIMES)


def number(value: float) -> str:
    """Three significant digits, never in exponents: 0.0413, 4.13, 413, 4,130."""
    if value >= 100 or value <= 0:
        return f"{value:,.0f}"
    decimals = 1 if value >= 9.995 else 2 if value >= 0.9995 else 3 if value >= 0.09995 else 4
    return f"{value:.{decimals}f}"


def scaled(metric: str, value: float) -> float:
    """A figure in the unit it is printed in: stored microseconds become milliseconds."""
    return value / 1000 if METRICS[metric].unit == "ms" else value


def estimate_text(metric: str, score: Score) -> str:
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
    ratio = number(score.ratio)
    if score.ratio_low is None or score.ratio_high is None:
        return ratio
    return f"{ratio} [{number(score.ratio_low)}, {number(score.ratio_high)}]"


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


def missing(table: Table, metrics: list[str]) -> Iterator[str]:
    """Why figures or ranks are missing in these columns, equal reasons in one line."""
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    stores: dict[str, dict[str, None]] = defaultdict(dict)
    for row in table.rows:
        for metric in metrics:
            note = row.scores[metric].note if row.scores else None
            if note and note != PAST_DEADLINE:
                labels[note][METRICS[metric].label] = None
                stores[note][row.store] = None
    for note, names in labels.items():
        yield f"{', '.join(names)}: {note} ({listed(list(stores[note]), 2)})"


def accounting_cells(row: Accounting) -> list[str]:
    """Scheduled, answered, failed, late, skipped, stale, retried, and the schedule's lag."""
    counts = (
        row.intended,
        row.answered,
        row.failed,
        row.late,
        row.skipped,
        row.stale,
        row.retried,
    )
    lag_ms = row.schedule_lag_p99_ms
    lag = NO_FIGURE if lag_ms is None else f"{number(lag_ms)} ms{' !' if row.bound else ''}"
    return [*(NO_FIGURE if count is None else f"{count:,}" for count in counts), lag]


def incomplete_cells(row: IncompleteOperation) -> list[str]:
    """The figures that `INCOMPLETE_HEADS` names; times in ms."""
    times = (
        quantiles.get(name) for quantiles in (row.response_us, row.service_us) for name in QUANTILES
    )
    return [
        f"{row.count:,}",
        f"{row.failed:,}",
        number(row.throughput_rps),
        *(NO_FIGURE if us is None else number(us / 1000) for us in times),
    ]


def capacity(row: Capacity) -> str:
    """A capacity in a sentence."""
    name = ", ".join(filter(None, (row.store, row.mix, row.variant)))
    state = "failed" if row.why is State.FAILS else "was inconclusive"
    if row.held is None:
        return f"{name}: at none of the rates tried; the lowest, {row.broke:g}/s, {state}"
    if row.broke is None:
        return f"{name}: at least {row.held:g} requests/s, the highest tried"
    return f"{name}: {row.held:g} requests/s; at {row.broke:g} it {state}"


def has_rivals(tables: Iterable[Table]) -> bool:
    """Whether any of them has two stores to rank."""
    return any(sum(bool(row.scores) for row in table.rows) > 1 for table in tables)


def parts_load(parts: Parts) -> str:
    """The variant, the load and the latency: "200/s, response"."""
    return f"{variant_and_load(parts)}, {parts.latency}"


def why_no_band(parts: Parts, band: str) -> str:
    """Why a band is not shown, and what would show it."""
    needed = band_samples_needed(band)
    text = f"{parts.sampled:,} of {needed:,} samples"
    if not parts.seconds or not parts.sampled:
        return text
    seconds = ceil(parts.seconds * needed / parts.sampled)
    return f"{text}: measure {seconds:,} s in total ({parts.seconds:,.0f} s now)"


def variant_and_load(row: LoadConditions) -> str:
    """The variant, mix and load: "balanced, 200/s"."""
    return ", ".join(filter(None, (row.variant, row.mix, load_amount(row))))


def load_amount(load: LoadConditions) -> str:
    """How much load: "200/s", "60/s + 2/s slow", "8 users, 2 processes"; nothing if unknown."""
    rate, users, slow_rate = load.rate, load.users, load.slow_rate
    amount = f"{rate:g}/s" if rate else counted(users, "user") if users else ""
    amount += "" if slow_rate is None else f" + {slow_rate:g}/s slow"
    processes = counted(load.processes, "process") if load.processes > 1 else ""
    return ", ".join(filter(None, (amount.strip(" +"), processes, *_other_conditions(load))))


def _other_conditions(load: LoadConditions) -> Iterator[str]:
    """The conditions that have no wording of their own, where they are set."""
    for field in msgspec.structs.fields(LoadConditions):
        value = getattr(load, field.name)
        if field.name not in WORDED and value != field.default:
            yield f"{field.name.replace('_', ' ')} {value}"


def band_cells(band: Band) -> tuple[str, str]:
    """The mean latency of a band in ms, and its parts, the greatest first."""
    ordered = sorted(band.parts_us.items(), key=lambda part: -part[1])
    parts = (f"{name} {number(us / 1000)}" for name, us in ordered if us >= 0.01 * band.mean_us)
    return number(band.mean_us / 1000), ", ".join(parts)


def survival(ledger: Ledger) -> str:
    """What an acknowledged write survives, in words."""
    crashes = {
        "process crash": ledger.survives_process_crash,
        "host crash": ledger.survives_host_crash,
    }
    if None in crashes.values():
        return "unknown"
    return listed([name for name, survives in crashes.items() if survives]) or "nothing"


def round_trips(ledger: Ledger) -> str:
    """Round trips to the database, the commonest number said once: "edit 2, all others 1"."""
    counts = ledger.round_trips
    if not counts:
        return NO_FIGURE
    usual = mode(counts.values())
    unusual = [f"{name} {count:g}" for name, count in counts.items() if count != usual]
    return ", ".join([*unusual, f"{'all others' if unusual else 'all'} {usual:g}"])
