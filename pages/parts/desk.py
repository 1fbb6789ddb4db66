"""The desk that pages share: where ink comes from and what stands beside it, whichever page it is looked at on."""

import re
from collections.abc import Mapping
from functools import cache

import streamlit as st

from mnist_core import Prediction
from mnist_core.pictures import png
from mnist_core.preprocess import scale
from mnist_core.strokes import render
from mnist_core.words import as_written
from pages.parts import loaders, state
from pages.parts.address import Words, show_in_address
from pages.parts.canvas import show_canvas, show_canvas_buttons, to_drawing
from pages.parts.examples import EXAMPLES, Example
from pages.parts.link import LONGEST, pack, unpack
from pages.parts.pictures import data_address, inked

LINKED = "ink"  # the name of the drawing in a page's address
UPLOADS = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"]
UPLOAD_LIMIT = 10  # MB
DRAW, UPLOAD, CAMERA, SAMPLE = "Draw", "Upload", "Camera", "Sample"


def show_ways(name: str, content: bytes) -> None:
    """From an image that is open to the pages that ask the models about it."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.caption("Send to", width="content")
        for words, page in (("Preprocessing", "pages/preprocessing.py"), ("Draw", "pages/draw.py")):
            if st.button(words, key=f"send {words}", on_click=_bring_image, args=[name, content]):
                # Without parameters of its own a switch refuses to leave the ones that widgets put into the address.
                st.switch_page(page, query_params={})


def _bring_image(name: str, content: bytes) -> None:
    state.bring(name, content, own=False)
    state.put_back({state.SOURCE: UPLOAD})


def choose_ink() -> bytes | None:
    """The ink to read, as the bytes of an image file; None while there is none."""
    source = st.segmented_control(
        "Where the digit comes from",
        [DRAW, UPLOAD, CAMERA, SAMPLE],
        default=DRAW,
        required=True,
        key=state.SOURCE,
        persist_state="session",
        label_visibility="collapsed",
    )
    if source == DRAW:
        ink = _choose_drawing()
    else:
        state.renew_canvas()
        ink = _choose_sample() if source == SAMPLE else _choose_picture(source)
    if ink is not None and is_own(ink):
        state.claim(mark_of(ink))
    return ink


def is_own(ink: bytes) -> bool:
    """Whether the ink on the desk is the visitor's, and not an example, a link's or out of a set of images."""
    source = st.session_state[state.SOURCE]
    fresh = source != SAMPLE and (state.board().now.own if source == DRAW else state.brought().own)
    return fresh or state.is_claimed(mark_of(ink))


def mark_of(ink: bytes) -> bytes:
    """What the same ink has again after a reload: a drawing's word in the address, for its pixels differ by a shade."""
    word = pack(state.board().now.strokes) if st.session_state[state.SOURCE] == DRAW else ""
    return word.encode() or ink


def read_link() -> None:
    """What a link brings comes onto the desk once: a drawing, or a sample's number."""
    for told in state.told_of_link("desk", _lay(st.query_params)):
        st.warning(told, icon=":material/link_off:")


def write_link() -> bool:
    """Write what is on the desk into the address, where it can be: a file or a long drawing cannot."""
    source = st.session_state[state.SOURCE]
    drawing = pack(state.board().now.strokes) if source == DRAW else ""
    words = {
        LINKED: drawing if len(drawing) <= LONGEST else "",
        state.SAMPLE: f"{loaders.samples()[0]}-{st.session_state[state.SAMPLE]}" if source == SAMPLE else "",
    }
    for word in words.values():
        state.knows_link(word)
    show_in_address(words, _recall)
    return any(words.values())


def _recall(words: Words) -> None:
    """What was on the desk of a visit that the server has forgotten."""
    if not words[LINKED]:
        state.clear()
    state.told_of_link("desk", _lay(words))


