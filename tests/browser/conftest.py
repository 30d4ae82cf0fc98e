"""Chromium, without a screen: it keeps to this machine, and tells what went wrong in a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.server.conftest import Server, serving

PATIENCE_MS = 60_000
"""Machines are shared and slow; a condition that holds is not waited for."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        reason = "no Chromium on PATH: sudo apt-get install chromium"
        if os.environ.get("WINDTUNNEL_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class ObservedPage:
    """A page, what went wrong in it, and every address that it asked for."""

    def __init__(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE_MS)
        self.page = page
        self.errors: list[str] = []
        self.requested: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("console", self._hear)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def foreign(self, *own: str) -> list[str]:
        """Addresses beyond those that begin so; what a page holds itself is no request."""
        return [url for url in self.requested if not url.startswith((*own, "data:", "blob:"))]


OpenPage = Callable[..., ObservedPage]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open an empty page; keyword arguments are those of a browser context."""
    contexts = []

    def open_page(**settings: object) -> ObservedPage:
        contexts.append(browser.new_context(**settings))  # type: ignore[arg-type]
        return ObservedPage(contexts[-1].new_page())

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the stores that need no database server."""
    sqlite: Path = tmp_path_factory.mktemp("sqlite")
    with serving(WINDTUNNEL_SQLITE_URL=str(sqlite)) as running:
        yield running


@pytest.fixture
def url(served: Server) -> str:
    return f"http://127.0.0.1:{served.port}"
