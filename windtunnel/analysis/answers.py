"""The sentence above a table: who is best, by how much, and who is tied with it."""

from typing import NamedTuple

from windtunnel.analysis.keys import ALONE
from windtunnel.analysis.metrics import METRICS
from windtunnel.analysis.summary import OVERALL, Score, Table, TableRow
from windtunnel.analysis.wording import estimate_text, interval, listed, ratio


class Answer(NamedTuple):
    """A table in a sentence: the question, the best store, if there is one, and the rest."""

    question: str
    store: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.question}: {', '.join(filter(None, (self.store, self.text)))}"


def answer(table: Table) -> Answer:
    """The answer of a table.

    Under open load it is said of the median and of p99 of the response times.
    """
    by_median = _answer(table, table.metrics[0])
    text = "; ".join(filter(None, (by_median.text, _answer_by_tail(table))))
    return by_median._replace(text=text)


def _answer_by_tail(table: Table) -> str:
    tail = table.metrics[0].replace("p50", "p99")
    if not table.load.open or tail == table.metrics[0] or tail not in table.metrics:
        return ""
    rows = [row for row in _measured_rows(table, tail) if not row.unranked]
    ranked = sorted(
        (row for row in rows if row.scores[tail].place),
        key=lambda row: (row.scores[tail].place or 0, row.scores[tail].estimate or 0.0),
    )
    if len(ranked) < 2:
        return ""
    best = _figure_of(ranked[0], tail).removeprefix(f"{METRICS[tail].label} ")
    return f"by {METRICS[tail].label}: {ranked[0].store}, {best}{_rest(ranked, tail)}"


def _answer(table: Table, metric: str) -> Answer:
    question = f"{_question(table)} at {table.durability} durability"
    measured = _measured_rows(table, metric)
    rivals = [row for row in measured if not row.unranked]
    if not rivals:
        return Answer(question, None, f"no store can be ranked{_why_unranked(table)}")
    best = rivals[0]
    figures = _figure_of(best, metric)
    if len(rivals) == 1:
        return Answer(question, None, f"only {best.store} can be ranked, {figures}")
    ranked = [row for row in measured if row.scores[metric].place is not None]
    if not ranked:
        note = best.scores[metric].note
        return Answer(question, None, f"{note}; best measured: {best.store}, {figures}")
    return Answer(question, best.store, f"{figures}{_rest(ranked, metric)}")


def _measured_rows(table: Table, metric: str) -> list[TableRow]:
    return [row for row in table.rows if row.scores and row.scores[metric].estimate is not None]


def _question(table: Table) -> str:
    if table.subject != OVERALL:
        return f"Fastest for {table.subject}"
    if table.metrics[0] == "throughput":
        return f"Most requests per second in the {table.load.mix} mix"
    operations = ", each alone" if table.load.mix == ALONE else f" of the {table.load.mix} mix"
    return f"Fastest over all operations{operations}"


def _figure_of(row: TableRow, metric: str) -> str:
    score = row.scores[metric]
    name = "" if metric == "throughput" else f"{METRICS[metric].label} "
    parts = [
        f"{name}{estimate_text(metric, score)} {METRICS[metric].unit}",
        interval(metric, score),
    ]
    return " ".join(part for part in parts if part)


def _rest(ranked: list[TableRow], metric: str) -> str:
    """Who shares the first place, and who is next."""
    ties = [row.store for row in ranked[1:] if row.scores[metric].place == 1]
    behind = [row for row in ranked if (row.scores[metric].place or 0) > 1]
    text = f"; tied with {listed(ties)}" if ties else ""
    if behind:
        text += f"; next {behind[0].store}, {_worse(metric, behind[0].scores[metric])}"
    return text


def _worse(metric: str, score: Score) -> str:
    """How far behind the best: "1.36x slower", "0.5x the best", with the 95 % interval."""
    value, _, ends = ratio(score).partition(" ")
    word = "the best" if METRICS[metric].higher_is_better else "slower"
    return " ".join(filter(None, (f"{value}x {word}", ends)))


def _why_unranked(table: Table) -> str:
    reasons = [
        f"{row.store} ({row.unranked})" for row in table.rows if row.unranked and not row.reference
    ]
    return f": {listed(reasons, 2)}" if reasons else ""
