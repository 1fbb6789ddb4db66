"""Words that the browser writes into the page's address itself, so that a stroke is no step for its Back to go through.

Each change through `st.query_params` is such a step: with three strokes Back has to be pressed four times.
"""

from time import monotonic_ns

import streamlit as st

_address = st.components.v2.component(
    "address",
    js="""
export default function ({ data }) {
    const address = new URL(location);
    for (const [name, word] of Object.entries(data.words)) {
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


def show_in_address(words: dict[str, str]) -> None:
    """Each word under its name; "" takes it away."""
    # The time, because Streamlit may have written the address anew since, with the words that it knew.
    _address(key=f"address of {', '.join(words)}", data={"words": words, "at": monotonic_ns()})
