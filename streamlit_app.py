"""The frame around every page: their list, the model picker and the look. `streamlit run streamlit_app.py`."""

from datetime import timedelta

import streamlit as st

from pages.parts import loaders, state
from pages.parts.address import show_in_address
from pages.parts.pictures import tab_icon


@st.fragment(run_every=timedelta(days=1))
def stay_alive() -> None:
    """A browser that finds its way back to a server asks for the page anew only where something runs of itself.

    Without it a page whose visit the server has forgotten looks as ever, and nothing that is drawn there is answered.
    """


st.set_page_config(page_title="MNIST Digit Lab", page_icon=tab_icon(), layout="wide")

page = st.navigation(
    [
        st.Page("pages/draw.py", title="Draw", icon=":material/draw:", default=True),
        st.Page("pages/preprocessing.py", title="Preprocessing", icon=":material/conveyor_belt:"),
        st.Page("pages/errors.py", title="Errors", icon=":material/grid_on:"),
        st.Page("pages/data.py", title="Data", icon=":material/dataset:"),
        st.Page("pages/models.py", title="Models", icon=":material/model_training:"),
    ]
)
state.arrive(page.url_path)
stay_alive()

cards, broken = loaders.shelf()
if not cards:
    st.error(
        "There is no model to ask. Train one with `python -m mnist_core.train --architecture mlp`; "
        "it appears here when it is done.",
        icon=":material/inventory_2:",
    )
    for sentence in broken:
        st.caption(sentence)
    st.stop()

with st.sidebar:
    names = [card.name for card in cards]
    state.settle_model(names)
    st.selectbox(
        "Model",
        names,
        key=state.MODEL,
        help="The pages ask this model. It stands in the page's address, so a link shows another person the same.",
    )
    if (linked := state.linked_model(names)) is None:
        st.warning("The link names a model that is not here; this is the usual one.", icon=":material/link_off:")
    chosen = loaders.chosen_card()
    whose = "MNIST's" if chosen.data == "mnist" else "its"
    st.caption(f"{chosen.test.accuracy:.2%} of {whose} test images right, {chosen.parameters:,} parameters.")
    if linked is not None:
        show_in_address({state.MODEL: linked}, recall=state.put_back)

page.run()
loaders.settle(page.url_path)
