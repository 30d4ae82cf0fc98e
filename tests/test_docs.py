"""README.md and docs/ agree with the code: tables, commands, options, variables."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer.core
import typer.main

from deploy.gunicorn import PORTS
from nginx.options import CHECKS
from nginx.split import HASH_KEYS, Balance
from server.api.enums import Durability, Mode
from server.api.openapi import document
from server.engines import discover
from server.routes import PLAIN
from tests import tables
from tests.pages import ROOT, TEXTS, code_lines
from windtunnel.cli.main import app

README = TEXTS["README.md"]
MAX_README_LINES = 150

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
    assert len(README.splitlines()) <= MAX_README_LINES


def test_readme_begins_the_ranking_and_a_page_has_all_of_it() -> None:
    rows = ranking_rows(README)
    assert len(rows) == 5
    assert rows == ranking_rows(TEXTS["ranking.md"])[:5]


def ranking_rows(text: str) -> list[str]:
    return re.findall(r"^\| \d+ \| .*$", text, re.MULTILINE)


@pytest.mark.parametrize(("name", "page"), [("engines", "engines.md"), ("routes", "server.md")])
def test_a_table_is_as_the_code_has_it(name: str, page: str) -> None:
    table = getattr(tables, name)()
    assert table in TEXTS[page], f"docs/{page} should have this table of {name}:\n\n{table}\n"


def test_the_keys_of_a_pool_are_described() -> None:
    section = TEXTS["split.md"].split("| key of a pool |")[1].split("\n\n")[0]
    columns = [row.split(" | ") for row in section.splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(row[0] for row in columns))) == set(CHECKS)
    (balances,) = [row[1] for row in columns if row[0] == "| `balance`"]
    assert re.findall(r"`(\w+)`", balances) == list(Balance)
    (hashes,) = [row[1] for row in columns if row[0] == "| `hash`"]
    assert set(HASH_KEYS) <= set(re.findall(r"`(\w+)`", hashes))


def test_the_servers_of_the_slow_part_are_described() -> None:
    table = TEXTS["wsgi.md"].split("| variant |")[1].split("\n\n")[0]
    variants = re.findall(r"^\| `(\S+)` \|", table, re.MULTILINE)
    servers = {f"tornado-{mode}" for mode in Mode} | {f"gunicorn-{worker}" for worker in PORTS}
    assert set(variants) == servers
    assert f"ports {min(PORTS.values())} to {max(PORTS.values())}" in TEXTS["wsgi.md"]


def test_the_routes_described_are_those_served() -> None:
    described = {path for path in document([])["paths"] if "{" not in path}
    assert described == set(PLAIN)


# -- commands ---------------------------------------------------------------------------------


CODE = sorted({line for text in TEXTS.values() for line in code_lines(text) if line})


def arguments_of(name: str, line: str) -> list[str]:
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
    words = arguments_of("windtunnel", line)
    names = (" ".join(words[:count]) for count in (2, 1))
    return next((name for name in names if name in COMMANDS), None)


def option_names(name: str) -> set[str]:
    options = COMMANDS[name].params
    return {text for option in options for text in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("line", [line for line in CODE if arguments_of("windtunnel", line)])
def test_a_command_and_its_options_exist(line: str) -> None:
    words = arguments_of("windtunnel", line)
    name = "" if words[0] == "COMMAND" or words[0].startswith("-") else command_of(line)
    assert name is not None
    assert options(words) <= option_names(name) | {"--help", "-h"}


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"", "split"}))
def test_a_command_is_described_with_each_of_its_options(name: str) -> None:
    pages = "\n".join(TEXTS[page] for page in ("cli.md", "split.md", "tuning.md"))
    assert name in {command_of(line) for line in code_lines(pages)}
    long = {option for option in option_names(name) if option.startswith("--")}
    assert long <= set(re.findall(r"--[a-z-]+[a-z]", pages))


@cache
def known_options(*arguments: str) -> set[str]:
    """Return the options in what a command of Python's prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout))


@pytest.mark.parametrize(
    ("name", "line"),
    [(name, line) for name in PROCESSES for line in CODE if arguments_of(name, line)],
)
def test_an_option_of_another_command_exists(name: str, line: str) -> None:
    assert options(arguments_of(name, line)) <= known_options(*PROCESSES[name])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_option_of_a_scenario_is_named(scenario: str) -> None:
    added = known_options(*PROCESSES[f"locust -f locustfiles/{scenario}.py"])
    added -= known_options("-m", "locust", "--help")
    assert "--stores" in added
    assert added <= set(re.findall(r"--[a-z-]+[a-z]", TEXTS["locust.md"]))


def test_a_target_of_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {words[0] for line in CODE if (words := arguments_of("make", line))}
    assert {"bench", "test", "ui"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


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
    read = variables("windtunnel", "deploy", "server", "tests") | addresses()
    assert set(VARIABLE.findall(TEXTS[page])) <= read


def test_every_variable_that_is_read_is_named() -> None:
    assert variables("windtunnel", "deploy", "server") <= set(VARIABLE.findall(TEXTS["cli.md"]))


def test_every_service_can_be_given_an_address() -> None:
    named = set(re.findall(r"WINDTUNNEL_[A-Z]+_URL", TEXTS["engines.md"]))
    assert named == {f"WINDTUNNEL_{name}_URL" for name in services()}
