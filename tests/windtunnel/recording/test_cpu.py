from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from windtunnel.recording import cpu, health, limits

BUSY = """
import subprocess, sys, time
CHILD = "import time\\nwhile time.process_time() < 0.2: pass"
def burn():
    n = 0
    while time.process_time() < 0.2: n += 1
for line in sys.stdin:
    if line == "self\\n": burn()
    if line == "child\\n": subprocess.run([sys.executable, "-c", CHILD])
    print(time.process_time_ns(), flush=True)
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.communicate(timeout=20)


def tell(process: subprocess.Popen[str], word: str) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_a_process_is_charged_what_it_used(busy: subprocess.Popen[str]) -> None:
    begun = tell(busy, "nothing")
    before = cpu.read({"server": [busy.pid]})
    used = tell(busy, "self") - begun
    spent = cpu.seconds(before, cpu.read({"server": [busy.pid]}))
    assert spent["server"] == pytest.approx(used / 1e9, rel=0.05)


def test_a_child_that_has_ended_is_charged_to_its_parent(busy: subprocess.Popen[str]) -> None:
    tell(busy, "nothing")
    before = cpu.read({"server": [busy.pid]})
    tell(busy, "child")
    spent = cpu.seconds(before, cpu.read({"server": [busy.pid]}))
    assert spent["server"] > 0.18  # it burns 0.2 s, and the kernel counts children in hundredths


def test_children_are_of_the_family(busy: subprocess.Popen[str]) -> None:
    tell(busy, "nothing")
    family = cpu.family([os.getpid()], cpu.processes())
    assert {os.getpid(), busy.pid} <= family
    assert 1 not in family or os.getpid() == 1


def test_a_group_whose_process_is_gone_has_no_figure() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert cpu.read({"server": [gone.pid], "database": []}) == {"server": None, "database": 0}
    with subprocess.Popen(["true"]) as zombie:
        while not cpu.processes()[zombie.pid].is_zombie:
            time.sleep(0.01)
        assert cpu.read({"server": [zombie.pid]}) == {"server": None}
    assert cpu.seconds({"server": None, "database": 0}, {"server": 5, "database": 0}) == {
        "database": 0.0
    }


def test_health_has_its_figures() -> None:
    ticks = health.cpu_ticks()
    assert health.stolen_share(ticks, ticks) == 0
    assert health.stolen_share((10, 100), (15, 200)) == 0.05
    assert health.descriptors() > 0
    assert limits.flags({"generator_cpu": 0.9, "steal": 0.0}) == [
        "the generator was the limit: a lower bound"
    ]
    assert limits.flags({"generator_cpu": 0.1, "steal": 0.3}) == [
        "more than 5% of the machine was stolen"
    ]
