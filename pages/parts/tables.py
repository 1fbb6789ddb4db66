"""What the tables of several pages share: their headings, and the way to take them away."""

import pandas as pd
import streamlit as st


def headed(table: pd.DataFrame) -> pd.DataFrame:
    """With headings as people write them; the file keeps the names that programs read."""
    return table.rename(columns=lambda name: name.replace("_", " ").capitalize())


def show_csv(table: pd.DataFrame, name: str, of: str = "") -> None:
    """A button for the whole table; `of` stands before the file's name where there are several of its kind."""
    file = f"{of}-{name}" if of else name
    st.download_button(
        f"{name.capitalize()} as CSV",
        lambda: table.to_csv(index=False),  # not before it is asked for
        f"{file.replace(' ', '-')}.csv",
        "text/csv",
        icon=":material/table:",
        on_click="ignore",
    )
