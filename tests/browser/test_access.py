"""What stands between a page and somebody who sees little, or uses no mouse: axe finds none of it, by WCAG 2.2 AA."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.visitor import DESKTOP, PHONE, answer, draw, settle

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def faults(page: Page) -> list[str]:
    # Away from the canvas, which shows small buttons under a mouse; ours beside it do the same.
    page.mouse.move(0, 0)
    settle(page)
    found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    return [f"{fault['help']}: {node['html']}" for fault in found for node in fault["nodes"]]


def open_all(page: Page) -> None:
    """Each part that is closed at first."""
    settle(page)
    for summary in page.locator("[data-testid=stExpander] summary").all():
        summary.click()


@pytest.mark.parametrize(("viewport", "color_scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("path", ["", "preprocessing"])
def test_all_that_follows_a_drawing_is_open_to_everyone(open_page, path, viewport, color_scheme):
    page = open_page(path, viewport=viewport, color_scheme=color_scheme)
    draw(page, [[(80, 60), (190, 58), (150, 140), (120, 230)]])
    expect(answer(page)).to_have_text("7")
    open_all(page)
    assert not faults(page)


@pytest.mark.parametrize(("viewport", "color_scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("path", ["errors", "errors?door=Two+models", "data", "data?part=Balance"])
def test_a_page_of_images_is_open_to_everyone(open_page, path, viewport, color_scheme):
    page = open_page(path, viewport=viewport, color_scheme=color_scheme)
    open_all(page)
    assert not faults(page)


@pytest.mark.parametrize(("viewport", "color_scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_one_image_is_open_to_everyone(open_page, viewport, color_scheme):
    page = open_page("errors?image=18", viewport=viewport, color_scheme=color_scheme)
    expect(page.get_by_text("Every model's answer")).to_be_visible()
    assert not faults(page)


def test_every_card_is_open_to_everyone(open_page):
    page = open_page("models")
    open_all(page)
    assert not faults(page)
