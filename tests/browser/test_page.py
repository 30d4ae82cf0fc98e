"""The page in Locust's web app that shows pools and stores and changes the split, as it is used."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from deploy import lifecycle
from deploy.history import read_history
from deploy.stack import Stack
from tests.browser.conftest import ObservedPage, OpenPage
from tests.browser.test_index import BRIGHTNESS
from tests.browser.test_interface import submit
from tests.stacks import own_workspace
from tests.windtunnel.interface import Interface, free_port
from tests.windtunnel.page_client import PageAnswer, PageClient
from tests.windtunnel.served import ROOT

STORE = "sqlite/async/fast"
FAST, SLOW = '[id="field-pools.fast.processes"]', '[id="field-pools.slow.processes"]'


@pytest.fixture(scope="module")
def up() -> Iterator[Stack]:
    """A stack without databases; this process and all that it starts take it for theirs."""
    with own_workspace() as workspace, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WINDTUNNEL_FOLDER", str(workspace.root))
        patch.setenv("WINDTUNNEL_OFFSET", str(workspace.offset))
        yield lifecycle.ensure_up(services=(), processes=1, workspace=workspace)


@contextmanager
def locust(*args: str) -> Iterator[Interface]:
    port = free_port()
    shown = Interface(*args, "--master-bind-port", port, "--master-port", port)
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def alone(up: Stack) -> Iterator[Interface]:
    with locust() as shown:
        yield shown


@pytest.fixture(scope="module")
def workers(up: Stack) -> Iterator[Interface]:
    with locust("--processes", "2") as shown:
        shown.wait_for(lambda: len(shown.stats()["workers"]) == 2)
        yield shown


def begin(observed: ObservedPage, interface: Interface, **fields: str) -> Page:
    """Start a test in Locust's own form, and follow the link to the page."""
    page = observed.page
    page.goto(interface.url)
    submit(page.locator("form"), STORE, population="100", **fields)
    expect(page.get_by_role("banner")).to_contain_text("RUNNING", ignore_case=True)
    page.get_by_role("link", name="Windtunnel").click()
    expect(page.locator("#figures-rows")).to_contain_text("pool fast")
    return page


def processes(up: Stack) -> dict[str, int]:
    """How many processes of each pool nginx balances over now."""
    with urllib.request.urlopen(f"{up.state.nginx}/split", timeout=10) as answer:
        pools: dict[str, Any] = json.loads(answer.read())["pools"]
    return {name: len(pool["processes"]) for name, pool in pools.items()}


def marks(page: Page, plot: str = "rate") -> Locator:
    return page.locator(f"#plot-{plot} .annotation-text")


