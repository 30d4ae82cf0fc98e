"""What nginx's access log adds to samples: how much of a request's time was nginx's.

nginx's clock ticks in milliseconds, too coarse for a request below `RESOLVED_US`: there nginx and
the wait for the event loop stay one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import msgspec

from windtunnel.recording.series import SAMPLES_FILE

RESOLVED_US: Final = 5_000.0
"""Microseconds of service time from which on nginx and the loop are separate parts."""

FLUSHED_S: Final = 2.0
"""Seconds after which every line is in the log: nginx flushes it once a second."""


class _Entry(msgspec.Struct):
    request_id: str
    upstream_response: str = ""


_decode = msgspec.json.Decoder(_Entry).decode


def upstream_times(lines: Iterable[bytes], ids: frozenset[str]) -> dict[str, float]:
    """Return for the requests with these ids how long nginx waited for the process, in us.

    From connecting to the last byte (`$upstream_response_time`). A request that went to several
    processes or to none, or that is logged twice, is left out, and so is a line that is cut.
    """
    times: dict[str, float] = {}
    duplicates = set()
    for line in lines:
        with suppress(msgspec.MsgspecError, ValueError):
            entry = _decode(line)
            if entry.request_id in ids:
                if entry.request_id in times:
                    duplicates.add(entry.request_id)
                times[entry.request_id] = float(entry.upstream_response) * 1e6
    return {id_: us for id_, us in times.items() if id_ not in duplicates}


def with_nginx(sample: Mapping[str, Any], upstream_us: float) -> dict[str, Any]:
    """Return a sample whose part `loop` is split into `nginx` and `loop`; their sum stays."""
    parts = sample["parts_us"]
    if sample["service_us"] < RESOLVED_US or parts.get("nginx") is not None:
        return dict(sample)
    nginx_and_loop = parts["loop"]
    handler = parts["wait"] + parts["driver"] + parts["handler"]
    loop = round(min(max(upstream_us - handler, 0.0), nginx_and_loop), 1)
    return {**sample, "parts_us": {**parts, "nginx": round(nginx_and_loop - loop, 1), "loop": loop}}


class AccessLog:
    """nginx's access log, from its end at the time when this was made.

    Samples of cells with one process are left out, as that is loaded directly, unless `every`
    request goes through nginx.
    """

    def __init__(self, log: Path, *, every: bool = False) -> None:
        self._log = log
        self._every = every
        self._offset = log.stat().st_size if log.exists() else 0

    def join(self, folder: Path) -> int:
        """Add nginx's part to the samples of the run in `folder`; return of how many it is logged.

        Waits at most `FLUSHED_S` seconds for the last of them. The file of samples is replaced
        atomically. Raises OSError.
        """
        file = folder / SAMPLES_FILE
        if not file.exists():
            return 0
        samples = _complete(file.read_bytes())
        times = self._await_times(
            frozenset(s["request_id"] for s in samples if self._went_through(s))
        )
        draft = file.with_name(f".{SAMPLES_FILE}")
        with draft.open("wb") as stream:
            for sample in samples:
                us = times.get(sample["request_id"])
                joined = sample if us is None else with_nginx(sample, us)
                stream.write(msgspec.json.encode(joined) + b"\n")
        draft.replace(file)
        return len(times)

    def _went_through(self, sample: Mapping[str, Any]) -> bool:
        """Whether nginx may have logged a sample."""
        return bool(sample["request_id"]) and (self._every or sample["processes"] > 1)

    def _await_times(self, ids: frozenset[str]) -> dict[str, float]:
        deadline = monotonic() + FLUSHED_S
        times = self._times(ids)
        while len(times) < len(ids) and monotonic() < deadline:
            sleep(0.1)
            times = self._times(ids)
        return times

    def _times(self, ids: frozenset[str]) -> dict[str, float]:
        with self._log.open("rb") as log:
            log.seek(self._offset)
            return upstream_times(log, ids)


def _complete(lines: bytes) -> list[dict[str, Any]]:
    """The samples; a line that was cut when the run was interrupted is left out."""
    samples = []
    for line in lines.splitlines():
        with suppress(msgspec.MsgspecError):
            samples.append(msgspec.json.decode(line))
    return samples
