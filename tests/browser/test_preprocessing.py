"""The preprocessing page in a real browser: the strip follows strokes, switches and links, and nothing stays stale."""

import base64
import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mnist_core.preprocess import Pipeline, Trace
from pages.parts.strip import in_colour
from tests.browser.visitor import ONE, PHONE, SEVEN, answer, canvas_box, draw, settle, touch

STAGES = ["grey", "polarity", "background", "crop", "scale", "stretch", "centre", "normalise"]


def picture(page: Page, stage: str):
    return page.locator(f".st-key-card-{stage} img").first


def pixels(page: Page, stage: str) -> np.ndarray:
    """What a card shows, taken out of the picture that the browser was given."""
    svg = base64.b64decode(picture(page, stage).get_attribute("src").partition(",")[2]).decode()
    content = re.search(r'href="data:image/png;base64,([^"]+)"', svg)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def wait_for_strip(page: Page) -> None:
    expect(page.get_by_text("The doctor", exact=True)).to_be_visible()
    settle(page)


def toggle(page: Page, stage: str) -> None:
    page.locator(f".st-key-{stage} label").first.click()
    settle(page)


def trace_of_canvas(page: Page, pipeline: Pipeline) -> Trace:
    """The pipeline's own way with the canvas that the first card shows."""
    return pipeline.run(pixels(page, "grey"))


def test_a_stroke_fills_every_card_and_the_last_one_is_the_tensor(open_page):
    page = open_page("preprocessing")
    expect(answer(page)).to_have_text("–")
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    wait_for_strip(page)
    for stage in STAGES:
        assert pixels(page, stage).size
    tensor = trace_of_canvas(page, Pipeline()).tensor[0].numpy()
    assert np.array_equal(pixels(page, "normalise"), in_colour(tensor))


def test_centring_off_changes_the_last_card_and_its_address_opens_the_same_elsewhere(open_page):
    page = open_page("preprocessing")
    draw(page, SEVEN)
    wait_for_strip(page)
    centred = picture(page, "normalise").get_attribute("src")
    said = page.locator(".st-key-card-normalise").inner_text()
    toggle(page, "centre")
    expect(picture(page, "normalise")).not_to_have_attribute("src", centred)
    expect(page.locator(".st-key-card-centre").get_by_text("changed")).to_be_visible()
    settle(page)
    assert np.array_equal(
        pixels(page, "normalise"), in_colour(trace_of_canvas(page, Pipeline(off=["centre"])).tensor[0].numpy())
    )
    address = page.evaluate("location.pathname + location.search").lstrip("/")
    assert "centre=false" in address
    assert "ink=" in address
    second = open_page(address)
    expect(answer(second)).to_have_text(answer(page).inner_text())
    expect(second.locator(".st-key-card-centre").get_by_text("changed")).to_be_visible()
    wait_for_strip(second)
    # The second browser draws the same strokes anew, so only the softness of their edges may differ.
    ours, theirs = pixels(page, "centre").astype(int), pixels(second, "centre").astype(int)
    assert np.abs(ours - theirs).mean() < 2
    page.locator("button", has_text="Usual settings").click()
    settle(page)
    expect(picture(page, "normalise")).to_have_attribute("src", centred)
    assert said == page.locator(".st-key-card-normalise").inner_text()


def test_settings_that_were_put_back_do_not_come_again_with_the_next_change(open_page):
    page = open_page("preprocessing")
    draw(page, SEVEN)
    wait_for_strip(page)
    settings = page.locator(".st-key-card-scale")
    settings.get_by_text("Settings", exact=True).click()
    settings.get_by_role("slider").press("ArrowLeft")
    expect(page).to_have_url(re.compile("scale.box=19"))
    settings.get_by_text("Settings", exact=True).click()
    settle(page)
    page.locator("button", has_text="Usual settings").click()
    expect(page).not_to_have_url(re.compile("scale"))
    settle(page)
    toggle(page, "crop")
    expect(page).to_have_url(re.compile("crop=false"))
    settle(page)
    settings.get_by_text("Settings", exact=True).click()
    expect(settings.get_by_role("slider")).to_have_value("20")
    expect(settings.get_by_text("changed")).to_have_count(0)


