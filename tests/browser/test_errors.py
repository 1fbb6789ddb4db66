"""The errors page in a real browser: from a cell of the matrix to its images, to one image and on to other pages."""

import base64
import gzip
import hashlib
import io
import math
import re
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mnist_core import DigitClassifier
from mnist_core.checkpoints import list_checkpoints, load_answers
from mnist_core.classifier import conclude
from mnist_core.data import MNIST_MD5, load_embedded_digits, load_mnist, mnist_folder, mnist_is_here
from mnist_core.evaluate import compare, confused_pairs, confusion_matrix, evaluate
from mnist_core.pictures import png
from tests.browser.serving import serve
from tests.browser.visitor import CELL, DESKTOP, PHONE, TABLET, TELEPHONE, gallery, pick_by_keyboard, settle, swipe

SCROLLED = """() => new Promise((done) => {
    const top = () => document.querySelector("h1").getBoundingClientRect().top;
    const look = (before) => setTimeout(() => (top() === before ? done() : look(top())), 150);
    look();
})"""


@pytest.fixture(scope="module")
def evaluations():
    """How each model answered the test set, in the order of the model picker."""
    return {card.name: evaluate(*load_answers(card)) for card in list_checkpoints()[0]}


@pytest.fixture(scope="module")
def evaluation(evaluations):
    return next(iter(evaluations.values()))


def wait_for_chart(page: Page) -> None:
    page.wait_for_function("!!document.querySelector('.js-plotly-plot')?._fullLayout?.xaxis?.l2p")
    expect(page.locator(".st-key-gallery")).to_be_visible()


def click_cell(page: Page, row: int, column: int) -> None:
    page.mouse.click(*page.evaluate(CELL, [row, column]))


def expect_gallery(page: Page, numbers: set[int]) -> None:
    expect(page.get_by_text(re.compile(rf"^{len(numbers):,} images?$"))).to_be_visible()
    expect(page.locator(".st-key-gallery img")).to_have_count(min(50, len(numbers)))
    settle(page)
    shown = gallery(page)
    assert shown <= numbers
    assert len(shown) == min(50, len(numbers))  # more are on the next page


def chip(page: Page, words: str):
    return page.locator(".st-key-chips").get_by_role("button", name=words)


def of_pair(evaluation, label: int, digit: int) -> set[int]:
    return set(evaluation.query("label == @label and digit == @digit")["index"])


