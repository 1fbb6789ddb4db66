"""What the model of the house is worth, as the benchmarks printed it, and what its own pen writes."""

import json

import pandas as pd
import streamlit as st

from mnist_core.checkpoints import CHECKPOINTS, Card
from pages.parts import loaders

FIGURES = CHECKPOINTS / "figures"
CHANGED = " The recipe has changed since then: what helps is likely to help still, but not by the same amount."


def show_quality(card: Card) -> None:
    """Nothing where the benchmarks did not measure these very weights."""
    quality = read("quality")
    if quality.get("sha256") != card.sha256:
        return
    st.subheader(f"What {card.name} is worth", anchor=False)
    st.markdown(
        "A test set alone says little about what people draw. So it is judged by three things together: MNIST, "
        "digits that people wrote with a pen, and what is no digit at all. It learned from none of those digits, but "
        "they were looked at while its recipe and our own pen's forms were chosen."
    )
    first, *rest = quality["tables"]
    show_table(first)
    st.caption(
        f"Printed by `{quality['command']}`; what was aimed at was set before anything was measured. "
        "The calibration error is how far confidence and accuracy lie apart, on average. AUROC is the chance that, of "
        "a digit and a thing that is none, each picked at random, the digit looks more like one to the network."
    )
    for table in rest:
        with st.expander(table["title"]):
            show_table(table)
    if ablations := read("ablations"):
        with st.expander("What each ingredient of its recipe is worth"):
            st.caption(
                f"Short runs with one ingredient changed: {ablations['tables'][0]['title']}. "
                f"Printed by `{ablations['command']}`." + ("" if _is_of(ablations, card) else CHANGED)
            )
            show_table(ablations["tables"][0])
    with st.expander("What our own pen writes", on_change="rerun", key=f"written {card.name}") as written:
        if written.open:
            show_written()


def _is_of(ablations: dict, card: Card) -> bool:
    """Whether it was this card's recipe of which ingredients were left out."""
    recipe = ablations.get("recipe", {})
    return all(name in recipe and recipe[name] == value for name, value in card.recipe.items())


def show_written() -> None:
    st.caption("MNIST's writers hardly ever flag a 1. Many of these do, and they are part of the training.")
    digits, others = loaders.written_walls()
    st.image(digits, alt="Sixty digits that a program has written.")
    st.caption("And these are what it learned to turn away.")
    st.image(others, alt="Sixty letters, signs, scribbles and stains.")


def show_table(table: dict) -> None:
    rows = pd.DataFrame(table["rows"], columns=["what", *table["columns"]][: len(table["rows"][0])])
    st.table(rows, border="horizontal", hide_index=True, alt=table["title"])  # breaks its lines on a phone


def read(name: str) -> dict:
    try:
        return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