def test_an_uncentred_digit_gets_another_answer(open_page):
    """The tiny 3 in its corner, neither cropped nor centred, is no 3 any more."""
    page = open_page("preprocessing")
    settle(page)
    page.locator("[class*='st-key-example-Tiny'] button").click()
    expect(answer(page)).to_have_text("3")
    toggle(page, "crop")
    toggle(page, "centre")
    settle(page)
    expect(answer(page)).not_to_have_text("3")


def test_the_drawing_is_carried_from_page_to_page_both_ways(open_page):
    page = open_page()
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    settle(page)
    page.get_by_role("link", name="See every step").click()
    expect(page.locator("h1").first).to_have_text("Preprocessing")
    expect(answer(page)).to_have_text("7")
    wait_for_strip(page)
    draw(page, [[(60, 140), (220, 140)]])
    settle(page)
    here = pixels(page, "grey")
    page.get_by_role("link", name="Draw", exact=True).click()
    expect(page.locator("h1").first).to_have_text("Draw")
    settle(page)
    page.get_by_role("link", name="Preprocessing", exact=True).click()
    wait_for_strip(page)
    assert np.array_equal(pixels(page, "grey"), here)


def test_a_sample_is_carried_from_page_to_page(open_page):
    page = open_page("preprocessing?sample=3")
    wait_for_strip(page)
    here = answer(page).inner_text()
    page.get_by_role("link", name="Draw", exact=True).click()
    expect(page.locator("h1").first).to_have_text("Draw")
    expect(answer(page)).to_have_text(here)
    expect(page.get_by_text("Labelled")).to_be_visible()


def test_a_reload_keeps_the_drawing_and_the_settings(open_page):
    page = open_page("preprocessing?scale.box=24")
    draw(page, SEVEN)
    wait_for_strip(page)
    page.reload()
    expect(answer(page)).to_have_text("7")
    expect(page.locator(".st-key-card-scale").get_by_text("changed")).to_be_visible()


def test_strokes_are_no_steps_for_the_browsers_back(open_page):
    page = open_page()
    page.get_by_role("link", name="Preprocessing", exact=True).click()
    expect(page.locator("h1")).to_have_text("Preprocessing")
    for row in (60, 140, 220):
        before = page.url
        draw(page, [[(80, row), (190, row)]])
        page.wait_for_url(lambda url, before=before: url != before)
        settle(page)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Draw")


def ink(page: Page) -> str:
    """The drawing in the address."""
    settle(page)
    return parse_qs(urlsplit(page.url).query)["ink"][0]


def test_the_address_keeps_the_last_stroke_when_a_setting_is_put_back(open_page):
    page = open_page("preprocessing?tab=Stress+bench")
    draw(page, SEVEN)
    wait_for_strip(page)
    page.get_by_role("slider", name="Rotation").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("bench.rotation"))
    first = ink(page)
    draw(page, [[(60, 250), (220, 250)]])
    expect(page).not_to_have_url(page.url)
    both = ink(page)
    assert both != first
    page.get_by_role("button", name="Back to the drawing").click()
    expect(page).not_to_have_url(re.compile("bench.rotation"))
    assert ink(page) == both


def test_the_address_has_what_is_drawn_after_the_paper_was_cleared(open_page):
    page = open_page("preprocessing")
    draw(page, SEVEN)
    wait_for_strip(page)
    page.get_by_role("tab", name="Look inside").click()
    expect(page.get_by_text("Convolution 1").first).to_be_visible()
    seven = ink(page)
    page.get_by_role("button", name="Clear").click()
    expect(page).not_to_have_url(re.compile("ink="))
    draw(page, ONE)
    wait_for_strip(page)
    assert ink(page) != seven
    page.reload()
    expect(answer(page)).to_have_text("1")


