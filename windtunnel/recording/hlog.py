"""Interval logs, `<store>.hlog`, that open in any HdrHistogram tool: one interval a cell.

Format 1.2 (HdrHistogram, "HistogramLogWriter"). Values are in microseconds; the column of maxima
is in milliseconds. A tag says what an interval is of, so that a tool can tell a file apart:
`read:service`, `read:response`, and before that variant, mix and load, as `base/balanced/500rps`;
`60rps+2slow` has slow work beside it, and several processes are told, as `500rps/2processes`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter

from windtunnel.recording import jsonl
from windtunnel.recording.results import OK, Cell, OperationResult, ResultsError

US_PER_MS = 1000.0


def append(run_dir: Path, cell: Cell, ended: datetime | None = None) -> None:
    """Add a cell that ended then (now) to its store's log, void ones not.

    Raises ResultsError, and then the log is as it was.
    """
    if cell.void is not None:
        return
    path = run_dir / f"{name(cell.subject)}.hlog"
    until = (ended or datetime.now(UTC)).timestamp()
    try:
        new = not path.exists() or not path.stat().st_size
        jsonl.append_whole(path, _lines(cell, until, head=new).encode(), create=True)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror or error}") from error


def name(store: str) -> str:
    """A store's id as the name of a file."""
    return store.replace("/", ".")


def tags(cell: Cell, result: OperationResult) -> Iterator[tuple[str, str]]:
    """The tag of each latency of an operation, with its histogram, encoded."""
    where = "/".join(filter(None, (cell.variant, cell.mix, _load(cell))))
    pool = "" if result.pool == "fast" else f":{result.pool}"
    what = f"{result.operation}{pool}{'' if result.outcome == OK else f':{result.outcome}'}"
    for kind, times in (("service", result.service_us), ("response", result.response_us)):
        if times is not None and times.histogram:
            yield _bare(f"{where}/{what}:{kind}"), times.histogram


def _load(cell: Cell) -> str:
    load = f"{cell.users}users" if cell.rate is None else f"{cell.rate:g}rps"
    slow = "" if cell.slow_rate is None else f"+{cell.slow_rate:g}slow"
    processes = f"/{cell.processes}processes" if cell.processes > 1 else ""
    return f"{load}{slow}{processes}"


def _bare(tag: str) -> str:
    """A tag may hold neither commas nor spaces nor line breaks."""
    return "_".join(tag.replace(",", " ").split())


def _lines(cell: Cell, until: float, *, head: bool) -> str:
    text = StringIO()
    log = HistogramLogWriter(text)
    if head:
        log.output_comment(f"[Windtunnel: {cell.store}, microseconds]")
        log.output_log_format_version()
        log.output_legend()
    for result in cell.operations:
        for tag, histogram in tags(cell, result):
            text.write(f"Tag={tag},")
            _interval(log, histogram, until - cell.seconds, until)
    return text.getvalue()


def _interval(log: HistogramLogWriter, histogram: str, since: float, until: float) -> None:
    log.output_interval_histogram(HdrHistogram.decode(histogram), since, until, US_PER_MS)
