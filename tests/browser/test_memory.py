"""What was judged stays with the tab of the browser: over a reload, and where the server has forgotten the visit."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.visitor import ONE, SEVEN, answer, draw, settle

KEPT = "sessionStorage.getItem('what was judged')"


def judge(page: Page) -> None:
    settle(page)
    page.locator(".st-key-right button").click()
    expect(page.get_by_text(re.compile("Counted as"))).to_be_visible()
    settle(page)


def reload(page: Page) -> None:
    page.reload()
    expect(page.locator("h1").first).to_be_visible(timeout=60_000)
    settle(page)


def open_scorecard(page: Page) -> None:
    page.get_by_text("Scorecard of this visit").click()


def judge_two(page: Page) -> None:
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    judge(page)
    page.locator(".st-key-clear button").click()
    expect(answer(page)).to_have_text("–")
    settle(page)
    draw(page, ONE)
    expect(answer(page)).to_have_text("1")
    judge(page)


def test_the_scorecard_outlasts_a_reload_and_the_drawing_is_still_counted(open_page):
    page = open_page()
    judge_two(page)
    reload(page)
    expect(answer(page)).to_have_text("1")
    expect(page.get_by_text("Counted as a 1.")).to_be_visible()
    open_scorecard(page)
    expect(page.get_by_text("2 of 2 right")).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_text("Was this right?")).to_be_visible()
    settle(page)
    reload(page)
    expect(page.get_by_text("Was this right?")).to_be_visible()


def test_a_drawing_that_is_judged_after_a_reload_is_the_visitors_own(open_page):
    page = open_page()
    draw(page, ONE)
    expect(answer(page)).to_have_text("1")
    settle(page)
    reload(page)
    expect(answer(page)).to_have_text("1")
    settle(page)
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("Counted as a 1.")).to_be_visible()
    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_text("Your hand", exact=True).click()
    expect(page.get_by_text("1 drawn and judged.")).to_be_visible()


def test_your_hand_is_known_after_a_reload_of_another_page(open_page):
    page = open_page()
    judge_two(page)
    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_text("Your hand", exact=True).click()
    expect(page.get_by_text("2 drawn and judged.")).to_be_visible()
    settle(page)
    reload(page)
    expect(page.get_by_text("2 drawn and judged.")).to_be_visible()


def test_another_tab_has_a_scorecard_of_its_own(open_page):
    page = open_page()
    judge_two(page)
    other = open_page(context=page.context)
    settle(other)
    open_scorecard(other)
    expect(other.get_by_text("this visit's score builds up here")).to_be_visible()


def test_verdicts_on_images_outlast_a_reload_while_one_is_open(open_page):
    page = open_page("errors?image=18")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("ambiguous", exact=True).click()
    settle(page)
    page.wait_for_function(f"({KEPT} ?? '').includes('ambiguous')")
    reload(page)
    expect(dialog.get_by_role("radio", name="ambiguous")).to_be_checked()
    page.keyboard.press("Escape")
    page.get_by_text("Right or mislabelled?", exact=True).click()
    expect(page.get_by_text("1 given in this visit.")).to_be_visible()


def test_what_no_page_of_ours_has_kept_breaks_none(open_page):
    kept = json.dumps({"judged": [], "own": [], "votes": [["MNIST test", 99_999, "ambiguous"], ["MNIST test", 1, "?"]]})
    page = open_page("errors?further=Right+or+mislabelled?")
    settle(page)
    page.evaluate("(kept) => sessionStorage.setItem('what was judged', JSON.stringify({ kept, visit: 1 }))", kept)
    reload(page)
    expect(page.get_by_text("given in this visit.")).to_be_visible()
    page.wait_for_function(f"JSON.parse({KEPT}).visit !== 1")
    page.get_by_role("link", name="Draw", exact=True).click()
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    judge(page)
    open_scorecard(page)
    expect(page.get_by_text("1 of 1 right")).to_be_visible()
