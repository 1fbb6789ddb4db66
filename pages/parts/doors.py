"""Three ways to a selection: the confusion matrix, the map, and a second model."""

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from mnist_core import CheckpointError
from mnist_core.checkpoints import Card
from mnist_core.evaluate import accuracy, compare, confused_pairs, confusion_matrix
from mnist_core.words import counted
from pages.parts import loaders, state
from pages.parts.charts import PRESSABLE, matrix_difference_chart
from pages.parts.datasets import MNIST, Answered, answered, knows_already
from pages.parts.fingers import place_for_presses
from pages.parts.lasso import show_lasso
from pages.parts.selection import first_sheet, select, turn_of_matrix

DOORS = ["Matrix", "Map", "Two models"]
CELLS = {"Images": "images", "% of the label": "label", "% of the answer": "answer"}
KINDS = {"Fixed": "wrong before, right now", "New": "right before, wrong now", "Shared": "wrong in both"}
COLOURS = ["label", "right or wrong"]
MATRIX_SHOWS = "The confusion matrix: a row for each label, a column for each answer."
MAP_SHOWS = "A map of the test images: those that the network finds alike lie side by side, in ten clouds."
MAP_WORDS = "What the model finds alike lies together."
ASK = "Choose a pair …"


class Rival(NamedTuple):
    """A second model with its answers to the same images."""

    name: str
    answers: Answered
    caveat: str = ""  # why its answers say little about it


def _pressed(key: str) -> tuple[int | None, int | None] | None:
    """The label and the answer of the cell that was clicked, or of the digit's name."""
    if not (points := st.session_state[key]["selection"]["points"]):
        return None
    label, digit = points[-1]["customdata"]
    return None if label < 0 else int(label), None if digit < 0 else int(digit)


def of_cell(label: int | None, digit: int | None) -> tuple[int | None, int | None]:
    """What a cell of the difference chooses among the mistakes of a kind, none of which has its label for an answer."""
    return (label, None) if label == digit else (label, digit)


def choose_door() -> str:
    return st.segmented_control(
        "Way in",
        DOORS,
        default=DOORS[0],
        required=True,
        key="door",
        bind="query-params",
        on_change=first_sheet,
        label_visibility="collapsed",
    )


def show_matrix(answers: Answered) -> None:
    matrix = confusion_matrix(answers.evaluation)
    chart = place_for_presses()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _show_pairs(matrix)
        of = st.selectbox("Cells hold", list(CELLS), key="cells", bind="query-params", width=150)
        diagonal = st.toggle("Hits", True, key="hits", bind="query-params", help="The diagonal: what was read right.")
    key = f"matrix {turn_of_matrix()}"

    def take() -> None:
        if cell := _pressed(key):
            select(*cell)

    chart.plotly_chart(
        loaders.matrix_figure(matrix, CELLS[of], diagonal),
        key=key,
        config=PRESSABLE,
        on_select=take,
        selection_mode="points",
        alt=f"{MATRIX_SHOWS} The list of the most confused pairs below holds its mistakes and can be used with the "
        "keyboard.",
    )


def _show_pairs(matrix: np.ndarray) -> None:
    """The same selection for those who use a keyboard."""
    pairs = {f"{label} read as {digit}: {count}": (label, digit) for label, digit, count in confused_pairs(matrix)}

    def take() -> None:
        if (chosen := st.session_state["pair"]) in pairs:
            state.turn_charts()
            select(*pairs[chosen])
            state.put_back({"pair": ASK})

    st.selectbox("Most confused", [ASK, *pairs], key="pair", on_change=take, width=180, disabled=not pairs)


def show_map(card: Card, answers: Answered) -> None:
    if answers.name != MNIST:
        st.markdown("The map is drawn of MNIST's test images. Choose them above.")
        return
    try:
        places = loaders.landscape(card).places
    except CheckpointError as error:
        st.markdown(str(error))
        return
    by = st.segmented_control("Colours", COLOURS, default="label", required=True, key="colours", bind="query-params")
    show_lasso(
        loaders.map_figure(card, by),
        card.name,
        places,
        MAP_SHOWS,
        show="All",
    )
    st.caption(
        f"{MAP_WORDS} Draw a line around some points: the gallery shows "
        "the images inside it, of digits hidden in the legend too."
    )


