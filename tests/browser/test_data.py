"""The data page in a real browser: a lasso fills the wall, a shuffle changes it, a visitor's own hand is measured."""

import re

from playwright.sync_api import Page, expect

from tests.browser.visitor import PHONE, answer, draw, gallery, settle

SEVEN = [[(70, 70), (200, 70), (120, 220)]]


def test_a_shuffle_is_another_wall_and_its_link_brings_the_same(open_page):
    page = open_page("data?digit=7")
    expect(page.locator(".st-key-wall img")).to_have_count(40)
    settle(page)
    before = gallery(page, "wall")
    page.get_by_role("button", name="Shuffle").click()
    expect(page.get_by_text("Wall 1.")).to_have_count(0)
    settle(page)
    after = gallery(page, "wall")
    assert len(after) == 40
    assert after != before
    address = page.evaluate("location.search")
    assert "wall=" in address
    again = open_page(f"data{address}")
    expect(again.locator(".st-key-wall img")).to_have_count(40)
    settle(again)
    assert gallery(again, "wall") == after


def lasso(page: Page) -> None:
    page.wait_for_function("!!document.querySelector('.js-plotly-plot')?._fullLayout?.xaxis?.l2p")
    settle(page)
    box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 60)
    page.mouse.down()
    for dx, dy in ((60, -60), (60, 60), (-60, 60), (-60, -58)):
        page.mouse.move(x + dx, y + dy, steps=5)
    page.mouse.up()


def test_a_lasso_on_the_map_fills_the_wall_and_lets_go(open_page):
    page = open_page("data?part=Map")
    expect(page.get_by_text("Nothing is caught yet.")).to_be_visible()
    lasso(page)
    words = page.get_by_text(re.compile(r"^[\d,]+ images \("))
    expect(words).to_be_visible()
    caught = int(re.match(r"[\d,]+", words.inner_text())[0].replace(",", ""))
    assert 40 < caught < 10_000
    expect(page.locator(".st-key-caught img")).to_have_count(40)
    settle(page)
    page.get_by_role("button", name="Let go").click()
    expect(page.get_by_text("Nothing is caught yet.")).to_be_visible()


def test_a_link_to_a_drawing_that_only_another_tab_keeps_is_answered(open_page):
    page = open_page("data?image=200000")
    expect(page.get_by_text("There is no such image here.")).to_be_visible()
    expect(page).not_to_have_url(re.compile("image="))


def test_a_drawing_that_was_judged_is_measured(open_page):
    page = open_page()
    draw(page, SEVEN)
    expect(answer(page)).to_have_text(re.compile(r"\d"))
    settle(page)
    page.locator(".st-key-right button").click()
    expect(page.get_by_text("Counted as a")).to_be_visible()
    settle(page)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Data").click()
    expect(page.locator("h1")).to_have_text("Data")
    settle(page)
    page.get_by_text("Your hand", exact=True).click()
    expect(page.get_by_text("1 drawn and judged.")).to_be_visible()
    expect(page.locator(".st-key-drawings img")).to_have_count(1)
    settle(page)
    page.locator(".st-key-drawings [data-number='200000']").click()
    expect(page.get_by_role("dialog").get_by_text("Your drawing 1")).to_be_visible()


def test_without_mnist_the_figures_stand_and_the_wall_says_what_is_missing(chromium, bare_address):
    page = chromium.new_page(viewport=PHONE)
    page.goto(f"{bare_address}/data")
    expect(page.get_by_role("button", name="Download MNIST")).to_be_visible(timeout=60_000)
    expect(page.locator(".st-key-wall img")).to_have_count(40)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.goto(f"{bare_address}/data?part=Shape&measure=Slant")
    page.wait_for_function("!!document.querySelector('.js-plotly-plot')?._fullLayout?.xaxis?.l2p")
    page.goto(f"{bare_address}/data?part=Map")
    lasso(page)
    expect(page.locator(".st-key-caught img")).to_have_count(40)
    assert page.locator("[data-testid=stException]").count() == 0
    page.close()
