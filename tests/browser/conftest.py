"""A real server and a real browser for the tests of this folder."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.serving import FLAGS, find_chromium, serve
from tests.browser.visitor import DESKTOP

expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not (path := find_chromium()):
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail("BROWSER_TESTS=required, but no Chromium is installed.")
        pytest.skip("No Chromium here. Debian has it as the package `chromium`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture(scope="session")
def bare_address(tmp_path_factory) -> Iterator[str]:
    """A server that has no MNIST and cannot fetch it."""
    with serve(MNIST_DATA_DIR=str(tmp_path_factory.mktemp("empty")), https_proxy="http://127.0.0.1:9") as address:
        yield address


@pytest.fixture
def open_page(chromium: Browser, address: str) -> Iterator:
    """A function that opens a path of the dashboard in a visitor's own browser; no page may throw an exception."""
    contexts: list[BrowserContext] = []
    pages: list[Page] = []

    def open_path(path: str = "", context: BrowserContext | None = None, **options) -> Page:
        if context is None:
            context = chromium.new_context(viewport=options.pop("viewport", DESKTOP), accept_downloads=True, **options)
            contexts.append(context)
        page = context.new_page()
        pages.append(page)
        page.goto(f"{address}/{path}")
        expect(page.locator("h1").first).to_be_visible(timeout=60_000)
        return page

    yield open_path
    shown = [page.locator("[data-testid=stException]").count() for page in pages if not page.is_closed()]
    for context in contexts:
        context.close()
    assert not any(shown), "a page showed a traceback"
