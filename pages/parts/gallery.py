"""A grid of small crisp images, each of them a button that says what it is and opens it."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import streamlit as st

from pages.parts import state

SIDE = 84  # pixels of the screen: three for each of the image's


class Words(NamedTuple):
    """A piece of a caption, in a colour of the theme."""

    text: str
    colour: Literal["", "red", "blue"] = ""


class Picture(NamedTuple):
    number: int
    address: str  # of a PNG
    caption: tuple[Words, ...]
    words: str  # the text alternative


# One element for the whole grid: fifty images and fifty buttons of Streamlit's own keep a page busy for a third of a
# second. What is in `data` enters the page as text and addresses only, never as HTML.
_grid = st.components.v2.component(
    "gallery",
    html='<div class="grid"></div>',
    css=f"""
.grid {{
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax({SIDE + 6}px, 1fr));
    gap: 0.5rem;
    scroll-margin-top: 14rem;  /* the filters above stay in sight */
}}
button {{
    display: flex;
    flex-direction: column;
    align-items: center;
    gap: 0.25rem;
    padding: 2px 0;
    border: 0;
    border-radius: var(--st-button-radius);
    background: none;
    color: var(--st-text-color);
    font: 400 0.875rem/1.4 var(--st-font);
    white-space: nowrap;
    cursor: pointer;
}}
button:hover {{ color: var(--st-primary-color); }}
button:hover img {{ box-shadow: 0 0 0 2px var(--st-primary-color); }}
button:focus-visible {{ outline: 2px solid var(--st-primary-color); }}
img {{ width: {SIDE}px; height: {SIDE}px; border-radius: var(--st-base-radius); }}
.red {{ color: var(--st-red-text-color); }}
.blue {{ color: var(--st-blue-text-color); }}
""",
    js="""
function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
}

function button({ number, address, caption, words }) {
    const texts = caption.map(([text, colour]) => element("span", { textContent: text, className: colour }));
    const made = element("button", { type: "button" },
        element("img", { src: address, alt: words }), element("span", {}, ...texts));
    made.dataset.number = number;
    return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
    const grid = parentElement.querySelector(".grid");
    grid.onclick = (event) => {
        const pressed = event.target.closest("button");
        if (pressed) setTriggerValue("pressed", Number(pressed.dataset.number));
    };
    const asked = JSON.stringify(data.pictures);
    if (grid.shown !== asked) {  // where it is the same again, whoever has the keyboard's focus keeps it
        grid.shown = asked;
        grid.replaceChildren(...data.pictures.map(button));
    }
    // On a phone the gallery lies below what filled it, out of sight.
    const filled = grid.filled !== undefined && grid.filled !== data.filled;
    grid.filled = data.filled;
    if (filled && grid.getBoundingClientRect().top > innerHeight) grid.scrollIntoView({ behavior: "smooth" });
}
""",
)


def show_gallery(pictures: Sequence[Picture], open_picture: Callable[[int], None], key: str, filled: int = 0) -> None:
    """`filled` counts how often something far from the gallery has filled it; it then comes into sight."""

    def press() -> None:
        number = st.session_state[key].get("pressed")
        if type(number) is int and number in {picture.number for picture in pictures}:
            open_picture(number)

    shown = {"pictures": [picture._asdict() for picture in pictures], "filled": filled}
    _grid(key=key, data=shown, on_pressed_change=press)


def show_steps(number: int) -> None:
    """From an image that is open to the next one of those that it was opened among, and back."""
    walk = state.walk()
    place = walk.index(number) if number in walk else None
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for words, icon, step in (("Previous", ":material/arrow_back:", -1), ("Next", ":material/arrow_forward:", 1)):
            there = place is not None and 0 <= place + step < len(walk)
            st.button(
                words,
                icon=icon,
                key=f"step {words}",
                disabled=not there,
                on_click=state.open_image,
                args=[walk[place + step] if there else number],
            )
        if place is not None:
            st.caption(f"{place + 1:,} of {len(walk):,}")
