"""What the tables of several pages share: their headings, and the way to take them away."""

from collections.abc import Callable, Iterable

import pandas as pd
import streamlit as st

from mnist_core import Prediction
from mnist_core.checkpoints import Card
from mnist_core.words import percent


def headed(table: pd.DataFrame) -> pd.DataFrame:
    """With headings as people write them; the file keeps the names that programs read."""
    return table.rename(columns=lambda name: name.replace("_", " ").capitalize())


def show_answers(answers: Iterable[tuple[Card, Prediction]], what: str) -> None:
    """What several models answer: what each says with its limits in mind, and the digit that it finds likeliest."""
    rows = [
        {
            "Model": card.name,
            "In words": prediction.in_words,
            "Likeliest": str(int(prediction.probabilities.argmax())),
            "Confidence": percent(prediction.confidence),
            # Shares of other images than MNIST's do not stand beside these.
            "Test": f"{card.test.accuracy:.2%}" if card.data == "mnist" else "–",
        }
        for card, prediction in answers
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"What each model reads in {what}, and how sure it is of it.")


def show_csv(table: pd.DataFrame | Callable[[], pd.DataFrame], name: str, of: str = "") -> None:
    """A button for the whole table, or for what makes it when it is asked for; `of` stands before the file's name where
    there are several of its kind."""
    file = f"{of}-{name}" if of else name
    st.download_button(
        f"{name.capitalize()} as CSV",
        lambda: (table() if callable(table) else table).to_csv(index=False),
        f"{file.replace(' ', '-')}.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
    )