def test_the_split_is_changed_seen_and_changed_back_from_the_keyboard(
    open_page: OpenPage, up: Stack, workers: Interface
) -> None:
    observed = open_page()
    page = begin(observed, workers, rate="60", userCount="2")
    expect(page.locator("#load")).to_contain_text("open load, 60 requests/s")
    expect(page.locator("#plot-rate .scatterlayer path.js-line")).to_have_count(1)
    workers.wait_for(lambda: watched(workers) > 4)  # what is before a change is compared too
    before, number = processes(up), len(read_history(up.layout.workspace)) + 1
    expect(page.locator("#apply")).to_be_disabled()

    page.locator(FAST).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#differences")).to_contain_text("pools.fast.processes 1 → 2")
    expect(page.locator(FAST)).to_be_focused()
    assert processes(up) == before
    page.locator("#apply").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("pools.fast.processes 1 → 2: active after")
    assert processes(up) == {**before, "fast": 2}
    expect(page.locator("#history-list li").first).to_have_js_property("value", number)
    for plot in ("rate", "p50", "p99"):
        expect(marks(page, plot).last).to_have_text(f"#{number}")
    expect(page.locator("#effect-text")).to_contain_text("s on either side")
    expect(page.locator("#effect-rows")).to_contain_text("p50 response")

    expect(page.locator("#undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("pools.fast.processes 2 → 1: active after")
    assert processes(up) == before
    expect(marks(page).last).to_have_text(f"#{number + 1}")
    assert {error["error"] for error in workers.stats()["errors"]} <= {"stale"}
    assert not observed.errors
    assert not observed.foreign(workers.url)


def watched(interface: Interface) -> int:
    """How many seconds of the load are known."""
    return len(json.loads(interface.get("/windtunnel/data?since=0"))["seconds"])


def silent(interface: Interface, since: int) -> bool:
    """Whether nothing was answered in the last whole second after `since`."""
    data = json.loads(interface.get(f"/windtunnel/data?since={since}"))
    return bool(data["seconds"]) and not any(p["rate"][-1] for p in data["pools"].values())


def test_closed_and_open_load_are_paused_and_resumed(open_page: OpenPage, alone: Interface) -> None:
    observed = open_page()
    page = begin(observed, alone, userCount="2")
    for fields in ({}, {"rate": "60"}):
        if fields:
            page.goto(alone.url)
            page.get_by_role("button", name="Edit").click()
            submit(page.locator("[role=presentation] form"), STORE, **fields)
            page.get_by_role("link", name="Windtunnel").click()
            expect(page.locator("#load")).to_contain_text("open load")
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.locator("#state")).to_have_text("paused")
        now = json.loads(alone.get("/windtunnel/data"))["now"]
        alone.wait_for(lambda since=now + 1: silent(alone, since))
        page.get_by_role("button", name="Resume", exact=True).click()
        expect(page.locator("#state")).to_have_text("running")
        now = json.loads(alone.get("/windtunnel/data"))["now"]
        alone.wait_for(lambda since=now + 1: not silent(alone, since))
    assert alone.stats()["errors"] == []
    assert not observed.errors


def test_what_was_built_on_another_split_is_refused_and_changes_from_elsewhere_are_marked(
    open_page: OpenPage, up: Stack, alone: Interface
) -> None:
    page = open_page().page
    page.goto(f"{alone.url}/windtunnel")
    page.locator(FAST).select_option("2")
    expect(page.locator("#differences")).to_contain_text("pools.fast.processes 1 → 2")
    page.route("**/windtunnel/split", held)
    command = [
        sys.executable,
        "-m",
        "windtunnel",
        "split",
        "set",
        "pools.slow.balance=least_conn",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    page.locator("#apply").click()
    expect(page.locator("#wrong")).to_contain_text("held back")
    assert processes(up)["fast"] == 1
    page.unroute("**/windtunnel/split")
    difference = "pools.slow.balance round_robin → least_conn"
    expect(page.locator("#history-list")).to_contain_text(difference)
    expect(marks(page).last).to_be_visible()
    expect(page.locator("#differences")).to_contain_text("pools.fast.processes 1 → 2")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(FAST)).to_have_value("1")


WRONG = (
    {"pools.fast.processes": "64"},
    {"pools.fast.processes": "-1"},
    {"pools.fast.balance": "least_conn; } server { listen 1; "},
    {"pools.fast.weights": "1;"},
    {"pools.fast.maintenance": "../../../etc/passwd"},
    {"pools.fast.hash": "header:X"},
    {"pools.new.processes": "1"},
    {'routes."/a b{}"': "fast"},
    {'routes."/slow/"': ""},
    {"pools.slow": ""},
)


def test_only_what_the_page_offers_gets_to_nginx_and_one_change_at_a_time(
    up: Stack, alone: Interface
) -> None:
    client = PageClient(alone)
    split = json.loads(client.request("GET", "/windtunnel/split").body)

    def change(path: str, **order: Any) -> PageAnswer:
        return client.change(json.dumps(order).encode(), f"/split{path}")

    unfit = {"pools.fast.weights": "2", "pools.slow.weights": "1,1"}
    answer = change("/differences", base=split["base"], changes=unfit)
    assert (answer.status, answer.message.partition(":")[0]) == (422, "pools.slow.weights")
    conf = up.nginx.folder / "nginx.conf"
    before = conf.read_text()
    for changes in WRONG:
        for path in ("", "/differences"):
            assert change(path, base=split["base"], changes=changes).status == 422, changes
    assert change("", base=split["base"], changes={}).message == "this is the split already"
    balance = {"pools.fast.balance": "random_two"}
    for base in (split["base"] - 1, split["base"] + 1):
        assert change("", base=base, changes=balance).status == 409
        assert change("/undo", base=base).status == 409
    assert conf.read_text() == before
    answer = change("/differences", base=split["base"], changes=balance)
    assert json.loads(answer.body)["differences"] == [
        ["pools.fast.balance", "round_robin", "random_two"]
    ]
    assert conf.read_text() == before
    with ThreadPoolExecutor(2) as both:
        done = [both.submit(change, "", base=split["base"], changes=balance) for _ in range(2)]
    assert sorted(future.result().status for future in done) == [200, 409]
    assert "random two" in conf.read_text()


def held(route: Route) -> None:
    """Keep from the page what becomes of the split, and let its changes through."""
    if route.request.method == "GET":
        route.fulfill(status=503, json={"message": "held back"})
    else:
        route.continue_()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_it_fits_phones_and_the_dark_and_names_its_fields(
    open_page: OpenPage, alone: Interface, scheme: str, width: int
) -> None:
    observed = open_page(color_scheme=scheme, viewport={"width": width, "height": 844})
    page = observed.page
    page.goto(f"{alone.url}/windtunnel")
    expect(page.locator(SLOW)).to_be_visible()
    expect(page.locator("#plot-rate svg.main-svg").first).to_be_visible()
    assert (page.evaluate(BRIGHTNESS) > 128) == (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    named = "one.labels?.length || one.ariaLabel || one.textContent.trim()"
    unnamed = f"all => all.filter(one => !({named})).length"
    assert page.locator("select, input, button").evaluate_all(unnamed) == 0
    assert not observed.errors
    assert not observed.foreign(alone.url)


def test_the_focus_is_seen_and_goes_in_the_order_of_reading(
    open_page: OpenPage, alone: Interface
) -> None:
    page = open_page().page
    page.goto(f"{alone.url}/windtunnel")
    expect(page.locator(SLOW)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the split")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    for name in ("fast.processes", "fast.balance", "fast.weights", "slow.processes"):
        field = page.locator(f'[id="field-pools.{name}"]')
        expect(field).to_be_focused()
        assert field.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
        page.keyboard.press("Tab")
