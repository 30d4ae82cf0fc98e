"""How wide the widest ratio still is: more rounds and steadier ones make it narrower."""

import math
from pathlib import Path
from typing import Any

from tests.windtunnel.generate import Made, cells, info
from windtunnel.analysis.precision import precision
from windtunnel.recording.results import Run

STORES = ("redis/async/fast", "sqlite/async/fast")


def width(**changes: Any) -> float:
    widest = precision(run_of(**changes))
    assert widest
    return widest.width


def run_of(**changes: Any) -> Run:
    made = Made(**{"stores": STORES, "mixes": ("read",), "samples": 2000, **changes})
    return Run(path=Path("made"), info=info(made), cells=cells(made), damaged=[])


def test_fewer_than_six_rounds_know_nothing_yet() -> None:
    assert width(rounds=5) == math.inf
    assert width(rounds=6) < math.inf


def test_a_steadier_machine_and_more_rounds_make_it_narrower() -> None:
    assert width(drift=0.002) < width(drift=0.05) < width(drift=0.2)
    assert width(rounds=24, drift=0.05) < width(rounds=6, drift=0.05)


def test_the_widest_is_named() -> None:
    widest = precision(run_of(base_us={STORES[0]: 100.0, STORES[1]: 900.0}))
    assert widest
    assert widest.subject == "read of sqlite/async/fast, each operation alone"


def test_open_load_is_judged_by_response_times() -> None:
    assert width(users=(), rates=(500.0,)) < math.inf


def test_a_store_alone_is_asked_for_its_own_interval() -> None:
    assert 0 < width(stores=STORES[:1], drift=0.02) < 0.2


def test_variants_are_asked_for_their_ratio() -> None:
    made: dict[str, Any] = {"stores": STORES[:1], "variants": ("base", "against")}
    assert 0 < width(**made, drift=0.02) < 0.2
    assert width(**made, rounds=5) == math.inf


def test_where_nothing_can_be_ranked_no_round_would_help() -> None:
    assert precision(run_of(failing=dict.fromkeys(STORES, 1.0))) is None
    assert precision(run_of(rounds=0)) is None
