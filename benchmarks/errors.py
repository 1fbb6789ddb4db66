"""The errors page beside a bare page of the same matrix, and what each visitor costs in memory, in one run.

    python -m benchmarks.errors [--times 10] [--visitors 10]

The bare page holds the same plotly figure and prints the cell that was clicked: no Streamlit page with this matrix
can be faster. The bar is 1.5 times its median, for opening (address entered -> matrix drawn) and for a click (mouse
button released -> the chosen images stand there). Memory is that of the server after one visitor has opened the page
on every checkpoint and after all visitors have, their tabs still open; the bar is 5 MB a visitor.
Needs tests/requirements.txt and Chromium.
"""

import argparse
import os
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.tables import show_times
from mnist_core.checkpoints import list_checkpoints, load_answers
from mnist_core.evaluate import confused_pairs, confusion_matrix, evaluate
from pages.parts.charts import confusion_chart
from tests.browser.serving import FLAGS, find_chromium, resident, serve
from tests.browser.visitor import CELL, DESKTOP

BARE = """
from pathlib import Path

import plotly.io
import streamlit as st

st.set_page_config(layout="wide")
st.title("Bare")
event = st.plotly_chart(plotly.io.from_json(Path({figure!r}).read_text()), on_select="rerun", selection_mode="points")
st.markdown(f"cell {{[point['customdata'] for point in event.selection.points]}}")
"""
DRAWN = "!!document.querySelector('.js-plotly-plot')?._fullLayout?.xaxis?.l2p"
# Both ends are timed in the browser itself; the click has been answered when all of `what` says `seen`: the gallery's
# images, which stand in a shadow root and have to be loaded, or the text of the page.
WATCH = """([what, seen]) => {
    const images = () => [...document.querySelectorAll(".st-key-gallery *")]
        .flatMap((host) => [...(host.shadowRoot?.querySelectorAll("img") ?? [])]);
    const stands = {
        gallery: () => images().length && images().every((image) => image.complete && image.alt.includes(seen)),
        text: () => document.body.innerText.includes(seen),
    }[what];
    window.waited = new Promise((done) => {
        let released = null;
        document.addEventListener("mouseup", () => { released ??= performance.now(); }, { capture: true, once: true });
        const look = () => released !== null && stands()
            ? done(performance.now() - released) : requestAnimationFrame(look);
        look();
    });
}"""


def open_page(browser: Browser, address: str) -> tuple[Page, float]:
    page = browser.new_context(viewport=DESKTOP).new_page()
    page.goto(address, wait_until="commit")
    page.wait_for_function(DRAWN, polling="raf", timeout=120_000)
    return page, page.evaluate("performance.now()")


def time_click(page: Page, cell: tuple[int, int], seen: tuple[str, str]) -> float:
    place = page.evaluate(CELL, list(cell))
    page.mouse.move(*place)
    page.evaluate(WATCH, list(seen))
    page.mouse.down()
    page.mouse.up()
    waited = page.evaluate("window.waited")
    page.wait_for_timeout(700)
    return waited


def children() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def time_pages(browser: Browser, lab: str, bare: str, cells: list, times: int) -> None:
    addresses = {"bare page": bare, "errors page": f"{lab}/errors"}
    opened: dict[str, list[float]] = {name: [] for name in addresses}
    clicked: dict[str, list[float]] = {name: [] for name in addresses}
    for number in range(times + 1):
        for name, address in addresses.items():
            page, waited = open_page(browser, address)
            if number:  # the first one loads what all share
                opened[name].append(waited)
            page.context.close()
    pages = {name: open_page(browser, address)[0] for name, address in addresses.items()}
    for page in pages.values():
        page.wait_for_timeout(3000)
    for number in range(times + 1):
        label, digit, _ = cells[number % len(cells)]
        answers = {"bare page": ("text", f"cell [[{label}, {digit}]]")}
        answers["errors page"] = ("gallery", f"labelled {label}, read as {digit}")
        for name, page in pages.items():
            page.bring_to_front()
            waited = time_click(page, (label, digit), answers[name])
            if number:
                clicked[name].append(waited)
    show_times("open -> matrix", opened)
    show_times("click -> gallery", clicked)
    for page in pages.values():
        page.context.close()


def weigh_visitors(browser: Browser, lab: str, server: int, names: list[str], visitors: int) -> None:
    weights = []
    for number in range(visitors):
        page = browser.new_context(viewport=DESKTOP).new_page()
        for name in names:
            page.goto(f"{lab}/errors?model={name}")
            page.wait_for_function(DRAWN)
            page.wait_for_timeout(800)
        weights.append(resident(server))
        print(f"visitor {number + 1:>2} on {len(names)} checkpoints: {weights[-1]:.0f} MB", flush=True)
    print(f"growth a visitor: {(weights[-1] - weights[0]) / max(1, visitors - 1):.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, metavar="N", help="how often each is timed (default: 10)")
    parser.add_argument(
        "--visitors", type=int, default=10, metavar="N", help="who open it one after the other (default: 10)"
    )
    options = parser.parse_args()
    cards, _ = list_checkpoints()
    matrix = confusion_matrix(evaluate(*load_answers(cards[0])))
    cells = confused_pairs(matrix)[:5]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        figure, script = Path(folder) / "figure.json", Path(folder) / "bare.py"
        figure.write_text(confusion_chart(matrix, pressable=True, written="labelled").to_json())
        script.write_text(BARE.format(figure=str(figure)))
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        others = children()
        with serve() as lab:
            (server,) = children() - others
            with serve(str(script)) as bare:
                time_pages(browser, lab, bare, cells, options.times)
            weigh_visitors(browser, lab, server, [card.name for card in cards], options.visitors)
        browser.close()


if __name__ == "__main__":
    assert os.path.isdir("/proc/self/task"), "Memory is read from /proc, which only Linux has."
    main()
