"""What a finger and a quick mouse do on a chart whose cells can be pressed: they press the cell that is under them.

Plotly presses the cell that it last saw a mouse move to. A finger moves no mouse: a tap would press the cell that was
tapped before. Where the chart is drawn anew under a mouse at rest, its click would be lost. Plotly also takes every
touch for itself: a page could not be scrolled with a finger on the chart.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import state

_listener = st.components.v2.component(
    "fingers",
    js="""
const MOVED = 10, HELD = 700;  // pixels and milliseconds: beyond these it is no tap

export default function () {
    if (window.fingersPress) return;
    window.fingersPress = true;
    let down = null;
    const listen = (kind, hear) => document.addEventListener(kind, (event) => {
        if (event.target.closest(".st-key-pressable .js-plotly-plot")) hear(event, event.changedTouches?.[0] ?? event);
    }, { capture: true, passive: false });
    const send = (target, kind, { clientX, clientY }) =>
        target.dispatchEvent(new MouseEvent(kind, { clientX, clientY, bubbles: true, view: window }));
    listen("mousedown", (event) => send(event.target, "mousemove", event));
    listen("touchstart", (event, { clientX, clientY }) => {
        event.stopPropagation();
        down = event.touches.length === 1 ? { clientX, clientY, at: event.timeStamp } : null;
    });
    listen("touchcancel", () => (down = null));
    listen("touchend", (event, up) => {
        const moved = down && Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY);
        if (!down || moved > MOVED || event.timeStamp - down.at > HELD) return;
        down = null;
        event.preventDefault();  // else the browser presses once more
        send(event.target, "mousedown", up);
        send(event.target, "mouseup", up);
    });
}
""",
)

_question = st.components.v2.component(
    "touch",
    js="""
export default function ({ setTriggerValue }) {
    if (matchMedia("(pointer: coarse)").matches) setTriggerValue("touched", true);
}
""",
)


def place_for_presses() -> DeltaGenerator:
    """A place for such a chart."""
    place = st.container(key="pressable", gap=None)
    with place:
        _listener(key="fingers")
    return place


def has_fingers() -> bool:
    """Whether the page is touched: on a telephone, and on a tablet once `ask_for_fingers` was answered."""
    return "Mobi" in st.context.headers.get("User-Agent", "") or state.is_touched()


def ask_for_fingers() -> None:
    """A tablet passes for a computer by its name; only in the browser one learns how it is pointed with."""
    if not has_fingers():
        _question(key="touch", on_touched_change=state.hear_touch)
