"""`report.html` of a small real run, as a reader opens it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from shutil import copytree

import pytest
from playwright.sync_api import Locator, expect
from rich.console import Console

from tests.browser.conftest import OpenPage
from tests.browser.test_index import BRIGHTNESS
from tests.server.conftest import Server
from windtunnel.recording.results import CELLS_FILE
from windtunnel.reports import report as reports
from windtunnel.runner import run
from windtunnel.runner.request import Request

REQUEST = {"stores": ("memory/*", "sqlite/*/fast"), "rounds": 2, "duration": 0.3, "warmup": 0.1}


@pytest.fixture(scope="module")
def report(served: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("results")
    request = Request(host=f"http://127.0.0.1:{served.port}", **REQUEST)  # type: ignore[arg-type]
    folder = run.run(request, Console(file=StringIO()), into)
    reports.report(folder)
    return folder / reports.HTML_FILE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_it_shows_itself_without_asking_anybody(
    open_page: OpenPage, report: Path, scheme: str, width: int
) -> None:
    observed = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = observed.page
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("Windtunnel: crud")
    expect(page.locator(".js-plotly-plot svg.main-svg").first).to_be_visible()
    expect(page.locator("table.sortable").first).to_contain_text("sqlite")
    assert (page.evaluate(BRIGHTNESS) > 128) == (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not observed.errors
    assert not observed.foreign(report.as_uri())


def test_a_store_is_drawn_second_by_second(open_page: OpenPage, report: Path) -> None:
    page = open_page().page
    page.goto(report.as_uri())
    plot, boxes = page.locator("#second-plot"), page.locator("#second-stores")
    lines = plot.locator(".scatterlayer .trace")
    before = lines.count()
    assert before == 3 * boxes.get_by_role("checkbox", checked=True).count() > 0
    boxes.get_by_role("checkbox").first.uncheck()
    expect(lines).to_have_count(before - 3)
    page.get_by_label("Operation").last.select_option("create")
    expect(plot.locator(".gtitle")).to_contain_text("create")


def test_a_run_that_was_killed_in_its_first_cell_is_drawn_too(
    open_page: OpenPage, report: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    copytree(report.parent, killed)
    (killed / CELLS_FILE).write_text("")
    reports.report(killed)
    observed = open_page()
    observed.page.goto((killed / reports.HTML_FILE).as_uri())
    expect(observed.page.get_by_text("there is nothing to rank")).to_be_visible()
    expect(observed.page.locator("#second-plot .scatterlayer .trace").first).to_be_attached()
    assert not observed.errors


def texts(table: Locator) -> list[str]:
    return table.locator("tbody tr > :nth-child(2)").all_inner_texts()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_table_is_sorted_from_the_keyboard(open_page: OpenPage, report: Path, key: str) -> None:
    page = open_page().page
    page.goto(report.as_uri())
    table = page.locator("#tables table.sortable", has_text="sqlite").first
    head = table.get_by_role("columnheader", name="store")
    table.get_by_role("button", name="#").focus()
    page.keyboard.press("Tab")
    for order in ("ascending", "descending"):
        page.keyboard.press(key)
        expect(head).to_have_attribute("aria-sort", order)
        assert len(set(texts(table))) > 1
        assert texts(table) == sorted(texts(table), reverse=order == "descending")
    expect(head.get_by_role("button")).to_be_focused()
