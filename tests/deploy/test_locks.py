"""Who must stop a stack that was left by a killed command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.layout import PROJECT, Layout
from deploy.locks import stack_lease, take_over_lease
from deploy.services import Workspace

HOLD = """
import sys
from pathlib import Path
from deploy.layout import Layout
from deploy.locks import stack_lease
from deploy.services import Workspace
with stack_lease(Layout(Workspace(Path(sys.argv[1])))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lease_that_ended_leaves_nothing_to_take_over(tmp_path: Path) -> None:
    layout = Layout(Workspace(tmp_path))
    with stack_lease(layout):
        assert not take_over_lease(layout)
    assert not take_over_lease(layout)


def test_what_a_killed_process_leased_is_taken_over_once(tmp_path: Path) -> None:
    layout = Layout(Workspace(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not take_over_lease(layout)
        holder.kill()
    assert take_over_lease(layout)
    assert not take_over_lease(layout)
