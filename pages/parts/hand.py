"""The visitor's hand beside MNIST's: what was drawn and judged in this visit, measured as the data set is."""

import numpy as np
import pandas as pd
import streamlit as st

from mnist_core.figures import QUANTILES, Figures
from mnist_core.measure import MEASURES, measure
from pages.parts import state
from pages.parts.gallery import show_gallery
from pages.parts.holdings import DRAWINGS, holding
from pages.parts.tables import headed, show_csv

ENOUGH = 5  # drawings, before anything is said of a hand


def show_hand(figures: Figures) -> None:
    own = holding(DRAWINGS, figures)
    if not len(own.labels):
        st.markdown(
            "Nothing of yours is here yet. Draw a digit, tell whether the answer was right, and come back: every "
            "drawing you judged in this visit is measured as MNIST's images are. Nothing of it is stored on the server."
        )
        st.page_link("pages/draw.py", label="Draw a digit", icon=":material/draw:")
        return
    table = compared(measure(own.images), own.labels, figures)
    if len(own.labels) < ENOUGH:
        st.markdown(
            f"**{len(own.labels)} drawn and judged.** From {ENOUGH} drawings on, this page says how your hand differs."
        )
    else:
        st.markdown("\n".join(f"- {sentence}" for sentence in in_words(table)))
        st.caption(
            "Each drawing is compared with the middle of the training images of the same digit. Do you cross your 7s? "
            "Of 600 training 7s, picked at random and looked at by eye, 82 are crossed, one in seven."
        )
    st.page_link("pages/draw.py", label="Draw more", icon=":material/draw:")
    numbers = [own.first + row for row in range(len(own.labels))]
    show_gallery(
        [own.picture(number) for number in numbers], lambda number: state.open_image(number, numbers), "drawings"
    )
    st.dataframe(
        headed(table),
        hide_index=True,
        alt="Every drawing with its measures and those that are usual for its digit.",
    )
    show_csv(table, "your hand")


def compared(measured: pd.DataFrame, labels: np.ndarray, figures: Figures) -> pd.DataFrame:
    """A row a drawing: its digit, and each measure beside the middle of the training images of that digit."""
    middle = figures.quantiles[:, :, QUANTILES.index(0.5)]
    columns: dict[str, np.ndarray] = {"digit": labels}
    for place, name in enumerate(MEASURES):
        columns[name] = measured[name].to_numpy().round(2)
        columns[f"usual_{name}"] = middle[place, labels].round(2)
    return pd.DataFrame(columns)


def in_words(table: pd.DataFrame) -> list[str]:
    """How a hand differs, in sentences: by the middle one of all its drawings."""
    times = {name: float((table[name] / table[f"usual_{name}"]).median()) for name in ("thickness", "ink", "width")}
    lean = float((table["slant"] - table["usual_slant"]).median())
    sentences = [
        f"Your strokes are {_times(times['thickness'], 'thick')} MNIST's.",
        f"Your digits have {_times(times['ink'], 'much ink')} MNIST's.",
        f"Your digits are {_times(times['width'], 'wide')} MNIST's.",
    ]
    if abs(lean) < 2:
        return [*sentences, "They lean as MNIST's do."]
    return [
        *sentences,
        f"They lean {abs(lean):.0f} degrees more to the {'right' if lean > 0 else 'left'} than MNIST's.",
    ]


def _times(factor: float, word: str) -> str:
    return f"as {word} as" if 0.95 < factor < 1.05 else f"{factor:.1f} times as {word} as"
