"""One image of a set under the magnifying glass: its pixels, its measures, and the way to the models."""

import numpy as np
import pandas as pd
import streamlit as st

from mnist_core.figures import QUANTILES, Figures
from mnist_core.measure import MEASURES, measure
from mnist_core.pictures import png
from mnist_core.words import whole_number
from pages.parts import state
from pages.parts.desk import show_ways
from pages.parts.gallery import show_steps
from pages.parts.holdings import Holding
from pages.parts.pictures import placeholder


def show_sample(held: Holding, number: int, figures: Figures) -> None:
    """Open the dialog; what is inside runs alone, so it asks the visit which image is meant by now."""

    @st.dialog("One image", on_dismiss=state.close_image, icon=":material/zoom_in:")
    def look() -> None:
        now = whole_number(state.opened() or "")
        _show(held, now if now is not None and held.has(now) else number, figures)

    look()


def _show(held: Holding, number: int, figures: Figures) -> None:
    row = number - held.first
    label = int(held.labels[row])
    if number in state.walk():
        show_steps(number)
    st.markdown(f"**{held.called(number)}**: labelled **{label}**")
    if held.images is None:
        st.image(placeholder(f"{label}?"), width=252, alt=held.picture(number).words)
        st.caption("The image comes with MNIST, which is not on this server yet.")
        return
    st.image(png(held.images[row] / 255, 9), width=252, alt=held.picture(number).words)
    st.dataframe(_measured(held.images[row], label, figures), hide_index=True, alt="What was measured of the image.")
    show_ways(f"{held.called(number)}.png", png(held.images[row] / 255))


def _measured(image: np.ndarray, label: int, figures: Figures) -> pd.DataFrame:
    """Each measure beside the middle of the training images of the same digit."""
    own, middle = measure(image[None]).iloc[0], figures.quantiles[:, label, QUANTILES.index(0.5)]
    rows = [
        {"Measure": f"{words}, {unit}", "Here": f"{own[name]:.1f}", f"Usual {label}": f"{usual:.1f}"}
        for (name, (words, unit, _)), usual in zip(MEASURES.items(), middle, strict=True)
    ]
    return pd.DataFrame(rows)
