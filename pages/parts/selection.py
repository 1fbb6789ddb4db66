"""Which images are looked at: filters whose keys stand in the page's address, the chips that undo them, the gallery."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from mnist_core.evaluate import ORDERS, choose, read_numbers
from mnist_core.words import as_code, counted, percent, whole_number
from pages.parts import state
from pages.parts.datasets import WHAT, Answered
from pages.parts.gallery import Picture, Words, show_gallery
from pages.parts.lasso import fenced_images, is_written

ANY = "any"
DIGITS = [ANY, *map(str, range(10))]
SHOWN = {"Wrong": False, "Right": True, "All": None}
PAGE = 50
EVERY = 0, 100  # percent
READS = {  # what may stand in an address
    "data": lambda text: text in WHAT,
    "show": lambda text: text in SHOWN,
    "label": lambda text: text in DIGITS,
    "answer": lambda text: text in DIGITS,
    "sort": lambda text: text in ORDERS,
    "sheet": lambda text: bool(whole_number(text)),
    "doubts": lambda text: bool(whole_number(text)),
    "hits": lambda text: text.lower() in ("true", "false"),
    "above": lambda text: re.fullmatch(r"0(\.\d+)?", text) is not None and float(text) <= 0.999,
    "wall": lambda text: whole_number(text) is not None,
    state.IMAGE: lambda text: whole_number(text) is not None,
    state.LASSO: is_written,
}


def misread(parameters: Mapping[str, str], options: Mapping[str, Collection[str]]) -> list[str]:
    """The entries of the address that mean to be filters, or one of the page's options, and are none."""
    wrong = [key for key, text in parameters.items() if key in READS and not READS[key](text)]
    wrong += [key for key, text in parameters.items() if key in options and text not in options[key]]
    told = [as_code(f"{key}={parameters[key]}") for key in wrong]
    if (sure := st.query_params.get_all("sure")) and not _is_interval(sure):
        told.append(as_code("&".join(f"sure={text}" for text in sure)))
    return told


def _is_interval(texts: list[str]) -> bool:
    # Streamlit cuts half a percent to a whole one.
    if len(texts) != 2 or not all(re.fullmatch(r"\d{1,3}(\.\d+)?", text, re.ASCII) for text in texts):
        return False
    low, high = map(float, texts)
    return low <= high <= 100


def past_end(key: str, count: int, page: int = PAGE) -> list[str]:
    """The entry of a link that asks for a sheet which so many images do not reach."""
    asked = whole_number(st.query_params.get(key, ""))
    # What the visit chose itself may still stand in the address when there are fewer.
    if asked is None or key in st.session_state or asked <= max(1, math.ceil(count / page)):
        return []
    return [as_code(f"{key}={asked}")]


def show_misread(nonsense: list[str], place: str = "page") -> None:
    """Say so, once for each place of the page that looks into the address."""
    if told := state.told_of_link(place, nonsense):
        st.warning(
            f"The link asks for what does not exist ({', '.join(told)}); the usual stands there.",
            icon=":material/link_off:",
        )


def select(label: int | None, digit: int | None) -> None:
    """Look at one cell of the matrix, or at a row or a column of it."""
    show = "Right" if label is not None and label == digit else "Wrong"
    chosen = {"label": ANY if label is None else str(label), "answer": ANY if digit is None else str(digit)}
    _put_back({"show": show} | chosen | {"find": "", "sure": EVERY, "sheet": 1})
    state.mark_cell(chosen)
    state.fill_gallery()


def turn_of_matrix() -> int:
    """One that marks a cell is made anew where the filters say another.

    Not as the browser tells of a change: between two fast clicks it tells of filters that are old already.
    """
    if any(st.session_state.get(key, ANY) != digit for key, digit in state.marked_cell().items()):
        state.turn_charts()
    return state.chart_turn()


def unselect(**values) -> None:
    _put_back(values | {"sheet": 1})


def _put_back(values: dict[str, Any]) -> None:
    usual = {"label": ANY, "answer": ANY, "show": "Wrong", "find": "", "sure": EVERY, "sheet": 1}
    state.put_back_as_one_step(values, {key: "" if v == usual[key] else str(v) for key, v in values.items()})


def first_sheet() -> None:
    state.put_back({"sheet": 1})


def _choose_show() -> str:
    return st.segmented_control(
        "Show",
        list(SHOWN),
        default="Wrong",
        required=True,
        key="show",
        bind="query-params",
        on_change=first_sheet,
        label_visibility="collapsed",
    )


def _choose_all() -> str:
    # Under a key of its own: disabled, the other would take the first link's value again.
    return st.segmented_control(
        "Show", list(SHOWN), default="All", key="show all", disabled=True, label_visibility="collapsed"
    )


