"""A real server and a real browser for the tests of this folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.visitor import DESKTOP

ROOT = Path(__file__).resolve().parents[2]
# Chromium as root in a container, and without calls of its own to the outside.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail("BROWSER_TESTS=required, but no Chromium is installed.")
        pytest.skip("No Chromium here. Debian has it as the package `chromium`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def serve(**environment: str) -> Iterator[str]:
    """The dashboard as its users start it, on a free port of this machine; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    options = {"port": port, "address": "127.0.0.1", "headless": "true", "fileWatcherType": "none"}
    command += [f"--server.{name}={value}" for name, value in options.items()]
    log = open(os.devnull, "w") if not os.environ.get("SERVER_LOG") else open(os.environ["SERVER_LOG"], "a")
    with log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **environment}) as server:
        try:
            yield _when_it_answers(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()


def _when_it_answers(address: str, server: subprocess.Popen) -> str:
    for _ in range(300):
        assert server.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                return address
        except OSError:
            time.sleep(0.2)
    pytest.fail("the server did not answer within a minute")


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    yield from serve()


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
