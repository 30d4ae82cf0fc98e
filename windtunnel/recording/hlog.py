"""Interval logs, `<store>.hlog`, that open in any HdrHistogram tool: one interval a cell.

Format 1.2 (HdrHistogram, "HistogramLogWriter"). Values are in microseconds; the column of maxima
is in milliseconds. A tag names what an interval is of, so that a tool can select: `read:service` or
`read:response`, and before that variant, mix and load, as in `base/balanced/500rps:...`; slow work
beside it is `60rps+2slow`, several processes are `500rps/2processes`.
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


def append(folder: Path, cell: Cell, ended: datetime | None = None) -> None:
    """Add a cell that ended at `ended` (now) to its store's log, unless it is void.

    Raises ResultsError, and then the log is unchanged.
    """
    if cell.void is not None:
        return
    path = folder / f"{name(cell.subject)}.hlog"
    until = (ended or datetime.now(UTC)).timestamp()
    try:
        new = not path.exists() or not path.stat().st_size
        jsonl.append_whole(path, _lines(cell, until, head=new).encode(), create=True)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror or error}") from error


def name(store: str) -> str:
    """Return a store's id as the name of a file."""
    return store.replace("/", ".")


def tags(cell: Cell, result: OperationResult) -> Iterator[tuple[str, str]]:
    """Yield the tag of each latency of an operation, and its encoded histogram."""
    prefix = "/".join(filter(None, (cell.variant, cell.mix, _load(cell))))
    pool = "" if result.pool == "fast" else f":{result.pool}"
    subject = f"{result.operation}{pool}{'' if result.outcome == OK else f':{result.outcome}'}"
    for latency, summary in (("service", result.service_us), ("response", result.response_us)):
        if summary is not None and summary.histogram:
            yield _sanitized(f"{prefix}/{subject}:{latency}"), summary.histogram


def _load(cell: Cell) -> str:
    load = f"{cell.users}users" if cell.rate is None else f"{cell.rate:g}rps"
    slow = "" if cell.slow_rate is None else f"+{cell.slow_rate:g}slow"
    processes = f"/{cell.processes}processes" if cell.processes > 1 else ""
    return f"{load}{slow}{processes}"


def _sanitized(tag: str) -> str:
    """A tag without commas, spaces and line breaks, which it may not hold."""
    return "_".join(tag.replace(",", " ").split())


def _lines(cell: Cell, until: float, *, head: bool) -> str:
    buffer = StringIO()
    log = HistogramLogWriter(buffer)
    if head:
        log.output_comment(f"[Windtunnel: {cell.subject}, microseconds]")
        log.output_log_format_version()
        log.output_legend()
    for result in cell.operations:
        for tag, histogram in tags(cell, result):
            buffer.write(f"Tag={tag},")
            _interval(log, histogram, until - cell.seconds, until)
    return buffer.getvalue()


def _interval(log: HistogramLogWriter, histogram: str, since: float, until: float) -> None:
    log.output_interval_histogram(HdrHistogram.decode(histogram), since, until, US_PER_MS)
