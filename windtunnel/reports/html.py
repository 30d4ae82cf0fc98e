"""The report as one self-contained file: its scripts, styles and data inside, nothing fetched."""

import math
from collections import defaultdict
from importlib import resources
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from windtunnel.analysis import answers, wording
from windtunnel.analysis.analyse import Analysis
from windtunnel.analysis.breakdown import ORDER
from windtunnel.analysis.charts import STACKED, charts, overlay_variants
from windtunnel.analysis.keys import StoreKey
from windtunnel.analysis.metrics import METRICS
from windtunnel.analysis.summary import OVERALL, Summary, Table
from windtunnel.reports import comparison, tuning


def render(analysis: Analysis) -> str:
    """The content of `report.html`, from the analysis of a run alone."""
    summary = analysis.summary
    tables = _by_title(summary)
    views = overlay_variants(
        (
            entry.title_of_variants,
            entry.group,
            charts(entry.title, entry.group, tables[entry.title]),
        )
        for entry in analysis.groups
    )
    parts = _parts_by_load(summary)
    template = _environment().get_template("report.html.j2")
    return template.render(
        summary=summary,
        groups=tables,
        METRICS=METRICS,
        OVERALL=OVERALL,
        style=_asset("report.css"),
        script=_asset("report.js"),
        plotly=_plotly(),
        data=_embedded(
            {
                "views": views,
                "stacked": STACKED,
                "parts": parts,
                "seconds": analysis.timelines,
                "splits": summary.tuned.tried if summary.tuned else [],
            }
        ),
        has_times=bool(summary.parts),
        has_bands=bool(parts["views"]),
        has_seconds=any(chart["operations"] for chart in analysis.timelines),
        has_bars=any(view["stacked"] for view in views),
        has_curves=any(
            any(latencies.values()) for view in views for latencies in view["operations"].values()
        ),
        has_open=any(table.load.open for table in summary.tables),
        spans={table.title + table.subject: _spans(table) for table in summary.tables},
    )


def _by_title(summary: Summary) -> dict[str, list[Table]]:
    groups: dict[str, list[Table]] = defaultdict(list)
    for table in summary.tables:
        groups[table.title].append(table)
    return groups


def _parts_by_load(summary: Summary) -> dict[str, Any]:
    """The stacked bars of time parts: for each operation and load, each band, each store, ms."""
    views: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for parts in summary.parts:
        load = wording.parts_load(msgspec.structs.replace(parts, variant=None))
        bands = views.setdefault(f"{parts.operation}; {load}", {})
        for name, band in parts.bands.items():
            if band is not None:
                ms = {part: us / 1000 for part, us in band.parts_us.items()}
                bands.setdefault(name, {})[str(StoreKey(parts.subject, parts.variant))] = ms
    return {"order": ORDER, "views": {view: bands for view, bands in views.items() if bands}}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("windtunnel.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"wording": wording, "whisker": whisker, "breakable": breakable}
    environment.globals |= {"answers": answers, "comparison": comparison, "tuning": tuning}
    environment.filters["json"] = _indented_json
    return environment


def _spans(table: Table) -> dict[str, tuple[float, float]]:
    """From the least to the greatest end of any interval in each column."""
    spans = {}
    for metric in table.metrics:
        scores = [row.scores[metric] for row in table.rows if row.scores]
        lows = [score.low for score in scores if score.low]
        highs = [score.high for score in scores if score.high]
        if lows and highs:
            spans[metric] = (min(lows), max(highs))
    return spans


def whisker(
    low: float, estimate: float, high: float, span: tuple[float, float]
) -> dict[str, float]:
    """Where an interval lies in its column's span, in percent of a log scale."""
    width = math.log(span[1] / span[0]) or 1.0
    ends = {"low": low, "at": estimate, "high": high}
    return {name: round(100 * math.log(end / span[0]) / width, 1) for name, end in ends.items()}


def breakable(store: str) -> Markup:
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
    script = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    return Markup(script.read_text(encoding="utf-8"))  # noqa: S704 - the library's own file


def _embedded(data: Any) -> Markup:
    text = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - no tag can start in it any more


def _indented_json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
