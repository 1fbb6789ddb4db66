"""Pictures of pages at desktop and phone width, light and dark, with drawings of our own.

    python -m benchmarks.screenshots [--only draw preprocessing errors models]

Without --only it takes those two that the README shows. Writes docs/NAME-desktop.png, -desktop-dark, -phone and
-phone-dark. Needs tests/requirements.txt and Chromium.
"""

import argparse
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.serving import FLAGS, ROOT, find_chromium, serve
from tests.browser.visitor import DESKTOP, PHONE, answer, settle

PAGES = {"draw": "", "preprocessing": "preprocessing", "errors": "errors", "models": "models"}
BELOW = {"preprocessing": "Step by step"}  # where the picture of a page begins, if not at its top
LOOKS = {
    "desktop": (DESKTOP, "light"),
    "desktop-dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}


def take(browser: Browser, address: str, name: str, look: str, folder: Path) -> None:
    viewport, scheme = LOOKS[look]
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.locator(".st-key-example-Crossed-7 button").click()
    expect(answer(page)).to_have_text("7")
    if PAGES[name]:
        # By the page's own link, so that the drawing comes along; on a phone the links are folded away.
        if viewport == PHONE:
            page.get_by_test_id("stExpandSidebarButton").click()
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name.capitalize()).click()
        expect(page.locator("h1")).to_have_text(name.capitalize())
        if viewport == PHONE:
            page.get_by_test_id("stSidebarCollapseButton").click()
    page.mouse.move(5, 5)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    settle(page)
    if below := BELOW.get(name):
        page.get_by_role("heading", name=below).evaluate("heading => heading.scrollIntoView()")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)  # what a chart or a table shows until it has loaded
    page.wait_for_timeout(3000)
    page.screenshot(path=folder / f"{name}-{look}.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=PAGES, default=["draw", "preprocessing"], help="default: draw preprocessing"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="the folder for the pictures (default: docs/)")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    with serve() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name in options.only:
            for look in LOOKS:
                take(browser, address, name, look, options.out)
                print(options.out / f"{name}-{look}.png")
        browser.close()


if __name__ == "__main__":
    main()