def _lay(words: Mapping[str, str]) -> list[str]:
    """Sentences about what cannot be laid onto the desk."""
    told = []
    if (word := words.get(LINKED)) and not state.knows_link(word):
        try:
            state.draw(to_drawing(*unpack(word)))
            state.put_back({state.SOURCE: DRAW})
        except ValueError:
            told.append("The drawing in the link cannot be read. Here is empty paper.")
    if word := words.get(state.SAMPLE):
        here, labelled = loaders.samples()  # first: a click while they are read ends the run, which knew the link
        if state.knows_link(word):
            return told
        which, number = _read_sample(word)
        if which not in ("", here):
            asked, are = loaders.SAMPLES[which], loaders.SAMPLES[here]
            told.append(f"The link asks for one of {asked}. The samples here are {are}.")
        elif number is not None and number < len(labelled.images):
            state.put_back({state.SOURCE: SAMPLE, state.SAMPLE: number})
        else:
            told.append("The link asks for a sample that does not exist.")
    return told


def _read_sample(word: str) -> tuple[str, int | None]:
    """Out of which samples a link wants one, "" where it does not say, and which; None where it makes no sense."""
    asked = re.fullmatch(rf"(?:({'|'.join(loaders.SAMPLES)})-)?(\d{{1,8}})", word, re.ASCII)
    return (asked[1] or "", int(asked[2])) if asked else ("", None)


def show_sign(prediction: Prediction) -> None:
    """The answer in one sign, a digit, one with a question mark, or none, and in words."""
    sign = {
        "blank": ":gray[–]",
        "not a digit": ":gray[?]",
        "unsure": f":blue[{prediction.digit}]:gray[?]",
        "digit": f":blue[{prediction.digit}]",
    }
    st.header(sign[prediction.verdict], anchor=False)
    st.markdown(f"**{prediction.in_words}**")


def _choose_drawing() -> bytes | None:
    st.caption("Any size, anywhere.")  # short, for the canvas shows a toolbar beside it
    show_canvas(st.session_state.get(state.PEN, 16))
    show_canvas_buttons()
    st.slider(
        "Pen", 4, 32, 16, key=state.PEN, persist_state="session", help="The width of the pen, in pixels of the paper."
    )
    return state.board().now.png or None


def _choose_picture(source: str) -> bytes | None:
    # The widgets' own memory ends with the page, and a file must be taken in once, not on every rerun. What was put
    # away leaves them only with their key.
    key = f"{source} {state.put_away_times()}"
    if source == UPLOAD:
        st.file_uploader(
            f"A picture of one digit, {UPLOAD_LIMIT} MB at most",
            UPLOADS,
            key=key,
            max_upload_size=UPLOAD_LIMIT,
            on_change=_take_in,
            args=[key],
        )
    else:
        st.camera_input("One digit on paper", key=key, on_change=_take_in, args=[key])
    if not (brought := state.brought()):
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"On the desk: {as_written(brought.name)}")
        st.button("Put away", icon=":material/close:", type="tertiary", on_click=state.put_away)
    return brought.content


def _choose_sample() -> bytes:
    which, (images, labels) = loaders.samples()
    name = loaders.SAMPLES[which]
    number = st.number_input(
        f"One of {name}, 0 to {len(images) - 1:,}", 0, len(images) - 1, key=state.SAMPLE, persist_state="session"
    )
    image = images[number] / 255
    st.image(png(image, 10), width=280, alt=f"Image {number} of {name}.")
    st.caption(f"Labelled {labels[number]}.")
    return png(image)


def _take_in(key: str) -> None:
    if file := st.session_state[key]:
        state.bring(file.name, file.getvalue())
    else:
        state.put_away()


def show_examples() -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for example in EXAMPLES:
            st.button(_label(example), key=f"example {example.name}", on_click=_draw_example, args=[example.name])


@cache
def _label(example: Example) -> str:
    """The drawing itself, small, and its name where the drawing does not say it."""
    canvas = 1 - render(example.drawn(), max(example.width, 24))[..., 0] / 255
    small, _ = scale(canvas, box=40)
    picture = data_address(inked(small))
    return f"![{example.name}]({picture})" if example.name.isdigit() else f"![]({picture}) {example.name}"


def _draw_example(name: str) -> None:
    example = next(example for example in EXAMPLES if example.name == name)
    strokes = example.drawn()
    state.draw(to_drawing(strokes, [example.width] * len(strokes)))
    state.put_back({state.SOURCE: DRAW})
