"""The page for people that a server shows at /."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage

BRIGHTNESS = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_index_says_what_is_up_and_where_to_go(
    open_page: OpenPage, url: str, scheme: str
) -> None:
    observed = open_page(color_scheme=scheme)
    page = observed.page
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Windtunnel")
    row = page.locator("tr:has(a[href='/memory/async/volatile/records'])")
    expect(row.locator(".status").first).to_have_text("up")
    assert (page.evaluate(BRIGHTNESS) > 128) == (scheme == "light")
    links = page.get_by_role("link").evaluate_all("all => all.map(one => one.href)")
    assert f"{url}/stores" in links
    for link in links:
        assert page.request.get(link).ok, link
    assert not observed.errors
    assert not observed.foreign(url)
