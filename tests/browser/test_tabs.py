"""The tabs Stores and Pools in Locust's web UI."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.windtunnel.interface import Interface

STORE = "memory/async/volatile"
FORM = {
    "user_count": 2, "spawn_rate": 100, "mix": "balanced", "target": "direct", "population": 100,
    "seed": 1, "summary_size": 10, "stores": STORE, "rate": 200,
}  # fmt: skip
NUMBER = re.compile(r"^[\d.]+$")


@pytest.fixture
def interface(url: str) -> Iterator[Interface]:
    shown = Interface("--host", url)
    yield shown
    shown.close()


def test_stores_and_pools_have_tabs_of_the_last_ten_seconds(
    open_page: OpenPage, interface: Interface
) -> None:
    interface.get("/swarm", **FORM)
    observed = open_page()
    page = observed.page
    page.goto(interface.url)
    for tab, name, columns in (
        ("Stores", STORE, {"Requests/s", "Response p99.9 (ms)", "Service p50 (ms)"}),
        ("Pools", "fast", {"Response p50 (ms)", "Loop lag p99 (ms)", "Bystander p99 (ms)"}),
    ):
        page.get_by_role("tab", name=tab).click()
        heads = page.get_by_role("columnheader")
        expect(heads.first).to_have_text(tab.rstrip("s"))
        titles = heads.all_text_contents()
        assert columns <= set(titles)
        cells = page.get_by_role("row").nth(1).get_by_role("cell")
        expect(cells.first).to_have_text(name)
        for column in columns - {"Response p99.9 (ms)"}:
            expect(cells.nth(titles.index(column))).to_have_text(NUMBER)
    assert not observed.errors
    assert not observed.foreign(interface.url)
