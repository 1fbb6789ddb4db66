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


LIGHT = {"viewport": DESKTOP, "color_scheme": "light"}
DARK = {"viewport": PHONE, "color_scheme": "dark"}


@pytest.mark.parametrize(("path", "options"), [("", LIGHT), ("preprocessing", DARK)])
def test_all_that_follows_a_drawing_is_open_to_everyone(open_page, path, options):
    page = open_page(path, **options)
    draw(page, [[(80, 60), (190, 58), (150, 140), (120, 230)]])
    expect(answer(page)).to_have_text("7")
    open_all(page)
    assert not faults(page)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("errors", LIGHT),
        ("errors?door=Two+models", DARK),
        ("data", DARK),
        ("data?part=Balance", LIGHT),
        ("models", LIGHT),
    ],
)
def test_a_page_of_images_or_figures_is_open_to_everyone(open_page, path, options):
    page = open_page(path, **options)
    open_all(page)
    assert not faults(page)


def test_one_image_is_open_to_everyone(open_page):
    page = open_page("errors?image=18", **DARK)
    expect(page.get_by_text("Every model's answer")).to_be_visible()
    assert not faults(page)
