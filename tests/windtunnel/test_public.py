"""What `from windtunnel import ...` offers to a scenario, and what the import must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import windtunnel

PUBLIC = {
    "OK", "WRONG", "Address", "Assignment", "Client", "Deadlines", "Defaults", "RecordUser",
    "Response", "Session", "SlowKind", "SlowUser", "SlowWork", "StoreUser",
}  # fmt: skip

LOCUSTFILES = sorted((Path(__file__).parents[2] / "locustfiles").glob("*.py"))


def test_the_public_names_are_these() -> None:
    assert set(windtunnel.__all__) == PUBLIC
    assert set(dir(windtunnel)) >= PUBLIC


def test_every_public_name_can_be_imported() -> None:
    """In a process of its own: some of them import locust, which patches the whole process."""
    code = f"from windtunnel import {', '.join(sorted(PUBLIC))}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_public_name_is_the_one_that_type_checkers_see() -> None:
    """Each is imported for them from the module that it is resolved from."""
    tree = ast.parse(Path(windtunnel.__file__).read_text())
    modules = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("windtunnel")
        for alias in node.names
    }
    assert modules == {name: f"windtunnel.{module}" for name, module in windtunnel._MODULES.items()}
    assert set(modules) == PUBLIC


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Crowd'"):
        windtunnel.Crowd  # noqa: B018


@pytest.mark.parametrize("path", LOCUSTFILES, ids=lambda path: path.stem)
def test_a_scenario_needs_public_names_only(path: Path) -> None:
    modules = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    assert modules <= {"__future__", "locust", "windtunnel"}


@pytest.mark.parametrize(
    "module",
    [
        "windtunnel",
        "windtunnel.cli.main",
        "windtunnel.runner.cell_order",
        "windtunnel.runner.cell_plan",
        "windtunnel.runner.request",
    ],
)
def test_what_builds_orders_loads_no_load_generator(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{'gevent', 'locust'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
