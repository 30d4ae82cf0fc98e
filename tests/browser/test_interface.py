"""Locust's web UI on the CRUD scenario, as a person uses it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ObservedPage, OpenPage
from tests.windtunnel.interface import Interface

MEMORY, SQLITE, OTHER = "memory/async/volatile", "sqlite/async/fast", "memory/blocking/volatile"


@pytest.fixture
def interface(url: str) -> Iterator[Interface]:
    shown = Interface("--host", url)
    yield shown
    shown.close()


@pytest.fixture
def observed(open_page: OpenPage, interface: Interface) -> ObservedPage:
    observed = open_page()
    observed.page.goto(interface.url)
    return observed


def submit(form: Locator, *stores: str, **fields: str) -> None:
    """Fill in a form that shows its parameters by itself, and send it."""
    form.locator("select[name=stores]").select_option(stores)
    for name, text in fields.items():
        form.locator(f"input[name={name}]").fill(text)
    form.locator("button[type=submit]").click()


def row(page: Page, store: str, operation: str) -> Locator:
    return page.get_by_role("cell", name=f"{store} {operation}", exact=True)


def test_what_cannot_run_is_said_in_the_form(observed: ObservedPage, interface: Interface) -> None:
    form, alert = observed.page.locator("form"), observed.page.get_by_role("alert")
    expect(form.locator("select[name=stores] option:checked")).to_have_text([SQLITE])
    expect(alert).to_have_count(0)
    for stores, fields, message in (
        ([], {}, "no store is chosen"),
        ([SQLITE], {"population": "abc"}, "population: must be a whole number"),
        ([SQLITE], {"population": "-1"}, "population: must be a whole number"),
        (
            [SQLITE],
            {"population": "100", "userCount": "99999"},
            "users: must be a whole number from 1 to 10000, not '99999'",
        ),
        ([SQLITE], {"userCount": "2", "host": "http://127.0.0.1:1"}, "`windtunnel up`"),
    ):
        submit(form, *stores, **fields)
        expect(alert).to_contain_text(message)
    assert interface.stats()["state"] == "ready"
    assert not observed.errors


def test_stores_are_loaded_exchanged_while_it_runs_stopped_and_begun_again(
    observed: ObservedPage, interface: Interface
) -> None:
    page = observed.page
    submit(page.locator("form"), MEMORY, SQLITE, population="100", userCount="4")
    for store in (MEMORY, SQLITE):
        for operation in ("create", "read", "edit", "delete"):
            expect(row(page, store, operation)).to_be_visible()

    page.get_by_role("button", name="Edit").click()
    submit(page.locator("[role=presentation] form"), OTHER, userCount="6")
    expect(row(page, OTHER, "read")).to_be_visible()
    expect(row(page, MEMORY, "read")).to_have_count(0)
    expect(page.get_by_role("banner")).to_contain_text("Users6")

    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="New").click()
    submit(page.locator("[role=presentation] form"), SQLITE)
    expect(row(page, SQLITE, "read")).to_be_visible()
    expect(row(page, OTHER, "read")).to_have_count(0)
    assert interface.stats()["fail_ratio"] == 0
    assert not observed.errors
    assert not observed.foreign(interface.url)
