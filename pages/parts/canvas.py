"""The drawing canvas: the only caller of streamlit-drawable-canvas."""

import functools
from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image
from streamlit_drawable_canvas import st_canvas

from mnist_core.pictures import to_png
from mnist_core.strokes import CANVAS_SIDE, Strokes, render
from pages.parts import state

INK, PAPER = "#000000", "#ffffff"


def show_canvas(pen: int) -> None:
    """The canvas; its own Undo, Redo and Clear show under a mouse only, `show_canvas_buttons` shows others."""
    board = state.board()
    result = st_canvas(
        stroke_width=pen,
        stroke_color=INK,
        background_color=PAPER,
        width=CANVAS_SIDE,
        height=CANVAS_SIDE,
        initial_drawing={"objects": list(board.shown), "turn": board.turn},
        return_image_data=True,
        key="canvas",
    )
    try:
        strokes = [dict(stroke) for stroke in (result.json_data or {}).get("objects", [])]
        png = result.image_bytes or b""
    except (AttributeError, TypeError, ValueError):  # the browser sent what no canvas sends
        st.warning("The drawing did not arrive whole. Draw it once more.", icon=":material/edit_off:")
        return
    state.hear_canvas(strokes, png)


def show_canvas_buttons() -> None:
    board = state.board()
    with st.container(horizontal=True, gap="xsmall", key="canvas_buttons"):
        st.button("Undo", icon=":material/undo:", on_click=state.undo, disabled=not board.past, key="undo")
        st.button("Redo", icon=":material/redo:", on_click=state.redo, disabled=not board.future, key="redo")
        st.button(
            "Clear", icon=":material/ink_eraser:", on_click=state.clear, disabled=not board.now.strokes, key="clear"
        )


def to_drawing(strokes: Strokes, widths: Sequence[float]) -> state.Drawing:
    """Strokes as the canvas would have sent them, had somebody drawn them there, each with its own pen."""
    paths = tuple(_path(stroke, width) for stroke, width in zip(strokes, widths, strict=True))
    pens = {width: [s for s, w in zip(strokes, widths, strict=True) if w == width] for width in set(widths)}
    drawn = (render(written, width) for width, written in pens.items())
    return state.Drawing(paths, to_png(Image.fromarray(functools.reduce(np.minimum, drawn))), own=False)


def _path(stroke: Sequence[Sequence[float]], width: float) -> dict:
    (x, y), *rest = [(round(float(x), 1), round(float(y), 1)) for x, y in stroke]
    return {
        "type": "Path",
        "path": [["M", x, y], *(["L", x, y] for x, y in rest or [(x, y)])],
        "fill": None,
        "stroke": INK,
        "strokeWidth": width,
        "strokeLineCap": "round",
        "strokeLineJoin": "round",
    }
