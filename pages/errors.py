"""Errors: the confusion matrix as a door to the images that fool the model."""

from functools import partial

import pandas as pd
import streamlit as st

from mnist_core.checkpoints import Card
from mnist_core.evaluate import confusion_matrix, mistakes
from mnist_core.words import whole_number
from pages.parts import loaders, state
from pages.parts.charts import STILL, history_chart, history_shows
from pages.parts.datasets import MNIST, OWN, Answered, about, answered, choose_data, show_archive, show_fetch
from pages.parts.doors import (
    CELLS,
    COLOURS,
    DOORS,
    KINDS,
    Rival,
    choose_door,
    choose_kind,
    choose_rival,
    places_of,
    show_map,
    show_matrix,
)
from pages.parts.doubts import SHEET, show_doubts
from pages.parts.memory import remember
from pages.parts.one_image import LENSES, show_image
from pages.parts.report import MISTAKES, digit_by_digit, facts, show_digits, whole_report
from pages.parts.selection import choose_images, misread, past_end, show_chosen, show_misread
from pages.parts.tables import show_csv
from pages.parts.trust import choose_threshold, show_trust

REVIEWS = (
    "Of MNIST's test labels reviewers found ten wrong; by corrected labels theirs count, and five images to which they "
    "gave no label are left out (Northcutt and others, 2021)."
)
FURTHER = ["Right or mislabelled?", "How far to trust it", "Report"]


def show_summary(card: Card, answers: Answered) -> None:
    reviews = f" {REVIEWS}" if answers.name == MNIST else ""
    st.markdown(" · ".join(facts(answers)), help=about(card, answers.name) + reviews)


def show_report(card: Card, answers: Answered, rival: Rival | None) -> None:
    buttons = st.container(horizontal=True, gap="xsmall")
    page = partial(
        whole_report,
        card,
        answers,
        places_of(card, answers),
        st.session_state.get("colours", COLOURS[0]),
        rival,
        state.votes_of(answers.name),
        choose_threshold("The HTML report says how far the model can be trusted with this in mind."),
    )
    with buttons:
        st.download_button(
            "Every answer as CSV",
            lambda: answers.csv(answers.evaluation),
            f"{card.name}-answers.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
        )
        show_csv(digit_by_digit(answers.evaluation), "digit by digit", card.name)
        st.download_button(
            "Matrix as CSV",
            lambda: pd.DataFrame(confusion_matrix(answers.evaluation)).to_csv(index_label="label"),
            f"{card.name}-matrix.csv",
            "text/csv",
            icon=":material/grid_on:",
            on_click="ignore",
        )
        st.download_button(
            "Report as HTML",
            page,
            f"{card.name}-report.html",
            "text/html",
            icon=":material/description:",
            on_click="ignore",
            help=f"The whole page in one file, with the mistakes, of more than {MISTAKES:,} the surest. "
            "The comparison is in it while *Two models* is open.",
        )
    table, curves = st.columns(2)
    with table:
        st.markdown("**Digit by digit**")
        show_digits(answers.evaluation, card.name)
    with curves:
        st.markdown(f"**How {card.name} was trained**")
        st.plotly_chart(
            history_chart(card.history),
            key="history",
            config=STILL,
            alt=history_shows(card.name),
        )


st.title("Errors", anchor=False)
st.markdown("Which images fool the model, and why? Choose a cell of the matrix: its images stand beside it.")
names = [other.name for other in loaders.shelf()[0]]
options = {"door": DOORS, "cells": CELLS, "kind": KINDS, "colours": COLOURS, "further": FURTHER, "versus": names}
options |= {state.MAP: names, "lens": LENSES}
# What the visit chose itself may still stand in the address when another model is asked.
if st.query_params.get("door") == DOORS[2] and "versus" not in st.session_state:
    options["versus"] = [name for name in names if name != st.session_state.get(state.MODEL)]
show_misread(misread(st.query_params.to_dict(), options))
card = loaders.chosen_card()
state.ask_other_model(card.name)
data = choose_data()
if data == OWN:
    show_archive()
answers = answered(card, data)
if answers is None:
    st.caption(about(card, data))
    st.stop()
show_summary(card, answers)
doors, gallery = st.columns(2, gap="medium")
within, shown, rival = None, answers, None
with doors:
    door = choose_door()
    if door == "Matrix":
        show_matrix(answers)
    elif door == "Map":
        show_map(card, answers)
    elif rival := choose_rival(card, answers):
        within, shown = choose_kind(card, answers, rival)
with gallery:
    if data == MNIST:
        show_fetch()
    chosen = choose_images(shown, within)
    show_chosen(shown, chosen, within)
st.subheader("Look further", anchor=False)
# Nothing of this is drawn before it is asked for: the matrix would have to wait for it.
further = st.segmented_control(
    "Look further", FURTHER, key="further", bind="query-params", label_visibility="collapsed"
)
if further == FURTHER[0]:
    show_misread(past_end("doubts", len(mistakes(answers.evaluation)), SHEET), "doubts")
    show_doubts(answers)
elif further == FURTHER[1]:
    show_trust(answers.evaluation)
elif further == FURTHER[2]:
    show_report(card, answers, rival)
number = whole_number(state.opened() or "")
if number is not None and number < len(answers.evaluation):
    show_image(card, answers, number, tuple(chosen["index"]))  # which remembers for itself
else:
    if state.opened():
        st.toast("There is no such image here.", icon=":material/link_off:")
        state.close_image()
    remember()
