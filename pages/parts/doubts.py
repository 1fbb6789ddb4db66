"""Right or mislabelled? The mistakes whose labels the model believes least, and what people say of them."""

import math

import pandas as pd
import streamlit as st

from mnist_core.evaluate import suspects
from mnist_core.reviews import opinion
from mnist_core.words import percent
from pages.parts import state
from pages.parts.datasets import MNIST, OWN, Answered

SHEET = 50
VOTES = ["label right", "label wrong", "ambiguous"]


def show_doubts(answers: Answered) -> None:
    doubted = suspects(answers.evaluation)
    if doubted.empty:
        st.markdown("There is no mistake to doubt.")
        return
    st.markdown(
        "Where a model is sure and the label says otherwise, the label may be the mistake. First come those whose "
        "label the model believes least. Tick a row to look closely and to give your own verdict."
    )
    sheet = 1
    if (sheets := math.ceil(len(doubted) / SHEET)) > 1:
        sheet = st.pagination(sheets, key="doubts", bind="query-params", max_visible_pages=5)
    first = (sheet - 1) * SHEET
    table = _table(answers, doubted[first : first + SHEET])
    numbers = tuple(int(number) for number in doubted["index"])
    key = f"doubts {sheet} {state.doubts_turn()}"

    def open_row() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            state.open_image(numbers[first + rows[0]], numbers)
            state.turn_doubts()

    st.dataframe(
        table,
        hide_index=True,
        row_height=44,
        height=400,
        column_config={
            "Rank": st.column_config.NumberColumn(width=50),
            "Image": st.column_config.ImageColumn(width=50),
            "Reviewers": st.column_config.TextColumn(width=300),
        },
        on_select=open_row,
        selection_mode="single-row",
        key=key,
        alt="The mistakes ranked by how little the model believes the label.",
    )
    votes = state.votes_of(answers.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Your verdicts as CSV",
            lambda: answers.csv(votes_table(answers, votes)),
            "verdicts.csv",
            "text/csv",
            icon=":material/how_to_vote:",
            on_click="ignore",
            disabled=not votes,
        )
        kept = "Nothing" if answers.name == OWN else "This tab of your browser keeps them; nothing"
        st.caption(f"{len(votes)} given in this visit. {kept} is stored on the server.")


def _table(answers: Answered, doubted: pd.DataFrame) -> pd.DataFrame:
    numbers = [int(number) for number in doubted["index"]]
    votes = state.all_votes()
    columns = {
        "Rank": doubted.index + 1,
        "Image": [answers.address(number) for number in numbers],
        "Number": [answers.called(number) for number in numbers],
        "Label": doubted["label"].to_numpy(),
        "Read as": doubted["digit"].to_numpy(),
        "Sure": [percent(confidence) for confidence in doubted["confidence"]],
        "For the label": [
            percent(answers.probabilities(n)[label]) for n, label in zip(numbers, doubted["label"], strict=True)
        ],
        "Reviewers": [opinion(number) for number in numbers],
        "You": [votes.get((answers.name, number), "") for number in numbers],
    }
    if answers.name != MNIST:
        del columns["Reviewers"]
    return pd.DataFrame(columns)


def votes_table(answers: Answered, votes: dict[int, str]) -> pd.DataFrame:
    numbers = sorted(number for number in votes if number < len(answers.evaluation))
    rows = answers.evaluation.iloc[numbers][["index", "label", "digit", "confidence"]]
    return rows.assign(verdict=[votes[number] for number in numbers])
