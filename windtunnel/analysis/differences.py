"""What two runs, or two variants, differ in besides what they are compared for."""

from collections.abc import Iterator
from typing import Any

import msgspec

from windtunnel.recording.results import Ledger, Run

TRANSIENT = {"load_average", "uptime", "free_bytes", "time"}
"""Facts that differ between any two moments and mean nothing."""


def differences(first: Run, second: Run) -> list[str]:
    """One line for each difference: environment, code and settings, then the ledgers."""
    a, b = first.info, second.info
    return [
        *_values("host", a.host, b.host),
        *_values("code", a.git, b.git),
        *_values("settings", a.settings, b.settings),
        *_values("", {"seed": a.seed}, {"seed": b.seed}),
        *_targets(first, second),
        *(
            line
            for store in sorted(a.stores.keys() & b.stores.keys())
            for line in _ledgers(store, a.stores[store], b.stores[store])
        ),
    ]


def _values(prefix: str, first: dict[str, Any], second: dict[str, Any]) -> Iterator[str]:
    for key in sorted(first.keys() | second.keys()):
        before, after = first.get(key), second.get(key)
        if key in TRANSIENT or before == after:
            continue
        name = f"{prefix} {key}".strip()
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _values(name, before, after)
        else:
            yield f"{name}: {_short(before)}, then {_short(after)}"


def _targets(first: Run, second: Run) -> Iterator[str]:
    before, after = (sorted({cell.target or "" for cell in run.cells}) for run in (first, second))
    if before != after:
        yield f"target: {', '.join(before)}, then {', '.join(after)}"


def _ledgers(store: str, first: Ledger, second: Ledger) -> Iterator[str]:
    yield from _values(f"{store}:", msgspec.structs.asdict(first), msgspec.structs.asdict(second))


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
