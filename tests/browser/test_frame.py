"""The frame around the pages: links that lead into the middle of the app, and what travels in the address."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.serving import serve
from tests.browser.visitor import PHONE, settle


@pytest.mark.parametrize("path", ["models", "preprocessing"])
def test_a_link_to_a_page_is_whole_even_as_the_first_thing_a_new_server_hears(chromium, path):
    with serve() as address:
        page = chromium.new_page()
        page.goto(f"{address}/{path}")
        expect(page.locator("h1")).to_have_text(path.capitalize(), timeout=60_000)
        expect(page.get_by_test_id("stSidebar").get_by_text("Model", exact=True)).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        page.close()


def test_the_chosen_model_stands_in_the_address_and_stays_over_pages(open_page):
    page = open_page("models?model=mlp")
    page.get_by_role("link", name="Draw").click()
    expect(page.locator("h1")).to_have_text("Draw")
    expect(page.get_by_test_id("stSidebar").get_by_text("242,762 parameters")).to_be_visible()
    expect(page).to_have_url(re.compile("model=mlp"))


def test_a_model_picked_in_the_sidebar_answers_on_every_page(open_page):
    page = open_page()
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name="wide_cnn").click()
    expect(page).to_have_url(re.compile("model=wide_cnn"))
    expect(page.get_by_text("wide_cnn waits for ink.")).to_be_visible()
    page.get_by_role("link", name="Models").click()
    expect(page.locator("h1")).to_have_text("Models")
    expect(page.get_by_test_id("stSidebar").get_by_text("3,274,634 parameters")).to_be_visible()
    expect(page).to_have_url(re.compile("model=wide_cnn"))


def test_a_model_can_be_chosen_on_its_card(open_page):
    page = open_page("models")
    page.locator(".st-key-ask-simple_cnn button").click()
    expect(page.get_by_test_id("stSidebar").get_by_text("607,394 parameters")).to_be_visible()
    expect(page).to_have_url(re.compile("model=simple_cnn"))


@pytest.mark.parametrize("path", ["", "models", "preprocessing"])
def test_nothing_is_wider_than_a_phone(open_page, path):
    page = open_page(path, viewport=PHONE)
    settle(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= PHONE["width"]


def test_no_page_asks_another_site_for_anything(open_page, address):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    for name in ("Preprocessing", "Errors", "Data", "Models"):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        expect(page.locator("h1")).to_have_text(name)
        settle(page)
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