def choose_images(answers: Answered, within: Collection[int] | None = None) -> pd.DataFrame:
    """The filters as widgets, and the rows of the evaluation that they leave.

    `within` is one more, which decides already whether right or wrong ones are shown.
    """
    n = len(answers.evaluation)
    show = _choose_show() if within is None else _choose_all()
    # No popover: widgets in a closed one do not hear that they were put back, and say their old values.
    with st.expander("Filter", type="compact", key="filter"):
        left, right = st.columns(2)
        label = left.selectbox("Label", DIGITS, key="label", bind="query-params", on_change=unselect)
        digit = right.selectbox("Read as", DIGITS, key="answer", bind="query-params", on_change=unselect)
        low, high = st.slider("How sure, in %", *EVERY, EVERY, key="sure", bind="query-params", on_change=first_sheet)
        text = st.text_input(
            "Numbers",
            key="find",
            bind="query-params",
            placeholder="947, 1000-1010",
            max_chars=200,
            on_change=first_sheet,
        )
    if state.chart_turn() != turn_of_matrix():  # after the browser's Back the filters learn what they say only here
        st.rerun()
    if low > high:  # Streamlit takes it from a link
        low, high = EVERY
    try:
        numbers = read_numbers(text or "", n)
    except ValueError as error:
        st.warning(str(error), icon=":material/search_off:")
        numbers = None
    fence = fenced_images(answers, st.session_state[state.MODEL])
    for inside in (fence, within):
        if inside is not None:
            inside = {int(number) for number in inside}
            numbers = inside if numbers is None else numbers & inside
    pair = [None if digit == ANY else int(digit) for digit in (label, digit)]
    _show_chips(*pair, (low, high), text, fence)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = st.empty()
        order = st.selectbox(
            "Sort",
            list(ORDERS),
            key="sort",
            bind="query-params",
            on_change=first_sheet,
            width=200,
            label_visibility="collapsed",
        )
    chosen = choose(answers.evaluation, *pair, SHOWN[show], (low / 100, high / 100), numbers, order)
    words.markdown(f"**{counted(len(chosen), 'image')}**", width="content")
    return chosen


def _show_chips(label: int | None, digit: int | None, sure: tuple, text: str, fence: frozenset | None) -> None:
    chips = []
    if label is not None and digit is not None:
        show = {"show": "Wrong"} if label == digit else {}
        chips.append((f"{label} read as {digit}", unselect, {"label": ANY, "answer": ANY, **show}))
    elif label is not None:
        chips.append((f"labelled {label}", unselect, {"label": ANY}))
    elif digit is not None:
        chips.append((f"read as {digit}", unselect, {"answer": ANY}))
    if fence is not None:
        chips.append((f"{len(fence):,} from the map", state.take_fence_down, {"show": "Wrong"}))
    if sure != EVERY:
        chips.append((f"{sure[0]}% to {sure[1]}% sure", unselect, {"sure": EVERY}))
    if text:
        chips.append((f"numbers {as_code(text[:20])}", unselect, {"find": ""}))
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="chips"):
        if not chips:
            # As high as a chip, so that the gallery stays where it is when one comes.
            st.button("Every label and answer", key="chip none", type="tertiary", disabled=True)
        for words, undo, values in chips:
            st.button(
                words, icon=":material/close:", key=f"chip {words}", on_click=undo, kwargs=values, help="Take this away"
            )


def show_chosen(answers: Answered, chosen: pd.DataFrame, within: Collection[int] | None = None) -> None:
    """The chosen images, fifty at a time."""
    show_misread(past_end("sheet", len(chosen)), "sheet")
    if chosen.empty:
        st.markdown(_why_empty(answers, within))
    sheet = 1
    if (sheets := math.ceil(len(chosen) / PAGE)) > 1:
        sheet = st.pagination(sheets, key="sheet", bind="query-params", max_visible_pages=5)
    numbers = tuple(chosen["index"])
    rows = chosen.iloc[(sheet - 1) * PAGE : sheet * PAGE]
    pictures = [
        Picture(row.index, answers.address(row.index), _caption(row), answers.in_words(row.index))
        for row in rows.itertuples(index=False)
    ]
    # An empty one too: it stays where it is, and brings what was filled, or the sentence above, into sight.
    show_gallery(pictures, lambda number: state.open_image(number, numbers), "gallery", state.gallery_turn())


def _caption(row) -> tuple[Words, ...]:
    sure = Words(f" {percent(row.confidence)}")
    if row.label == row.digit:
        return Words(f"{row.digit}", "blue"), sure
    return Words(f"{row.label} → "), Words(f"{row.digit}", "red"), sure


def _why_empty(answers: Answered, within: Collection[int] | None) -> str:
    asked, evaluation = st.session_state, answers.evaluation
    if within is not None and not within:
        return "There are no such images. Choose another kind."
    show = asked["show"] if within is None else "All"
    if show == "Wrong" and (evaluation["digit"] == evaluation["label"]).all():
        return "Every image was read right. Choose *All* to look at them."
    for key, column in (("label", "label"), ("answer", "digit")):
        if asked[key] != ANY:
            evaluation = evaluation[evaluation[column] == int(asked[key])]
    if evaluation.empty:
        named = [f"this {key}" for key in ("label", "answer") if asked[key] != ANY]
        what = " and ".join(named) + (" together" if len(named) > 1 else "")
        return f"No image has {what}. Take the choice away, or choose another cell."
    if show == "All":
        return "No image fits all filters. Take a filter away."
    return f"Nothing of what is chosen was read {show.lower()}. Take a filter away, or choose *All*."
