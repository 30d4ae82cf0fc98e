"""README.md and docs/ say what is so: tables, commands, options, fields, paths and links exist."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.core
import typer.main

from bench.cli import app
from bench.disk import results, streams, tuned
from bench.measure import host
from server.api.enums import Durability
from server.api.openapi import document
from server.engines import discover
from server.routes import PLAIN
from tests import tables

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
TEXTS = {page.name: page.read_text() for page in PAGES}
README = TEXTS["README.md"]
MOST_LINES = 150

SCENARIOS = sorted(path.stem for path in (ROOT / "locustfiles").glob("[!_]*.py"))

HELP = "import locustfiles.{}, locust.argument_parser as p; print(p.get_parser().format_help())"
"""Locust's own --help leaves a scenario's options out."""

PROCESSES = {
    **{f"locust -f locustfiles/{s}.py": ["-c", HELP.format(s), "--help"] for s in SCENARIOS},
    "python -m server": ["-m", "server", "--help"],
    "gunicorn": ["-m", "gunicorn", "--help"],
}
"""Other commands of ours, and what of Python's prints their options."""


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


def test_readme_begins_the_ranking_and_a_page_has_all_of_it() -> None:
    rows = [ranked(TEXTS[page]) for page in ("README.md", "ranking.md")]
    assert len(rows[0]) == 5
    assert rows[0] == rows[1][:5]


def ranked(text: str) -> list[str]:
    return re.findall(r"^\| \d+ \| .*$", text, re.MULTILINE)


@pytest.mark.parametrize(("name", "page"), [("engines", "engines.md"), ("routes", "server.md")])
def test_a_table_is_as_the_code_has_it(name: str, page: str) -> None:
    table = getattr(tables, name)()
    assert table in TEXTS[page], f"docs/{page} should have this table of {name}:\n\n{table}\n"


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


CODE = sorted({line for text in TEXTS.values() for line in code(text) if line})


def after(name: str, line: str) -> list[str]:
    """Return the words of a line that follow a command, or nothing."""
    match = re.search(rf"(?:^|[\s/]){re.escape(name)}(?=\s|$)(.*)", line)
    return shlex.split(match[1]) if match else []


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}


def commands(command: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Yield each command by its words, as `split set`, and groups of them."""
    yield " ".join(names), command
    if isinstance(command, typer.core.TyperGroup):
        for name, part in command.commands.items():
            yield from commands(part, *names, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def command_of(line: str) -> str | None:
    """Return the longest name of a command that a line begins with."""
    words = after("windtunnel", line)
    names = (" ".join(words[:count]) for count in (2, 1))
    return next((name for name in names if name in COMMANDS), None)


def taken(name: str) -> set[str]:
    options = COMMANDS[name].params
    return {text for option in options for text in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("line", [line for line in CODE if after("windtunnel", line)])
def test_a_command_and_its_options_exist(line: str) -> None:
    name = "" if line == "windtunnel COMMAND --help" else command_of(line)
    assert name is not None
    assert options(after("windtunnel", line)) <= taken(name) | {"--help", "-h"}


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"", "split"}))
def test_a_command_is_described_with_each_of_its_options(name: str) -> None:
    pages = "\n".join(TEXTS[page] for page in ("cli.md", "split.md", "tuning.md"))
    assert name in {command_of(line) for line in code(pages)}
    long = {option for option in taken(name) if option.startswith("--")}
    assert long <= set(re.findall(r"--[a-z-]+[a-z]", pages))


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
def test_every_option_of_a_scenario_is_named(scenario: str) -> None:
    added = known_options(*PROCESSES[f"locust -f locustfiles/{scenario}.py"])
    added -= known_options("-m", "locust", "--help")
    assert "--stores" in added
    assert added <= set(re.findall(r"--[a-z-]+[a-z]", TEXTS["locust.md"]))


def test_a_target_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {words[0] for line in CODE if (words := after("make", line))}
    assert {"bench", "test", "ui"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


# -- what a run leaves on disk ----------------------------------------------------------------

STRUCTS = {
    "run.json": results.RunInfo,
    "ledger": results.Ledger,
    "cells.jsonl": results.Cell,
    "Results of an operation": results.OperationResult,
    "Latencies": results.Times,
    "Bystander": results.Bystander,
    "CPU time": results.CpuSeconds,
    "Streams": results.StreamOfCell,
    "series.jsonl": streams.Second,
    "Results of a second": streams.SecondOfOperation,
    "samples.jsonl": streams.SampledRequest,
    "tune.json": tuned.Tuned,
    "A split that was tried": tuned.Tried,
    "An SLO of a split": tuned.Objective,
    "A kind of work": tuned.Kind,
    "An estimate": tuned.Figure,
}
"""What each section of docs/results-format.md describes."""

FIELDS = {
    **{head: set(struct.__struct_encode_fields__) for head, struct in STRUCTS.items()},
    "host": set(host.gather()),
}


@pytest.mark.parametrize("head", FIELDS)
def test_a_section_describes_the_fields_that_are_written(head: str) -> None:
    section = TEXTS["results-format.md"].split(f"# {head}\n")[1].split("\n#")[0]
    firsts = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(firsts))) == FIELDS[head]


def test_every_part_of_a_file_has_a_section() -> None:
    roots = (results.RunInfo, results.Cell, streams.Second, streams.SampledRequest, tuned.Tuned)
    _, definitions = msgspec.json.schema_components(roots)
    assert set(definitions) == {struct.__name__ for struct in STRUCTS.values()}


# -- variables --------------------------------------------------------------------------------

VARIABLE = re.compile(r"WINDTUNNEL_[A-Z_]*[A-Z]")


def services() -> set[str]:
    return {e.service.name.upper() for e in discover().values() if e.service is not None}


def addresses() -> set[str]:
    """Return the variables that hold addresses: of each service, and of each for a durability."""
    durabilities = ["", *(f"_{durability.upper()}" for durability in Durability)]
    return {f"WINDTUNNEL_{name}{last}_URL" for name in services() for last in durabilities}


def variables(*folders: str) -> set[str]:
    """Return the variables that the code of these folders names, addresses excepted."""
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    names = {name for path in sources for name in VARIABLE.findall(path.read_text())}
    return {name for name in names if not name.endswith("_URL")}


@pytest.mark.parametrize("page", TEXTS)
def test_every_variable_named_is_read(page: str) -> None:
    read = variables("bench", "deploy", "server", "tests") | addresses()
    assert set(VARIABLE.findall(TEXTS[page])) <= read


def test_every_variable_that_is_read_is_named() -> None:
    assert variables("bench", "deploy", "server") <= set(VARIABLE.findall(TEXTS["cli.md"]))


def test_every_service_can_be_given_an_address() -> None:
    named = set(re.findall(r"WINDTUNNEL_[A-Z]+_URL", TEXTS["engines.md"]))
    assert named == {f"WINDTUNNEL_{name}_URL" for name in services()}


# -- links, files and modules -----------------------------------------------------------------


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
