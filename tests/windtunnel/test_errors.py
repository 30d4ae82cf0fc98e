"""Every error that reaches the user has an exit code, and the tree is as it is drawn."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import TEXTS
from windtunnel import errors
from windtunnel.errors import ExitCode, SetupError, UsageError, WindtunnelError

ROOT = Path(__file__).parent.parent.parent
INTERNAL = {"FailureError", "Problem", "ResponseError"}
"""What never ends a command: counted as a failed request, or answered by HTTP."""


def definitions() -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each error, from the text: many need gevent to import."""
    for package in ("windtunnel", "deploy", "nginx", "server"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and is_error(node):
                    yield module, node.name


def is_error(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return any(base.endswith(("Error", "Exception")) for base in bases)


DEFINITIONS = list(definitions())


def test_a_name_is_of_one_error() -> None:
    assert [name for name, count in Counter(n for _, n in DEFINITIONS).items() if count > 1] == []


def bases(module: str, name: str) -> list[str]:
    (node,) = [
        node
        for node in ast.walk(ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text()))
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    return [ast.unparse(base) for base in node.bases]


def drawing() -> dict[str, str]:
    """Return the base of each error in the drawing."""
    assert errors.__doc__
    parents: list[str] = []
    tree = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"([│ ]*)[├└]── (\w+)", line):
            depth = len(match[1]) // 4 + 1
            tree[match[2]] = parents[depth - 1]
            parents[depth:] = [match[2]]
        elif line == "WindtunnelError":
            parents = [line]
    return tree


def test_the_tree_is_as_it_is_drawn() -> None:
    tree = {
        name: bases(module, name)[0]
        for module, name in DEFINITIONS
        if module.startswith("windtunnel.") and name not in INTERNAL | {"WindtunnelError"}
    }
    of_deploy = {name for name, base in tree.items() if base == "StackError"}
    assert {name: base for name, base in tree.items() if name not in of_deploy} == drawing()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param(module, name, id=name)
        for module, name in DEFINITIONS
        if not module.startswith("windtunnel.") and name not in INTERNAL
    ],
)
def test_an_error_of_another_package_has_an_exit_code(module: str, name: str) -> None:
    error = getattr(importlib.import_module(module), name)
    assert error.exit_code in {ExitCode.USAGE, ExitCode.SETUP}


def test_an_error_has_the_exit_code_of_its_kind() -> None:
    assert inspect.getattr_static(WindtunnelError, "exit_code") == ExitCode.FAILED
    assert UsageError.exit_code == ExitCode.USAGE
    assert SetupError.exit_code == ExitCode.SETUP


def test_the_page_has_every_exit_code() -> None:
    section = TEXTS["cli.md"].split("## Exit codes")[1].split("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(
        ExitCode
    )
