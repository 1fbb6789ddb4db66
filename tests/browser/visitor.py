"""What a visitor does on a page: draws with a mouse or a finger and reads the answer."""

from contextlib import suppress

from playwright.sync_api import Page, TimeoutError, expect

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TELEPHONE = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "user_agent": "Mozilla/5.0 (Android 16; Mobile)"}
TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}  # by its name a computer
SEVEN = [[(80, 60), (190, 58), (150, 140), (120, 230)]]  # strokes on the canvas
ONE = [[(140, 50), (138, 230)]]
# Where a cell of the matrix is on the screen; -1 is the name of a row or a column.
CELL = """([row, column]) => {
    const chart = document.querySelector(".js-plotly-plot"), { xaxis, yaxis } = chart._fullLayout;
    const box = chart.getBoundingClientRect();
    return [box.x + xaxis._offset + xaxis.l2p(column), box.y + yaxis._offset + yaxis.l2p(row)];
}"""
# Streamlit has nothing to do, and has had nothing for longer than the canvas waits before it sends a stroke.
SETTLED = """() => new Promise((done) => {
    let since = performance.now();
    const look = () => {
        const state = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState;
        if (state !== "notRunning" || document.querySelector("[data-stale=true]")) since = performance.now();
        performance.now() - since > 300 ? done() : setTimeout(look, 20);
    };
    look();
})"""


def settle(page: Page) -> None:
    """Wait until all that was done so far has been answered: what a hand waits for before the next click."""
    page.evaluate(SETTLED)


def look_elsewhere_and_return(page: Page) -> None:
    """To the models page and back to the draw page."""
    settle(page)
    page.get_by_role("link", name="Models").click()
    expect(page.locator("h1").first).to_have_text("Models")
    settle(page)
    page.get_by_role("link", name="Draw").click()
    expect(page.locator("h1").first).to_have_text("Draw")


def draw(page: Page, strokes: list[list[tuple[float, float]]]) -> None:
    """Draw strokes in canvas pixels with the mouse, as a hand would: down, along, up."""
    box = canvas_box(page)
    for stroke in strokes:
        (x, y), *rest = [(box["x"] + x, box["y"] + y) for x, y in stroke]
        page.mouse.move(x, y)
        page.mouse.down()
        for point in rest or [(x + 0.5, y)]:
            page.mouse.move(*point)
        page.mouse.up()


def touch(page: Page, stroke: list[tuple[float, float]]) -> None:
    """One stroke with a finger on the canvas."""
    box = canvas_box(page)
    swipe(page, [(box["x"] + x, box["y"] + y) for x, y in stroke])


def swipe(page: Page, way: list[tuple[float, float]]) -> None:
    """A finger that goes down on the screen, along a way and up."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    send("touchStart", way[0])
    for point in way[1:]:
        send("touchMove", point)
    send("touchEnd")


def canvas_box(page: Page) -> dict:
    canvas = page.locator("canvas.upper-canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    return canvas.bounding_box()


def pick_by_keyboard(page: Page, name: str, text: str) -> None:
    """Of a list with a field to type into, what is left at its top."""
    field = page.get_by_role("combobox", name=name)
    option = page.get_by_role("option").first
    for _ in range(4):  # a list that opens while its page is drawn anew closes again
        field.fill("")
        field.fill(text)  # in one piece: of single keys a busy machine loses some
        with suppress(TimeoutError):
            option.wait_for(timeout=5000)
            break
    expect(option).to_contain_text(text)
    page.keyboard.press("Enter")


def gallery(page: Page, key: str = "gallery") -> set[int]:
    """The numbers of the images that a gallery shows."""
    return set(page.locator(f".st-key-{key} button").evaluate_all("all => all.map(each => +each.dataset.number)"))


def answer(page: Page):
    """The place of the large digit."""
    return page.locator("h2").first