def test_two_tabs_do_not_hear_each_other(open_page):
    first = open_page("preprocessing")
    second = open_page("preprocessing", context=first.context)
    draw(first, SEVEN)
    expect(answer(first)).to_have_text("7")
    settle(second)
    expect(answer(second)).to_have_text("–")


def test_twenty_quick_moves_of_a_slider_leave_no_stale_card(open_page):
    page = open_page("preprocessing")
    draw(page, SEVEN)
    wait_for_strip(page)
    page.locator(".st-key-settings-scale summary").click()
    handle = page.get_by_role("slider", name="Box size")
    handle.focus()
    for press in range(20):
        page.keyboard.press("ArrowLeft" if press % 7 < 4 else "ArrowRight")
    settle(page)
    box = int(handle.get_attribute("aria-valuenow") or handle.input_value())
    trace = trace_of_canvas(page, Pipeline(scale={"box": box}))
    assert np.array_equal(pixels(page, "centre"), np.uint8(np.round(trace["centre"].output * 255)))
    assert np.array_equal(pixels(page, "normalise"), in_colour(trace.tensor[0].numpy()))
    assert max(trace["scale"].output.shape) == box
    assert f"scale.box={box}" in page.evaluate("location.search") or box == 20


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.png", b"this is no picture", "not a picture"),
        ("empty.png", b"", "not a picture"),
        ("half.png", None, "cut off"),
        ("pixel.png", "pixel", "Nothing is drawn."),
    ],
)
def test_a_hostile_upload_is_answered_in_a_sentence(open_page, name, content, told):
    if not isinstance(content, bytes):
        file = io.BytesIO()
        side = 1 if content == "pixel" else 200
        rng = np.random.default_rng(1)
        Image.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8)).save(file, "PNG")
        content = file.getvalue() if content == "pixel" else file.getvalue()[:3000]
    page = open_page("preprocessing")
    settle(page)
    page.get_by_role("radio", name="Upload").click()
    settle(page)
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})
    expect(page.get_by_text(told).first).to_be_visible()
    if told == "Nothing is drawn.":
        expect(answer(page)).to_have_text("–")
    else:
        expect(answer(page)).to_have_count(0)


@pytest.mark.parametrize("search", ["?scale.box=banana", "?centre=7&ink=%FF%00", "?tab=nowhere&bench.rotation=1e9"])
def test_a_link_with_nonsense_opens_the_usual_page(open_page, search):
    page = open_page(f"preprocessing{search}")
    expect(answer(page)).to_have_text("–")
    expect(page.locator("[data-testid=stAlert]").first).to_be_visible()
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")


def test_every_part_of_the_page_opens(open_page):
    page = open_page("preprocessing")
    draw(page, SEVEN)
    wait_for_strip(page)
    for name, seen in (
        ("Stress bench", "It stays a 7"),
        ("Look inside", "Convolution 1"),
        ("Take it away", "The strip as PNG"),
        ("Numbers", "Point at a pixel"),
    ):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_text(re.compile(seen)).first).to_be_visible()
        settle(page)


def test_the_strip_and_the_stages_come_as_files(open_page):
    page = open_page("preprocessing?tab=Take+it+away")
    draw(page, SEVEN)
    wait_for_strip(page)
    with page.expect_download() as download:
        page.get_by_text("The strip as PNG").click()
    with Image.open(download.value.path()) as strip:
        assert strip.width > 3000


def test_on_a_phone_the_cards_wrap_and_a_finger_draws(open_page):
    page = open_page("preprocessing", viewport=PHONE, has_touch=True, is_mobile=True)
    touch(page, SEVEN[0])
    expect(answer(page)).to_have_text("7")
    wait_for_strip(page)
    edges = [page.locator(f".st-key-card-{stage}").bounding_box() for stage in STAGES]
    assert all(edge["x"] >= 0 and edge["x"] + edge["width"] <= PHONE["width"] for edge in edges)
    assert edges[-1]["y"] > edges[0]["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert canvas_box(page)["width"] <= PHONE["width"]
