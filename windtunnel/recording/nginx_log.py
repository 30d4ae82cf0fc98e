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

from windtunnel.recording.streams import SAMPLES_FILE

RESOLVED_US: Final = 5_000.0
"""Microseconds of service time from which on nginx and the loop are told apart."""

FLUSHED_S: Final = 2.0
"""Seconds after which every line is in the log: nginx writes them once a second."""


class _Line(msgspec.Struct):
    request_id: str
    upstream_response: str = ""


_decode = msgspec.json.Decoder(_Line).decode


def upstream_times(lines: Iterable[bytes], wanted: frozenset[str]) -> dict[str, float]:
    """Return by request id how long nginx waited for the process, in microseconds.

    From connecting to the last byte (`$upstream_response_time`). A request that went to several
    processes, to none, or is there twice is left out, and so is a line that is cut.
    """
    found: dict[str, float] = {}
    twice = set()
    for line in lines:
        with suppress(msgspec.MsgspecError, ValueError):
            told = _decode(line)
            if told.request_id in wanted:
                if told.request_id in found:
                    twice.add(told.request_id)
                found[told.request_id] = float(told.upstream_response) * 1e6
    return {id_: us for id_, us in found.items() if id_ not in twice}


def with_nginx(sample: Mapping[str, Any], upstream_us: float) -> dict[str, Any]:
    """Return a sample whose part `loop` is split into `nginx` and `loop`; their sum stays."""
    parts = sample["parts_us"]
    if sample["service_us"] < RESOLVED_US or parts.get("nginx") is not None:
        return dict(sample)
    both = parts["loop"]
    seen = parts["wait"] + parts["driver"] + parts["handler"]
    loop = round(min(max(upstream_us - seen, 0.0), both), 1)
    return {**sample, "parts_us": {**parts, "nginx": round(both - loop, 1), "loop": loop}}


class AccessLog:
    """nginx's log, from where it was when this was made."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0

    def join(self, folder: Path) -> int:
        """Tell the samples of the run in `folder` what the log knows, and return of how many.

        Waits at most `FLUSHED_S` seconds for the last of them. Raises OSError. The file is replaced
        at once, as a whole.
        """
        file = folder / SAMPLES_FILE
        if not file.exists():
            return 0
        samples = _whole(file.read_bytes())
        wanted = frozenset(one["request_id"] for one in samples if _through(one))
        known = self._awaited(wanted)
        draft = file.with_name(f".{SAMPLES_FILE}")
        with draft.open("wb") as out:
            for sample in samples:
                us = known.get(sample["request_id"])
                told = sample if us is None else with_nginx(sample, us)
                out.write(msgspec.json.encode(told) + b"\n")
        draft.replace(file)
        return len(known)

    def _awaited(self, wanted: frozenset[str]) -> dict[str, float]:
        until = monotonic() + FLUSHED_S
        known = self._known(wanted)
        while len(known) < len(wanted) and monotonic() < until:
            sleep(0.1)
            known = self._known(wanted)
        return known

    def _known(self, wanted: frozenset[str]) -> dict[str, float]:
        with self._log.open("rb") as log:
            log.seek(self._offset)
            return upstream_times(log, wanted)


def _whole(lines: bytes) -> list[dict[str, Any]]:
    """The samples; a line that was cut when the run was interrupted is left out."""
    found = []
    for line in lines.splitlines():
        with suppress(msgspec.MsgspecError):
            found.append(msgspec.json.decode(line))
    return found


def _through(sample: Mapping[str, Any]) -> bool:
    """Whether a sample may be in the log: one process is loaded straight."""
    return bool(sample["request_id"]) and sample.get("processes", 2) > 1
