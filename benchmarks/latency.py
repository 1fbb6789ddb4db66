"""Pen lifted -> answer changed on the screen: the draw page beside a bare page of the same canvas, in one run.

    python -m benchmarks.latency [--strokes 20]

The bare page holds the canvas, with the same options, and prints the number of strokes: no other page with this
canvas can be faster. The bar is 1.25 times its median. Needs tests/requirements.txt and Chromium.
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.tables import show_times
from mnist_core.strokes import CANVAS_SIDE
from tests.browser.serving import FLAGS, find_chromium, serve
from tests.browser.visitor import DESKTOP, draw

BARE = f"""
import streamlit as st
from streamlit_drawable_canvas import st_canvas

st.title("Bare")

@st.fragment
def show():
    result = st_canvas(
        stroke_width=16, stroke_color="#000000", background_color="#ffffff", width={CANVAS_SIDE}, height={CANVAS_SIDE},
        return_image_data=True, key="canvas",
    )
    st.header(len((result.json_data or {{}}).get("objects", [])))

show()
"""
# Times both ends in the browser itself: the driver's own calls would add some milliseconds to each.
WATCH = """() => {
    const text = () => document.querySelector("h2")?.innerText;
    const before = text();
    window.waited = new Promise((done) => {
        let lifted = null;
        document.addEventListener("pointerup", () => { lifted = performance.now(); }, { capture: true, once: true });
        document.addEventListener("mouseup", () => { lifted ??= performance.now(); }, { capture: true, once: true });
        new MutationObserver((_, observer) => {
            if (lifted === null || !text() || text() === before) return;
            observer.disconnect();
            requestAnimationFrame(() => done(performance.now() - lifted));
        }).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
}"""


def time_stroke(page: Page) -> float:
    page.evaluate(WATCH)
    draw(page, [[(140, 40 + 20 * n) for n in range(11)]])
    return page.evaluate("window.waited")


def wipe(page: Page) -> None:
    """Back to the blank canvas, so that the next stroke changes the answer again."""
    page.locator(".st-key-clear button").click()
    page.wait_for_function("document.querySelector('h2').innerText === '–'")
    page.wait_for_timeout(500)


def open_page(browser, address: str) -> Page:
    page = browser.new_page(viewport=DESKTOP)
    page.goto(address)
    page.locator("canvas.upper-canvas").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=20, metavar="N", help="on each page (default: 20)")
    strokes = parser.parse_args().strokes
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        script = Path(folder) / "bare.py"
        script.write_text(BARE)
        with serve() as lab, serve(str(script)) as bare:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            pages = {"bare page": open_page(browser, bare), "draw page": open_page(browser, lab)}
            times: dict[str, list[float]] = {name: [] for name in pages}
            for number in range(strokes + 2):
                for name, page in pages.items():
                    page.bring_to_front()
                    waited = time_stroke(page)
                    if number >= 2:  # the first ones load the model and the browser's own caches
                        times[name].append(waited)
                    if name == "draw page":
                        wipe(page)
                    else:
                        page.wait_for_timeout(500)
            browser.close()
    show_times("stroke -> answer", times)


if __name__ == "__main__":
    main()