def test_a_click_on_a_cell_shows_exactly_its_images_and_the_chip_takes_it_back(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    for label, digit, _ in confused_pairs(confusion_matrix(evaluation))[:2]:
        click_cell(page, label, digit)
        expect(chip(page, f"{label} read as {digit}")).to_be_visible()
        expect_gallery(page, of_pair(evaluation, label, digit))
        assert f"label={label}" in page.evaluate("location.search")
        assert f"answer={digit}" in page.evaluate("location.search")
    chip(page, "read as").click()
    expect(page.get_by_text(re.compile(rf"^{len(evaluation.query('label != digit'))} images$"))).to_be_visible()
    assert page.evaluate("location.search") == ""
    click_cell(page, label, digit)  # the same cell once more
    expect_gallery(page, of_pair(evaluation, label, digit))


def test_a_digits_name_selects_its_row_or_column(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    label, digit, _ = confused_pairs(confusion_matrix(evaluation))[0]
    click_cell(page, label, -1)
    expect(chip(page, f"labelled {label}")).to_be_visible()
    expect_gallery(page, set(evaluation.query("label == @label and digit != label")["index"]))
    click_cell(page, -1, digit)
    expect(chip(page, f"read as {digit}")).to_be_visible()
    expect_gallery(page, set(evaluation.query("digit == @digit and digit != label")["index"]))


def test_a_cell_counts_more_than_what_was_picked_in_the_filter_before(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    (label, digit, _), (other, _, _) = confused_pairs(confusion_matrix(evaluation))[:2]
    page.get_by_text("Filter", exact=True).click()
    settle(page)  # it opens slowly, and what is in it moves
    page.get_by_role("combobox", name="Label").click()
    page.get_by_role("option", name=str(other), exact=True).click()
    expect(chip(page, f"labelled {other}")).to_be_visible()
    page.get_by_text("Filter", exact=True).click()
    settle(page)
    click_cell(page, label, digit)
    expect(chip(page, f"{label} read as {digit}")).to_be_visible()
    settle(page)
    page.get_by_role("radio", name="All").click()
    expect_gallery(page, of_pair(evaluation, label, digit))
    chip(page, "read as").click()
    expect(page.get_by_text(f"{len(evaluation):,} images", exact=True)).to_be_visible()
    settle(page)
    page.get_by_role("radio", name="Wrong").click()
    expect_gallery(page, set(evaluation.query("label != digit")["index"]))


def test_each_click_on_a_cell_is_one_step_for_the_browsers_back(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    pairs = confused_pairs(confusion_matrix(evaluation))
    first, second = pairs[0][:2], next(pair[:2] for pair in pairs if not {*pair[:2]} & {*pairs[0][:2]})
    hit = [next(digit for digit in range(10) if digit not in (*first, *second))] * 2
    clicks = first, second, hit
    for label, digit in clicks:
        click_cell(page, label, digit)
        expect(chip(page, f"{label} read as {digit}")).to_be_visible()
        settle(page)
    for label, digit in (second, first):
        page.go_back()
        expect(chip(page, f"{label} read as {digit}")).to_be_visible()
        expect_gallery(page, of_pair(evaluation, label, digit))
    page.go_back()
    expect_gallery(page, set(evaluation.query("label != digit")["index"]))


def test_the_keyboard_reaches_the_most_confused_pair(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    label, digit, _ = confused_pairs(confusion_matrix(evaluation))[0]
    pick_by_keyboard(page, "Most confused", f"{label} read as {digit}")
    expect(chip(page, f"{label} read as {digit}")).to_be_visible()
    expect_gallery(page, of_pair(evaluation, label, digit))


def test_an_image_is_opened_stepped_from_and_sent_on(open_page, evaluation):
    if not mnist_is_here():
        pytest.skip("only images that are there can be sent on")
    label, digit, count = confused_pairs(confusion_matrix(evaluation))[0]
    first, second = evaluation.query("label == @label and digit == @digit").sort_values(
        "confidence", ascending=False, kind="stable"
    )["index"][:2]
    page = open_page(f"errors?label={label}&answer={digit}")
    wait_for_chart(page)
    page.locator(f".st-key-gallery [data-number='{first}']").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"Image {first}")).to_be_visible()
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.get_by_text(f"Image {second}")).to_be_visible()
    expect(dialog.get_by_text(f"2 of {count}")).to_be_visible()
    dialog.get_by_text("Occlusion", exact=True).click()
    expect(dialog.get_by_text("covered with paper")).to_be_visible()
    dialog.get_by_text("Saliency", exact=True).click()
    expect(dialog.get_by_text("more ink here")).to_be_visible()
    settle(page)
    again = open_page(f"errors{page.evaluate('location.search')}").get_by_role("dialog")
    expect(again.get_by_text(f"Image {second}")).to_be_visible()
    expect(again.get_by_text("more ink here")).to_be_visible()
    dialog.get_by_role("button", name="Draw").click()
    expect(page.locator("h1").first).to_have_text("Draw")
    expect(page.get_by_text(f"On the desk: Image {second}")).to_be_visible()
    said = DigitClassifier.load().predict(load_mnist("test").images[second]).in_words
    expect(page.get_by_text(said, exact=True)).to_be_visible()


def test_an_image_tells_how_sure_the_answer_is_and_when_the_model_would_turn_it_away(open_page, evaluation):
    card = list_checkpoints()[0][0]
    predictions = conclude(load_answers(card)[1], card.limits)
    sure = int(evaluation.query("label == digit and 0.9995 < confidence < 1").index[0])
    page = open_page(f"errors?image={sure}&show=All")
    expect(page.get_by_role("dialog").get_by_text("The answer got >99.9%.", exact=True)).to_be_visible()
    expect(page.get_by_text("The draw page would say")).to_have_count(0)
    for verdict in ("not a digit", "unsure"):
        number, said = next((n, p.in_words) for n, p in enumerate(predictions) if p.verdict == verdict)
        page = open_page(f"errors?image={number}&show=All")
        told = f"The draw page would say “{said}”; here the likeliest digit counts."
        expect(page.get_by_text(told)).to_be_visible()


def test_a_vote_can_be_taken_away_as_csv(open_page):
    page = open_page("errors?image=947&further=Right+or+mislabelled%3F")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("label wrong", exact=True).click()
    settle(page)
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 given in this visit")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Your verdicts as CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "index,label,digit,confidence,verdict"
    assert lines[1].startswith("947,8,")
    assert lines[1].endswith("label wrong")


def test_the_pages_of_the_gallery_hold_every_image_once(open_page, evaluation):
    page = open_page("errors?show=Right&label=5&find=0-1500")
    wait_for_chart(page)
    right = set(evaluation.query("label == 5 and digit == 5 and index <= 1500")["index"])
    assert len(right) > 100  # three pages
    shown = gallery(page)
    for sheet in range(2, math.ceil(len(right) / 50) + 1):
        left = len(right) - len(shown)
        page.locator(".st-key-sheet button").filter(has_text=re.compile(f"^{sheet}$")).click()
        settle(page)
        expect(page.locator(".st-key-gallery img")).to_have_count(min(50, left))
        more = gallery(page)
        assert not shown & more
        shown |= more
    assert shown == right


def test_two_models_are_compared(open_page, evaluations):
    (one, first), (other, second) = list(evaluations.items())[:2]
    comparison = compare(first, second)
    page = open_page("errors?door=Two+models")
    wait_for_chart(page)
    expect(page.get_by_text("McNemar")).to_be_visible()
    expect_gallery(page, set(comparison.fixed.tolist()))
    page.get_by_text("New", exact=True).click()
    expect_gallery(page, set(comparison.new.tolist()))
    number = int(comparison.new[0])
    label, digit = first["label"][number], second["digit"][number]
    page.locator(".js-plotly-plot").evaluate("chart => chart.scrollIntoView({ block: 'center' })")
    click_cell(page, int(label), int(digit))
    behind = (first["label"] == label) & (second["digit"] == digit)
    expect(chip(page, f"{label} read as {digit}")).to_be_visible()
    expect_gallery(page, {number for number in comparison.new.tolist() if behind[number]})
    chip(page, f"{label} read as {digit}").click()
    settle(page)
    page.get_by_text("Shared", exact=True).click()
    expect_gallery(page, set(comparison.shared.tolist()))


def test_the_report_that_is_taken_away_stands_by_itself_with_every_mistake(open_page, evaluation, tmp_path):
    page = open_page("errors?door=Two+models&further=Report")
    wait_for_chart(page)
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Report as HTML").click()
    download.value.save_as(tmp_path / "report.html")
    report = page.context.new_page()
    faults: list[str] = []
    report.on("pageerror", lambda error: faults.append(str(error)))
    report.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    report.set_viewport_size(PHONE)
    report.goto((tmp_path / "report.html").as_uri())
    expect(report.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    headings = report.locator("h2").all_inner_texts()
    assert {"Map", "How far to trust it", "Mistakes"} <= set(headings)
    assert any(heading.startswith("Compared with") for heading in headings)
    expect(report.locator(".js-plotly-plot")).to_have_count(7)
    expect(report.locator("figure img")).to_have_count(len(evaluation.query("label != digit")))
    assert report.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not faults


def test_a_lasso_on_the_map_fills_the_gallery_and_its_link_brings_the_same_images(open_page, evaluation):
    page = open_page("errors?door=Map")
    page.wait_for_function("!!document.querySelector('.js-plotly-plot')?._fullLayout?.xaxis?.l2p")
    settle(page)
    box = page.locator(".js-plotly-plot").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + min(box["height"], 800 - box["y"]) / 2
    page.mouse.move(x - 80, y - 80)
    page.mouse.down()
    for dx, dy in ((80, -80), (80, 80), (-80, 80), (-80, -78)):
        page.mouse.move(x + dx, y + dy, steps=5)
    page.mouse.up()
    button = chip(page, "from the map")
    expect(button).to_be_visible()
    caught = int(re.sub(r"\D", "", button.inner_text()))
    assert 0 < caught < 10_000
    expect(page.get_by_text(re.compile(rf"^{caught:,} images?$"))).to_be_visible()
    settle(page)
    again = open_page(f"errors{page.evaluate('location.search')}")
    expect(again.get_by_text(re.compile(rf"^{caught:,} images?$"))).to_be_visible()
    expect(chip(again, f"{caught:,} from the map")).to_be_visible()
    settle(again)
    assert gallery(again) == gallery(page)
    button.click()
    expect(page.get_by_text(re.compile(rf"^{len(evaluation.query('label != digit'))} images$"))).to_be_visible()


@pytest.mark.parametrize(
    ("path", "device"),
    [("errors?door=Map", TELEPHONE), ("data?part=Map", TELEPHONE), ("data?part=Map", TABLET)],
)
def test_where_it_is_touched_a_finger_scrolls_past_the_map_until_it_is_asked_to_draw_one_line(open_page, path, device):
    page = open_page(path, **device)
    expect(page.get_by_text("Draw with a finger")).to_be_visible()
    chart, toggle = page.locator(".js-plotly-plot").first, page.get_by_role("switch", name="Draw with a finger")

    def middle() -> tuple[float, float]:
        expect(chart).to_be_visible()
        settle(page)
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def scrolled() -> float:
        x, y = middle()
        swipe(page, [(x, y - 15 * step) for step in range(11)])
        page.evaluate(SCROLLED)
        return y - (chart.bounding_box()["y"] + chart.bounding_box()["height"] / 2)

    assert scrolled() > 50
    assert "lasso=" not in page.url
    page.get_by_text("Draw with a finger").click()
    expect(toggle).to_be_checked()
    page.wait_for_function("!!document.querySelector('.js-plotly-plot .nsewdrag')")
    x, y = middle()
    swipe(page, [(x + 70 * math.cos(turn / 4), y + 70 * math.sin(turn / 4)) for turn in range(25)])
    expect(page).to_have_url(re.compile("lasso="))
    expect(toggle).not_to_be_checked()
    assert scrolled() > 50


def test_a_visitors_zip_is_evaluated_and_its_faults_are_named(open_page, tmp_path):
    digits = load_embedded_digits()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(20):
            label = 5 if number == 0 else digits.labels[number]  # the first is a 0: one mistake is certain
            archive.writestr(f"mine/{label}/{number}.png", png(digits.images[number] / 255))
        archive.writestr("mine/3/broken.png", b"nothing")
    (tmp_path / "mine.zip").write_bytes(file.getvalue())
    page = open_page("errors?data=Your+own")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.zip")
    expect(page.get_by_text("20 pictures of mine.zip")).to_be_visible()
    expect(page.get_by_text("What was left out, and why (1)")).to_be_visible()
    wait_for_chart(page)


@pytest.mark.parametrize("view", ["desktop", "phone"])
def test_the_matrix_is_in_sight_at_once_and_nothing_is_wider_than_the_screen(open_page, view):
    page = open_page("errors", **({"viewport": PHONE} if view == "phone" else {}))
    wait_for_chart(page)
    assert page.evaluate(CELL, [5, 5])[1] < page.viewport_size["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_on_a_phone_the_gallery_comes_into_sight_when_a_cell_has_filled_it(open_page, evaluation):
    page = open_page("errors", viewport=PHONE)
    wait_for_chart(page)
    settle(page)
    matrix = confusion_matrix(evaluation)
    empty_label, empty_digit = map(int, np.argwhere(matrix == 0)[0])
    (label, digit, _), *_ = confused_pairs(matrix)
    click_cell(page, empty_label, empty_digit)
    expect(chip(page, f"{empty_label} read as {empty_digit}")).to_be_in_viewport()
    expect(page.get_by_text("No image has this label and this answer together.")).to_be_in_viewport()
    settle(page)
    page.locator("h1").first.evaluate("title => title.scrollIntoView()")
    expect(chip(page, f"{empty_label} read as {empty_digit}")).not_to_be_in_viewport()
    click_cell(page, label, digit)
    expect_gallery(page, of_pair(evaluation, label, digit))
    expect(page.locator(".st-key-gallery button").first).to_be_in_viewport()
    expect(chip(page, f"{label} read as {digit}")).to_be_in_viewport()


def test_without_mnist_a_click_still_selects_and_a_failed_download_is_a_sentence(chromium, bare_address, evaluation):
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{bare_address}/errors")
    wait_for_chart(page)
    label, digit, _ = confused_pairs(confusion_matrix(evaluation))[0]
    click_cell(page, label, digit)
    expect_gallery(page, of_pair(evaluation, label, digit))
    page.get_by_role("button", name="Download MNIST").click()
    expect(page.get_by_text("could not be downloaded")).to_be_visible(timeout=60_000)
    assert page.locator("[data-testid=stException]").count() == 0
    page.close()


# The server of `serve`, but MNIST's files come from a stand-in for its mirrors, packed anew. What is unpacked must
# still be MNIST's own, to the last bit.
MIRRORED = """
import sys
from torchvision.datasets import MNIST

port, mirror, *sums = sys.argv[1:]
MNIST.mirrors = [mirror]
MNIST.resources = [tuple(each.split("=")) for each in sums]
sys.argv = ["streamlit", "run", "streamlit_app.py", f"--server.port={port}", "--server.address=127.0.0.1"]
sys.argv += ["--server.headless=true", "--server.fileWatcherType=none"]
from streamlit.web.cli import main

main()
"""


@pytest.fixture
def mirror() -> Iterator[tuple[list[str], threading.Event]]:
    """What `MIRRORED` is told of a mirror that holds back the second half of everything until the event is set."""
    if not mnist_is_here():
        pytest.skip("MNIST is not on this disk, and a mirror needs it whole; MNIST_DATA_DIR may name its folder")
    raw = mnist_folder() / "MNIST" / "raw"
    archives = {f"{name}.gz": gzip.compress((raw / name).read_bytes(), 1) for name in MNIST_MD5}
    go_on = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            content = archives[self.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            go_on.wait(60)
            self.wfile.write(content[len(content) // 2 :])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    sums = [f"{name}={hashlib.md5(content).hexdigest()}" for name, content in archives.items()]
    yield [f"http://127.0.0.1:{server.server_port}/", *sums], go_on
    go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_shows_how_far_it_has_come_and_then_the_images_are_there(chromium, mirror, evaluation, tmp_path):
    told, go_on = mirror
    shown = min(50, len(evaluation.query("label != digit")))
    (tmp_path / "mirrored.py").write_text(MIRRORED)
    command = [sys.executable, str(tmp_path / "mirrored.py"), "{port}", *told]
    with serve(command=command, MNIST_DATA_DIR=str(tmp_path / "data"), no_proxy="127.0.0.1") as address:
        page = chromium.new_page(viewport=DESKTOP)
        page.goto(f"{address}/errors")
        wait_for_chart(page)
        expect(page.locator(".st-key-gallery img[alt*='not at hand']")).to_have_count(shown)
        settle(page)
        page.get_by_role("button", name="Download MNIST").click()
        expect(page.get_by_text("train-images-idx3-ubyte.gz …")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile("^(4[5-9]|50)"))
        go_on.set()
        expect(page.get_by_role("button", name="Download MNIST")).to_have_count(0, timeout=60_000)
        expect(page.locator(".st-key-gallery img[alt*='not at hand']")).to_have_count(0)
        settle(page)
        images = load_mnist("test").images
        for number in sorted(gallery(page))[:3]:
            src = page.locator(f".st-key-gallery img[alt^='Image {number}:']").get_attribute("src")
            picture = Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2])))
            np.testing.assert_array_equal(np.asarray(picture)[::6, ::6], images[number])
        assert page.locator("[data-testid=stException]").count() == 0
        page.close()


def test_fast_clicks_end_at_the_last_one(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    matrix = confusion_matrix(evaluation)
    cells = [(i, j) for i, j in np.argwhere(matrix) if i != j][:6]
    page.evaluate("window.chart = document.querySelector('.js-plotly-plot')")
    for row, column in cells:
        page.mouse.move(*page.evaluate(CELL, [int(row), int(column)]))
        page.wait_for_timeout(100)  # a hand rests before it presses; plotly itself looks every 50 ms where the mouse is
        page.mouse.down()
        page.mouse.up()
    row, column = map(int, cells[-1])
    expect(chip(page, f"{row} read as {column}")).to_be_visible()
    expect_gallery(page, of_pair(evaluation, row, column))
    assert page.evaluate("chart.isConnected"), "a chart that is made anew in between loses the click that hits it then"


def test_a_click_counts_where_the_chart_was_drawn_anew_under_a_mouse_at_rest(open_page):
    page = open_page("errors", viewport={"width": 1280, "height": 1200})  # nothing has to be scrolled
    wait_for_chart(page)
    page.mouse.move(*page.evaluate(CELL, [2, 7]))
    page.get_by_role("switch", name="Hits").press("Space")
    page.wait_for_function("location.search === '?hits=false'")
    settle(page)
    page.mouse.down()
    page.mouse.up()
    expect(chip(page, "2 read as 7")).to_be_visible()


@pytest.mark.parametrize("path", ["errors", "errors?door=Two+models"])
def test_a_tap_of_a_finger_presses_the_cell_under_it_and_a_swipe_over_the_matrix_scrolls(open_page, path):
    page = open_page(path, viewport=PHONE, has_touch=True, is_mobile=True)
    wait_for_chart(page)
    for row, column in ((2, 7), (4, 9), (9, 4)):
        page.locator(".js-plotly-plot").scroll_into_view_if_needed()
        settle(page)
        page.touchscreen.tap(*page.evaluate(CELL, [row, column]))
        expect(chip(page, f"{row} read as {column}")).to_be_visible()
        page.evaluate(SCROLLED)  # to the gallery
    page.locator(".js-plotly-plot").scroll_into_view_if_needed()
    settle(page)
    (x, y), chosen = page.evaluate(CELL, [8, 8]), page.evaluate("location.search")
    swipe(page, [(x, y - 15 * step) for step in range(11)])
    page.evaluate(SCROLLED)
    assert page.evaluate(CELL, [8, 8])[1] < y - 50
    assert page.evaluate("location.search") == chosen  # nothing was pressed


def test_a_mark_on_a_cell_goes_where_the_filters_say_another(open_page, evaluation):
    page = open_page("errors")
    wait_for_chart(page)
    label, digit, _ = confused_pairs(confusion_matrix(evaluation))[0]
    marked = "document.querySelector('.js-plotly-plot')._fullData.some((trace) => trace.selectedpoints?.length)"
    for take_away in (chip(page, "read as").click, page.go_back):
        click_cell(page, label, digit)
        expect(chip(page, f"{label} read as {digit}")).to_be_visible()
        page.wait_for_function(marked)
        settle(page)
        take_away()
        expect(chip(page, "Every label and answer")).to_be_visible()
        page.wait_for_function(f"!{marked}")


def test_a_map_that_the_browser_has_is_not_sent_again_however_much_was_drawn_elsewhere(open_page, chromium):
    received = []

    def listen(page: Page) -> None:
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))

    with chromium.new_context(viewport=DESKTOP) as context:
        context.on("page", listen)
        page = open_page("errors", context)
        page.get_by_role("radio", name="Map", exact=True).click()
        wait_for_chart(page)
        settle(page)
        assert sum(received) > 200_000
        links = page.get_by_test_id("stSidebarNav")
        links.get_by_role("link", name="Preprocessing").click()
        for digit in (0, 1, 2, 3):
            page.locator(f".st-key-example-{digit} button").click()
            expect(page.locator("h2").first).to_have_text(str(digit))
        settle(page)
        received.clear()
        links.get_by_role("link", name="Errors").click()
        wait_for_chart(page)
        settle(page)
        assert 0 < sum(received) < 100_000
