"""Two copies behind the shipped nginx: a drawing stays with its visitor, whichever copy dies."""

import re
import shutil

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.serving import balance, start
from tests.browser.visitor import DESKTOP, ONE, SEVEN, answer, draw, look_elsewhere_and_return, settle

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx"), reason="nginx is not here; Debian has it as the package nginx-light"
)


def test_a_drawing_survives_behind_nginx_and_the_other_copys_death(chromium: Browser, tmp_path):
    with start("server.py") as (first, one), start("server.py") as (second, other):
        processes = {first.partition("//")[2]: one, second.partition("//")[2]: other}
        with balance([first, second], tmp_path) as address:
            visitors: dict[str, Page] = {}
            for _ in range(30):  # chance chooses a new visitor's copy
                page = chromium.new_context(viewport=DESKTOP).new_page()
                copy = page.goto(address).headers["x-copy"]
                if copy in visitors:
                    page.context.close()
                visitors.setdefault(copy, page)
                if len(visitors) == 2:
                    break
            (dying, unlucky), (_, lucky) = visitors.items()
            assert visitors.keys() == processes.keys()
            for page, strokes, digit in ((unlucky, SEVEN, "7"), (lucky, ONE, "1")):
                expect(page.locator("h1").first).to_be_visible(timeout=60_000)
                draw(page, strokes)
                expect(answer(page)).to_have_text(digit)
            look_elsewhere_and_return(unlucky)
            expect(answer(unlucky)).to_have_text("7")
            expect(unlucky).to_have_url(re.compile("ink="))  # which the browser writes a moment after the answer

            processes[dying].kill()
            processes[dying].wait(20)
            look_elsewhere_and_return(lucky)
            expect(answer(lucky)).to_have_text("1")
            expect(answer(unlucky)).to_have_text("7")
            seven = unlucky.url.partition("ink=")[2]
            draw(unlucky, ONE)  # the page has found its way to the other copy by itself
            expect(unlucky).to_have_url(re.compile(f"ink=(?!{seven}$)"))
            settle(unlucky)
            said = answer(unlucky).inner_text()
            assert unlucky.reload().headers["x-copy"] != dying
            expect(answer(unlucky)).to_have_text(said)
            for page in visitors.values():
                expect(page.locator("[data-testid=stException]")).to_have_count(0)
                page.context.close()
