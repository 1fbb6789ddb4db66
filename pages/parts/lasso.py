"""A line drawn around points of a map: its words in the page's address, and the images whose points lie inside."""

import re
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from mnist_core import CheckpointError
from pages.parts import loaders, state
from pages.parts.datasets import MNIST, Answered
from pages.parts.fingers import ask_for_fingers, has_fingers

FINGER = "finger"  # whether one draws on a map
MOST = 40  # corners of a line: as many as an address bears and a hand means
_POINT = r"-?\d(?:\.\d{1,4})?,-?\d(?:\.\d{1,4})?"
_LINE = rf"{_POINT}(?:_{_POINT}){{2,{MOST - 1}}}"
_LINES = re.compile(rf"{_LINE}(?:__{_LINE}){{0,9}}", re.ASCII)


def simplify(line: np.ndarray, most: int = MOST) -> np.ndarray:
    """The line, N x 2, without the corners that matter least: whose triangle with their neighbours is smallest."""
    line = np.asarray(line, dtype=np.float64)
    line = line[:: max(1, len(line) // 2000)]
    while len(line) > most:
        before, after = np.roll(line, 1, axis=0) - line, np.roll(line, -1, axis=0) - line
        line = np.delete(line, np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]).argmin(), axis=0)
    return line


def write(lines: Sequence[np.ndarray]) -> str:
    """Lines for an address, in thousandths of the map; "" where there is none to go around anything."""
    most = max(3, MOST // max(1, len(lines)))
    written = ["_".join(f"{x:g},{y:g}" for x, y in np.round(simplify(line, most), 3)) for line in lines[:10]]
    return text if is_written(text := "__".join(written)) else ""


def is_written(text: str) -> bool:
    return _LINES.fullmatch(text) is not None


def read(text: str) -> list[np.ndarray]:
    """The lines that stand in an address."""
    return [np.array([point.split(",") for point in line.split("_")], dtype=float) for line in text.split("__")]


def inside(places: np.ndarray, line: np.ndarray) -> np.ndarray:
    """For each of N x 2 places whether the closed line goes around it (even-odd, as plotly has it)."""
    x, y = np.asarray(places, dtype=np.float64).T
    within = np.zeros(len(x), dtype=bool)
    for (x0, y0), (x1, y1) in zip(line, np.roll(line, -1, axis=0), strict=True):
        if y0 != y1:
            within ^= ((y0 > y) != (y1 > y)) & (x < x0 + (x1 - x0) * (y - y0) / (y1 - y0))
    return within


def catch(text: str, places: np.ndarray) -> frozenset[int]:
    """The numbers of the images around which the lines of an address go."""
    within = np.zeros(len(places), dtype=bool)
    for line in read(text):
        within |= inside(places, line)
    return frozenset(np.flatnonzero(within).tolist())


def fill(places: np.ndarray) -> np.ndarray:
    """Places of any kind, moved and scaled so that the map is filled, from -1 to 1."""
    low, high = places.min(axis=0), places.max(axis=0)
    return (places - (low + high) / 2) / (high - low).max() * 2


def fenced(place: str, places: np.ndarray) -> frozenset[int] | None:
    """What the line in the address goes around, if it was drawn on this map."""
    drawn_on, text = state.fence()
    return catch(text, places) if drawn_on in ("", place) and is_written(text) else None


def fenced_images(answers: Answered, usual: str) -> frozenset[int] | None:
    """The same on the errors page: the images stay fenced when another model than the map's is asked about them."""
    drawn_on = state.fence()[0] or usual
    card = next((card for card in loaders.shelf()[0] if card.name == drawn_on), None)
    if answers.name != MNIST or card is None:
        return None
    try:
        return fenced(drawn_on, loaders.landscape(card).places)
    except CheckpointError:
        return None


def show_lasso(figure: go.Figure, place: str, places: np.ndarray, words: str, **filters: str) -> None:
    """A map on which a line can be drawn around points; the line goes into the address and is drawn from there.

    `filters` are put back with it.
    """
    key = f"map {place} {state.chart_turn()}"
    if fenced(place, places) is not None:
        figure = loaders.outlined_figure(figure, read(state.fence()[1]))

    def caught() -> None:
        selection = st.session_state[key]["selection"]
        lines = [np.column_stack([line["x"], line["y"]]) for line in selection["lasso"]]
        if (text := write(lines)) and catch(text, places):
            state.fence_in(place, text, filters)
            if has_fingers():
                state.put_back({FINGER: False})

    # A map that draws takes every finger for itself, and the page could not be scrolled past it.
    if has_fingers() and not st.toggle("Draw with a finger", key=FINGER):
        st.plotly_chart(figure, key=f"{key}, still", config={"staticPlot": True}, alt=words)
        return
    with st.container(gap=None):
        st.plotly_chart(
            figure,
            key=key,
            config={"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "toImage", "autoScale2d"]},
            on_select=caught,
            selection_mode="lasso",
            alt=words,
        )
        ask_for_fingers()
