"""What a visitor did stays where the server has forgotten the visit: a phone that slept, a server started anew."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.serving import serve, start
from tests.browser.visitor import DESKTOP, ONE, SEVEN, answer, draw, look_elsewhere_and_return, settle

INK = "EAAKSTZ7NYY2jzqVQJlImlOYYJRwbdE"  # the seven
LINK = f"?ink={INK}"

# The visit's number, as each that writes into the address was told it.
NUMBERS = "Object.values(shownInAddress).map(({ visit }) => visit)"


class Visit:
    """A page whose line to the server can be cut; it finds back by itself, to a visit that the server does not know."""

    def __init__(self, page: Page, address: str):
        self.lines, self.page = [], page
        page.route_web_socket(re.compile("/_stcore/stream"), self._connect)
        page.goto(address)
        expect(page.locator("h1").first).to_be_visible(timeout=60_000)
        settle(page)

    def _connect(self, line) -> None:
        line.connect_to_server()
        self.lines.append(line)

    def is_forgotten(self) -> None:
        with self.another_begins():
            self.lines[-1].close()

    @contextmanager
    def another_begins(self) -> Iterator[None]:
        settle(self.page)
        before = self.page.evaluate(NUMBERS)
        yield
        self.page.wait_for_function(f"(before) => {NUMBERS}.every((number) => !before.includes(number))", arg=before)
        settle(self.page)


@pytest.fixture(scope="module")
def forgetful() -> Iterator[str]:
    """A server that forgets a visit as soon as its line is cut."""
    with serve(STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL="0") as address:
        yield address


@pytest.fixture
def visit(chromium: Browser, forgetful: str) -> Iterator:
    with visiting(chromium) as visit_address:
        yield lambda path="": visit_address(f"{forgetful}/{path}")


@contextmanager
def visiting(chromium: Browser) -> Iterator:
    context = chromium.new_context(viewport=DESKTOP)
    visits = []

    def visit_address(address: str) -> Visit:
        visits.append(Visit(context.new_page(), address))
        return visits[-1]

    yield visit_address
    shown = [visit.page.get_by_test_id("stException").count() for visit in visits]
    context.close()
    assert not any(shown), "a page showed a traceback"


def pick(page: Page, model: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name=model).click()
    expect(page).to_have_url(re.compile(f"model={model}"))
    settle(page)


def test_a_forgetful_server_forgets(visit):
    """Else the others would prove nothing."""
    page = (forgotten := visit()).page
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    settle(page)
    page.locator(".st-key-undo button").click()
    expect(page.locator(".st-key-redo button")).to_be_enabled()
    forgotten.is_forgotten()
    expect(page.locator(".st-key-redo button")).to_be_disabled()


def test_strokes_are_answered_after_it(visit):
    page = (forgotten := visit()).page
    pick(page, "mlp")  # the whole page ran last, after which a browser that finds back asks for nothing by itself
    forgotten.is_forgotten()
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    expect(page.get_by_text("mlp: ")).to_be_visible()


def test_what_was_judged_is_still_counted(visit):
    page = (forgotten := visit()).page
    draw(page, SEVEN)
    expect(answer(page)).to_have_text("7")
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("Counted as a 7.")).to_be_visible()
    forgotten.is_forgotten()
    page.get_by_text("Scorecard of this visit").click()
    expect(page.get_by_text("1 of 1 right")).to_be_visible()
    expect(page.get_by_text("Counted as a 7.")).to_be_visible()


@pytest.mark.parametrize("path", ["", LINK], ids=["drawn", "with a link"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_drawing_and_the_model_are_still_there(visit, path, elsewhere):
    page = (forgotten := visit(path)).page
    pick(page, "mlp")
    draw(page, ONE)
    expect(page).to_have_url(re.compile(f"ink=(?!{INK}(&|$))"))
    if elsewhere:  # from where the canvas comes back without a word of what stands on it
        look_elsewhere_and_return(page)
    settle(page)
    said, drawn, shown = answer(page).inner_text(), page.url, ink(page)
    forgotten.is_forgotten()
    expect(page.get_by_text("mlp: ")).to_be_visible()
    expect(answer(page)).to_have_text(said)
    assert page.url == drawn
    assert abs(ink(page) - shown) < 0.02 * shown
    draw(page, SEVEN)
    expect(page).not_to_have_url(drawn)
    expect(page.locator(".st-key-undo button")).to_be_enabled()


def test_what_was_undone_or_cleared_does_not_come_back(visit):
    page = (forgotten := visit(LINK)).page
    expect(answer(page)).to_have_text("7")
    page.locator(".st-key-clear button").click()
    expect(answer(page)).to_have_text("–")
    forgotten.is_forgotten()
    expect(answer(page)).to_have_text("–")
    assert "ink=" not in page.url
    draw(page, ONE)
    expect(answer(page)).to_have_text("1")
    draw(page, SEVEN)
    settle(page)
    page.locator(".st-key-undo button").click()
    expect(answer(page)).to_have_text("1")
    forgotten.is_forgotten()
    expect(answer(page)).to_have_text("1")


def test_the_links_drawing_does_not_come_back_from_behind_an_upload(visit):
    page = (forgotten := visit(LINK)).page
    expect(answer(page)).to_have_text("7")
    page.get_by_role("radio", name="Upload").click()
    expect(answer(page)).to_have_text("–")
    forgotten.is_forgotten()
    expect(answer(page)).to_have_text("–")
    assert "ink=" not in page.url


def test_a_sample_is_still_there(visit):
    page = (forgotten := visit("preprocessing?sample=5")).page
    number = page.get_by_role("spinbutton").first
    expect(number).to_have_value("5")
    number.fill("8")
    number.press("Enter")
    expect(page).to_have_url(re.compile(r"sample=(mnist|scan)-8"))
    forgotten.is_forgotten()
    expect(page).to_have_url(re.compile(r"sample=(mnist|scan)-8"))
    expect(number).to_have_value("8")


def test_a_server_started_anew_has_the_drawing_too(chromium):
    """It takes the first thing that it hears for an app of the old kind, whose page stands alone."""
    with ExitStack() as servers, visiting(chromium) as visit_address:
        address, server = servers.enter_context(start("streamlit_app.py"))
        page = (forgotten := visit_address(f"{address}/{LINK}")).page
        draw(page, ONE)
        expect(page).not_to_have_url(re.compile(f"{INK}$"))
        settle(page)
        said, drawn = answer(page).inner_text(), page.url
        with forgotten.another_begins():
            server.kill()
            server.wait(20)
            servers.enter_context(start("streamlit_app.py", port=int(address.rpartition(":")[2])))
        expect(page).to_have_url(drawn)
        expect(answer(page)).to_have_text(said)


def ink(page: Page) -> int:
    """How many pixels of the canvas are dark."""
    return page.locator("canvas.dc-canvas.lower-canvas").evaluate(
        """(canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let dark = 0;
            for (let i = 0; i < data.length; i += 4) dark += data[i] < 128 && data[i + 3] > 0;
            return dark;
        }"""
    )
