"""The frame around the pages: links that lead into the middle of the app, and what travels in the address."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.serving import serve
from tests.browser.visitor import PHONE, pick_by_keyboard, settle


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


def test_back_leads_a_page_back_whatever_model_was_picked(open_page):
    page = open_page()
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name="mlp").click()
    expect(page).to_have_url(re.compile("model=mlp"))
    for name in ("Models", "Data"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator("h1")).to_have_text(name)
        expect(page).to_have_url(re.compile("model=mlp"))
        settle(page)
    for name in ("Models", "Draw"):
        page.go_back()
        expect(page.locator("h1")).to_have_text(name)
        expect(page).to_have_url(re.compile("model=mlp"))
        settle(page)


def test_a_model_that_is_picked_beside_a_later_sheet_stands_in_the_address(open_page):
    page = open_page("errors?show=All&sheet=3")
    expect(page.locator(".st-key-gallery img").first).to_be_visible()
    settle(page)
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name="mlp", exact=True).click()
    expect(page).not_to_have_url(re.compile("sheet="))
    settle(page)
    assert "model=mlp" in page.url


@pytest.mark.parametrize("hurry", [True, False])
def test_the_links_model_stays_over_a_change_of_page_and_beside_what_is_chosen_first_there(open_page, hurry):
    page = open_page("?model=mlp")
    if not hurry:  # else the click ends the first page's run
        settle(page)
    page.get_by_role("link", name="Errors", exact=True).click()
    expect(page.locator(".st-key-gallery img").first).to_be_visible()
    settle(page)
    pick_by_keyboard(page, "Most confused", "9 read as")
    expect(page).to_have_url(re.compile(r"(?=.*label=9)(?=.*answer=\d)"))
    expect(page.get_by_test_id("stSidebar").get_by_text("242,762 parameters")).to_be_visible()
    assert "model=mlp" in page.url
    settle(page)
    page.locator(".st-key-gallery button").first.click()
    expect(page).to_have_url(re.compile("model=mlp.*image="))


def test_a_page_around_the_dashboard_is_told_of_the_drawing_as_of_all_else_in_the_address(open_page, address):
    page = open_page()
    page.evaluate(
        """(address) => {
        window.told = [];
        addEventListener("message", ({ data }) => data.type === "SET_QUERY_PARAM" && told.push(data));
        document.body.innerHTML = `<iframe src="${address}" width="1200" height="780"></iframe>`;
    }""",
        f"{address}/?embed=true",
    )
    page.frame_locator("iframe").get_by_role("button", name="7").first.click()
    page.wait_for_function("told.some((each) => each.queryParams.includes('ink='))")
    last = page.evaluate("told.at(-1)")
    assert last == {"stCommVersion": 1, "type": "SET_QUERY_PARAM", "queryParams": last["queryParams"]}
    assert last["queryParams"].startswith("?embed=true&ink=")


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
