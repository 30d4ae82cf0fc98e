"""README.md and docs/ say what is so: tables, commands, options, variables and links are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
import typer.core
import typer.main

from bench.cli import app
from server.api.enums import Durability
from server.api.openapi import document
from server.engines import discover
from server.routes import PLAIN
from tests import tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

SCENARIOS = sorted(path.stem for path in (ROOT / "locustfiles").glob("[!_]*.py"))

HELP = "import locustfiles.{}, locust.argument_parser as p; print(p.get_parser().format_help())"
"""Locust's own --help leaves a scenario's options out."""

PROCESSES = {
    **{f"locust -f locustfiles/{s}.py": ["-c", HELP.format(s), "--help"] for s in SCENARIOS},
    "python -m server": ["-m", "server", "--help"],
    "gunicorn": ["-m", "gunicorn", "--help"],
}
"""Other commands of ours, and what of Python's prints their options."""


@pytest.mark.parametrize("name", ["engines", "routes"])
def test_a_table_is_as_the_code_has_it(name: str) -> None:
    right = getattr(tables, name)()
    assert right in README, f"README.md should have this table of {name}:\n\n{right}\n"


def test_the_routes_described_are_those_served() -> None:
    described = {path for path in document([])["paths"] if "{" not in path}
    assert described == set(PLAIN)


# -- commands ---------------------------------------------------------------------------------


def code(text: str) -> Iterator[str]:
    """Yield each line of a block of code, comments left out, and each span of code."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for block in blocks:
        yield from (line.partition(" #")[0].strip() for line in block.splitlines())
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest))


CODE = sorted({line for page in PAGES for line in code(page.read_text()) if line})


def after(name: str, line: str) -> list[str]:
    """Return the words of a line that follow a command, or nothing."""
    found = re.search(rf"(?:^|[\s/]){re.escape(name)}(?=\s|$)(.*)", line)
    return shlex.split(found[1]) if found else []


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}


@pytest.mark.parametrize("line", [line for line in CODE if after("windtunnel", line)])
def test_a_command_and_its_options_exist(line: str) -> None:
    tree = typer.main.get_command(app)
    assert isinstance(tree, typer.core.TyperGroup)
    name, *rest = after("windtunnel", line)
    assert name in tree.commands, f"windtunnel has no {name!r}"
    command = tree.commands[name]
    while isinstance(command, typer.core.TyperGroup) and rest:
        name, *rest = rest
        assert name in command.commands, f"{line!r}: there is no {name!r}"
        command = command.commands[name]
    known = {"--help", "-h"}
    for option in command.params:
        known |= {*option.opts, *option.secondary_opts}
    assert options(rest) <= known


@cache
def known_options(*arguments: str) -> set[str]:
    """Return the options in what a command of Python's prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout))


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name in PROCESSES for line in CODE if after(name, line)]
)
def test_an_option_of_another_command_exists(name: str, line: str) -> None:
    assert options(after(name, line)) <= known_options(*PROCESSES[name])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_readme_names_every_option_of_a_scenario(scenario: str) -> None:
    added = known_options(*PROCESSES[f"locust -f locustfiles/{scenario}.py"])
    added -= known_options("-m", "locust", "--help")
    assert "--stores" in added
    assert added <= set(re.findall(r"--[a-z-]+[a-z]", README))


def test_a_target_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {words[0] for line in CODE if (words := after("make", line))}
    assert {"bench", "test", "ui"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


# -- variables and links ----------------------------------------------------------------------


def addresses() -> set[str]:
    """Return the variables that hold addresses: of each service, and of each for a durability."""
    services = {e.service.name.upper() for e in discover().values() if e.service is not None}
    durabilities = ["", *(f"_{durability.upper()}" for durability in Durability)]
    return {f"WINDTUNNEL_{name}{last}_URL" for name in services for last in durabilities}


def variables(folders: tuple[str, ...]) -> set[str]:
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {v for path in sources for v in re.findall(r"WINDTUNNEL_[A-Z_]*[A-Z]", path.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_named_is_read(page: Path) -> None:
    named = set(re.findall(r"WINDTUNNEL_[A-Z_]*[A-Z]", page.read_text()))
    known = variables(("bench", "deploy", "server", "tests")) | addresses()
    assert named <= known


def test_every_service_can_be_given_an_address_and_readme_says_so() -> None:
    named = set(re.findall(r"WINDTUNNEL_[A-Z]+_URL", README))
    services = {e.service.name.upper() for e in discover().values() if e.service is not None}
    assert named == {f"WINDTUNNEL_{name}_URL" for name in services}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in takewhile(lambda link: "://" not in link, sorted(links, key=lambda k: "://" in k)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
