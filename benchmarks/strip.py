"""The preprocessing page: a stroke to the whole strip updated beside the draw page's answer, and a late change.

    python -m benchmarks.strip [--strokes 20]

In one browser, one stroke on each page in turn, from the pen lifted to the new answer on the draw page, and to the
new picture and the new answer of the last card on the preprocessing page. The bar is 1.3 times the draw page's median.
Then, without a browser, what a changed setting costs when only what follows it is made anew. Needs
tests/requirements.txt and Chromium.
"""

import argparse
import statistics
import time

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.latency import open_page, time_stroke, wipe
from benchmarks.tables import show_times
from mnist_core.preprocess import Pipeline
from tests.browser.serving import FLAGS, find_chromium, serve
from tests.browser.visitor import draw
from tests.inks import SEVEN

# The last card is written last: when its picture and its words are new, the strip is. Looking must not cost a layout.
WATCH_STRIP = """() => {
    const card = () => document.querySelector(".st-key-card-normalise");
    const seen = () => [card()?.querySelector("img")?.src, card()?.textContent].join();
    const before = seen();
    const drawn = () => seen() !== before && card().querySelector("img").complete && !card().textContent.includes("–");
    window.waited = new Promise((done) => {
        let lifted = null;
        document.addEventListener("pointerup", () => { lifted ??= performance.now(); }, { capture: true, once: true });
        document.addEventListener("mouseup", () => { lifted ??= performance.now(); }, { capture: true, once: true });
        const look = () => lifted !== null && drawn() ? done(performance.now() - lifted) : requestAnimationFrame(look);
        look();
    });
}"""


def time_strip(page: Page) -> float:
    page.evaluate(WATCH_STRIP)
    draw(page, [[(140, 40 + 20 * n) for n in range(11)]])
    return page.evaluate("window.waited")


def time_strokes(strokes: int) -> None:
    with sync_playwright() as playwright, serve() as lab:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        pages = {
            "draw page, answer": (open_page(browser, lab), time_stroke),
            "preprocessing, strip": (open_page(browser, f"{lab}/preprocessing"), time_strip),
        }
        times: dict[str, list[float]] = {name: [] for name in pages}
        for number in range(strokes + 2):
            for name, (page, time_it) in pages.items():
                page.bring_to_front()
                waited = time_it(page)
                if number >= 2:  # the first ones load the model and the browser's own caches
                    times[name].append(waited)
                page.wait_for_timeout(700)
                wipe(page)
        browser.close()
    show_times("stroke -> all of it", times)


def median_milliseconds(run) -> float:
    waited = []
    for _ in range(30):
        started = time.perf_counter()
        run()
        waited.append(1000 * (time.perf_counter() - started))
    return statistics.median(waited)


def time_changes() -> None:
    large = np.kron(SEVEN[..., 0], np.ones((6, 6), dtype=np.uint8))
    changes = {
        "nothing before": None,
        "crop.threshold": {"crop": {"threshold": 0.2}},
        "scale.box": {"scale": {"box": 18}},
        "centre.by": {"centre": {"by": "box"}},
        "normalise.mean": {"normalise": {"mean": 0.0}},
    }
    print(f"\n{'changed':16}  canvas of 280   picture of 1,680   (median ms of 30)")
    for name, change in changes.items():
        cells = []
        for ink in (SEVEN, large):
            before = Pipeline().run(ink) if change else None
            cells.append(median_milliseconds(lambda i=ink, b=before, c=change: Pipeline(**(c or {})).run(i, before=b)))
        print(f"{name:16}  {cells[0]:13.2f}   {cells[1]:16.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=20, metavar="N", help="on each page (default: 20)")
    time_strokes(parser.parse_args().strokes)
    time_changes()


if __name__ == "__main__":
    main()
