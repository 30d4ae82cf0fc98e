"""Links, files and modules that the documentation names exist."""

from __future__ import annotations

import ast
import re
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, TEXTS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def links(page: Path) -> list[str]:
    """Return what a page links to within the project."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in targets if "://" not in target]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_readme_links_to_every_page() -> None:
    linked = {ROOT / link for link in links(ROOT / "README.md")}
    assert {page for page in PAGES if page.name != "README.md"} <= linked


def test_contributing_has_a_row_for_every_package() -> None:
    packages = {*ROOT.glob("*/__init__.py"), *ROOT.glob("windtunnel/*/__init__.py")}
    names = {str(package.parent.relative_to(ROOT)) for package in packages} - {"windtunnel"}
    rows = re.findall(r"^\| (`.+?) \|", TEXTS["CONTRIBUTING.md"], re.MULTILINE)
    assert names | {"docs"} == set(re.findall(r"`([\w/]+)/`", " ".join(rows)))


LIBRARIES = Path(sysconfig.get_path("purelib"))
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
FILE = re.compile(rf"(?<![\w./-])(?:(?:{'|'.join(FOLDERS)}|docs)/[\w./-]*|[\w-]+/[\w/-]+\.py)")
MODULE = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})(?:\.\w+)+")
FORMATS = (".conf", ".sock", ".toml", ".j2", ".py")
"""What `nginx.conf` and its like end in: files, no modules."""


@pytest.mark.parametrize("page", TEXTS)
def test_a_file_that_is_named_exists(page: str) -> None:
    names = {name.rstrip(".") for name in FILE.findall(TEXTS[page])}
    missing = {n for n in names if not (ROOT / n).exists() and not (LIBRARIES / n).exists()}
    assert not missing


@pytest.mark.parametrize("page", TEXTS)
def test_a_module_that_is_named_exists(page: str) -> None:
    names = {name for name in MODULE.findall(TEXTS[page]) if not name.endswith(FORMATS)}
    assert not {name for name in names if not exists(name)}


def exists(name: str) -> bool:
    """Return whether a dotted name is a package, a module, or a name that a module has."""
    path, rest = ROOT, name.split(".")
    while rest and (path / rest[0]).is_dir():
        path /= rest.pop(0)
    if rest and (path / f"{rest[0]}.py").is_file():
        path /= f"{rest.pop(0)}.py"
    else:
        path /= "__init__.py"
    return path.is_file() and set(rest) <= names_of(path)


@cache
def names_of(module: Path) -> set[str]:
    """Return all names that a module binds, those of its classes too."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    named = {n.name for n in nodes if isinstance(n, ast.ClassDef | ast.FunctionDef | ast.alias)}
    return named | {n.id for n in nodes if isinstance(n, ast.Name)}