def places_of(card: Card, answers: Answered) -> np.ndarray | None:
    """Where the map has the images; None where there is no map."""
    try:
        return loaders.landscape(card).places if answers.name == MNIST else None
    except CheckpointError:
        return None


def choose_rival(card: Card, answers: Answered) -> Rival | None:
    """A second model to compare with; None, with a sentence on the page, where there is none with answers."""
    others = [other for other in loaders.shelf()[0] if other.name != card.name]
    if not others:
        st.markdown("There is only one model here. Train a second one, and they can be compared.")
        return None
    name = st.selectbox(
        "Compare with", [other.name for other in others], key="versus", bind="query-params", on_change=first_sheet
    )
    other = next(other for other in others if other.name == name)
    second = answered(other, answers.name)
    if second is None:
        return None
    if len(second.evaluation) != len(answers.evaluation):
        st.markdown(f"{name} has no answers to these images.")
        return None
    return Rival(name, second, knows_already(other, answers.name))


def choose_kind(card: Card, answers: Answered, rival: Rival) -> tuple[list[int], Answered]:
    """The comparison; the images of the kind that the visitor asks for, and the answers that are mistakes there."""
    comparison = compare(answers.evaluation, rival.answers.evaluation)
    sets = dict(zip(KINDS, comparison[:3], strict=True))
    st.markdown(verdict_of(card.name, answers, rival))
    kind = st.segmented_control(
        "Mistakes",
        list(KINDS),
        default="Fixed",
        required=True,
        key="kind",
        bind="query-params",
        on_change=first_sheet,
    )
    whose, wrong = (rival.name, rival.answers) if kind == "New" else (card.name, answers)
    shown = f" The gallery shows them, as {whose} reads them." if len(sets[kind]) else ""
    st.caption(of_kind(kind, len(sets[kind]), card.name, rival.name) + shown)
    key = f"difference {turn_of_matrix()}"

    def take() -> None:
        if cell := _pressed(key):
            select(*of_cell(*cell))

    place_for_presses().plotly_chart(
        difference_figure(card.name, answers, rival, pressable=True),
        key=key,
        config=PRESSABLE,
        on_select=take,
        selection_mode="points",
        alt=difference_shows(card.name, rival.name),
    )
    return [int(number) for number in sets[kind]], wrong


def difference_figure(first: str, answers: Answered, rival: Rival, pressable: bool = False) -> go.Figure:
    difference = confusion_matrix(rival.answers.evaluation) - confusion_matrix(answers.evaluation)
    return matrix_difference_chart(difference, (first, rival.name), pressable)


def difference_shows(first: str, second: str) -> str:
    return f"The confusion matrix of {second} less that of {first}."


def of_kind(kind: str, count: int, first: str, second: str) -> str:
    return f"{kind}, {count:,}: {KINDS[kind]}, if {second} answers instead of {first}."


def verdict_of(first: str, answers: Answered, rival: Rival) -> str:
    """Which of the two models is ahead, and whether that may be chance."""
    return " ".join(filter(None, (_who_is_ahead(first, answers, rival), rival.caveat)))


def _who_is_ahead(first: str, answers: Answered, rival: Rival) -> str:
    comparison, second = compare(answers.evaluation, rival.answers.evaluation), rival.name
    fixed, new = len(comparison.fixed), len(comparison.new)
    if fixed == new:
        return f"{second} gets {fixed} right that {first} gets wrong, and as many the other way: neither is better."
    one, other = (accuracy(each.evaluation).accuracy for each in (answers, rival.answers))
    better = second if other > one else first
    p = "less than 0.001" if comparison.p < 0.001 else f"{comparison.p:.3f}"
    sure = "and that is hardly chance" if comparison.p < 0.05 else "but that may well be chance"
    return (
        f"{second} mends {counted(fixed, 'mistake')} of {first} and makes {new} new. If both were equally good, a "
        f"difference like this would come up with probability {p} (McNemar's exact test): {better} is ahead, {sure}."
    )
