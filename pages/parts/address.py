"""Words that the browser writes into the page's address itself, so that a stroke is no step for its Back to go through.

Each change through `st.query_params` is such a step: with three strokes Back has to be pressed four times.
"""

from collections.abc import Callable
from time import monotonic_ns

import streamlit as st

from pages.parts import state

Words = dict[str, str]  # under their names; "" where there shall be none

_address = st.components.v2.component(
    "address",
    js="""
export default function ({ data: { words, visit }, setTriggerValue }) {
    const names = Object.keys(words).join();
    const shown = (window.shownInAddress ??= {});
    const before = shown[names];
    if (before && before.visit !== visit) {
        before.visit = visit;
        if (Object.keys(words).some((name) => words[name] !== before.words[name])) {
            setTriggerValue("before", before.words);
            return;
        }
    }
    shown[names] = { words, visit };
    const address = new URL(location);
    for (const [name, word] of Object.entries(words)) {
        if (word) address.searchParams.set(name, word);
        else address.searchParams.delete(name);
    }
    if (address.href === location.href) return;
    history.replaceState(history.state, "", address);
    // In a frame, as on Streamlit Community Cloud, people see the address of the page around it, told in this way.
    parent.postMessage({ stCommVersion: 1, type: "SET_QUERY_PARAM", queryParams: address.search }, "*");
}
""",
)


def show_in_address(words: Words, recall: Callable[[Words], None]) -> None:
    """Write each word there.

    Where the server has forgotten the visit meanwhile, or was started anew, the browser tells a new visit only the
    address that the page was opened with. `recall` is then given the words that were shown last.
    """

    def hear() -> None:
        if isinstance(before := st.session_state[key]["before"], dict):  # else no page of ours has sent it
            recall({name: str(before.get(name, "")) for name in words})

    state.keep_words(words)
    key = f"address of {', '.join(words)}"
    _address(
        key=key,
        # The time, because Streamlit may have written the address anew since, with the words that it knew.
        data={"words": words, "visit": state.visit(), "at": monotonic_ns()},
        on_before_change=hear,
    )
