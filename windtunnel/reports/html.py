"""The report as one self-contained file: its scripts, styles and data inside, nothing fetched."""

import math
from collections import defaultdict
from importlib import resources
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from windtunnel.analysis import wording
from windtunnel.analysis.analyse import Analysis
from windtunnel.analysis.breakdown import ORDER
from windtunnel.analysis.charts import STACKED, charts, overlaid
from windtunnel.analysis.grouping import display_name
from windtunnel.analysis.summary import METRICS, OVERALL, Summary, Table
from windtunnel.reports import comparison, tuning


def render(analysis: Analysis) -> str:
    """The whole of `report.html`, from the analysis of a run alone."""
    summary = analysis.summary
    grouped = _by_title(summary)
    views = analysis.views.items()
    data = overlaid((view, charts(title, view, grouped[title])) for title, view in views)
    timed = _drawn(summary)
    template = _environment().get_template("report.html.j2")
    return template.render(
        summary=summary,
        groups=grouped,
        METRICS=METRICS,
        OVERALL=OVERALL,
        style=_asset("report.css"),
        script=_asset("report.js"),
        plotly=_plotly(),
        data=_embedded(
            {
                "views": data,
                "stacked": STACKED,
                "parts": timed,
                "seconds": analysis.timelines,
                "splits": summary.tuned.tried if summary.tuned else [],
            }
        ),
        has_times=bool(summary.parts),
        has_bands=bool(timed["views"]),
        has_seconds=any(chart["operations"] for chart in analysis.timelines),
        has_bars=any(view["stacked"] for view in data),
        has_curves=any(
            any(latencies.values()) for view in data for latencies in view["operations"].values()
        ),
        has_open=any(table.load.open for table in summary.tables),
        spans={table.title + table.subject: _spans(table) for table in summary.tables},
    )


def _by_title(summary: Summary) -> dict[str, list[Table]]:
    groups: dict[str, list[Table]] = defaultdict(list)
    for table in summary.tables:
        groups[table.title].append(table)
    return groups


def _drawn(summary: Summary) -> dict[str, Any]:
    """The stacked bars of time parts: for each load and operation, each band, each store, ms."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for each in summary.parts:
        load = wording.under(msgspec.structs.replace(each, variant=None))
        what = found.setdefault(f"{each.operation}; {load}", {})
        for name, band in each.bands.items():
            if band is not None:
                ms = {part: us / 1000 for part, us in band.parts_us.items()}
                what.setdefault(name, {})[display_name(each.variant, each.store)] = ms
    return {"order": ORDER, "views": {what: bands for what, bands in found.items() if bands}}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("windtunnel.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"wording": wording, "whisker": whisker, "broken": broken}
    environment.globals |= {"comparison": comparison, "tuning": tuning}
    environment.filters["json"] = _readable
    return environment


def _spans(table: Table) -> dict[str, tuple[float, float]]:
    """From the least to the greatest end of any interval in each column."""
    found = {}
    for metric in table.metrics:
        scores = [row.scores[metric] for row in table.rows if row.scores]
        lows = [score.low for score in scores if score.low]
        highs = [score.high for score in scores if score.high]
        if lows and highs:
            found[metric] = (min(lows), max(highs))
    return found


def whisker(
    low: float, estimate: float, high: float, span: tuple[float, float]
) -> dict[str, float]:
    """Where an interval lies in its column's span, in percent of a log scale."""
    width = math.log(span[1] / span[0]) or 1.0
    ends = {"low": low, "at": estimate, "high": high}
    return {name: round(100 * math.log(end / span[0]) / width, 1) for name, end in ends.items()}


def broken(store: str) -> Markup:
    """A store's id that may wrap after its slashes."""
    return Markup("/<wbr>").join(store.split("/"))


def _asset(name: str) -> Markup:
    text = (
        resources.files("windtunnel.reports")
        .joinpath("templates", name)
        .read_text(encoding="utf-8")
    )
    return Markup(text)  # noqa: S704 - our own file


def _plotly() -> Markup:
    found = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    return Markup(found.read_text(encoding="utf-8"))  # noqa: S704 - the library's own file


def _embedded(data: Any) -> Markup:
    text = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - no tag can start in it any more


def _readable(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
