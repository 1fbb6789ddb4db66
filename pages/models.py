"""The checkpoints side by side: what each costs, how it was trained, and how often it is right."""

import math
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from mnist_core.architectures import ARCHITECTURES
from mnist_core.checkpoints import Card, CheckpointError
from mnist_core.recipes import RECIPES, usual_name
from pages.parts import loaders, state
from pages.parts.charts import STILL, history_chart, history_shows
from pages.parts.quality import show_quality
from pages.parts.report import show_digits
from pages.parts.study import show_studies


def show_table(cards: list[Card]) -> None:
    rows = []
    for card in cards:
        try:
            size, work = loaders.cost(card.name, card.sha256)
        except CheckpointError:  # it was replaced or taken away since it was listed
            size = work = math.nan
        rows.append(
            {
                "Model": card.name,
                "Test": 100 * card.test.accuracy,
                "95% interval": f"{card.test.low:.2%} to {card.test.high:.2%}",
                "Wrong": card.test.total - card.test.correct,
                "Test images": card.test.total,
                "Validation": 100 * card.validation.accuracy,
                "Parameters": card.parameters,
                "MB": size / 1e6,
                "Million multiply-adds": work / 1e6,
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "Test": st.column_config.NumberColumn(format="%.2f%%", help="Share of the test images read right."),
            "Wrong": st.column_config.NumberColumn(help="Of the test images."),
            "Test images": st.column_config.NumberColumn(
                format="localized", help="MNIST's, but for a model that learned from other data."
            ),
            "Validation": st.column_config.NumberColumn(format="%.2f%%", help="On training images kept aside."),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "MB": st.column_config.NumberColumn(format="%.1f", help="Size of the weights on disk."),
            "Million multiply-adds": st.column_config.NumberColumn(format="%.1f", help="Work for one image."),
        },
        alt="All checkpoints with accuracy, size and cost.",
    )


def show_card(card: Card, chosen: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(card.name, anchor=False)
        if chosen:
            st.button("Asked now", key=f"ask {card.name}", type="tertiary", icon=":material/check:", disabled=True)
        else:
            st.button(
                "Ask this one",
                key=f"ask {card.name}",
                type="tertiary",
                on_click=state.put_back,
                args=[{state.MODEL: card.name}],
            )
    st.caption(ARCHITECTURES[card.architecture].__doc__.strip().splitlines()[0])
    figures = st.columns(3)
    whose = "MNIST's" if card.data == "mnist" else "its own"
    figures[0].metric(
        "Test accuracy",
        f"{card.test.accuracy:.2%}",
        help=f"On {whose} {card.test.total:,} test images, looked at once.",
    )
    figures[1].metric("Wrong", f"{card.test.total - card.test.correct:,}")
    figures[2].metric("Parameters", f"{card.parameters:,}")
    st.caption(f"95% interval of the accuracy: {card.test.low:.2%} to {card.test.high:.2%}.")
    st.plotly_chart(
        history_chart(card.history),
        key=f"history {card.name}",
        config=STILL,
        alt=history_shows(card.name),
    )
    said = []
    if card.recipe.get("augmentation"):
        said.append("The training images are changed at random, which makes them harder than validation's.")
    if card.recipe.get("alone"):
        said.append("Where they suddenly become harder, our own pen's samples join them.")
    if said:
        st.caption(" ".join(said))
    with st.expander("Digit by digit", on_change="rerun", key=f"digits {card.name}") as digits:
        if digits.open and (evaluation := loaders.evaluation(card)) is not None:
            show_digits(evaluation, card.name)
    with st.expander("Recipe"):
        show_recipe(card)


def show_recipe(card: Card) -> None:
    device = card.versions.get("device", "an unknown device")
    device = "a CPU" if device == "cpu" else device
    st.markdown(f"Trained in {card.seconds / 60:.0f} minutes on {device}. Again, with:")
    st.code(command_of(card), language=None, wrap_lines=True)
    if not is_usual(card):
        st.markdown(f"FILE holds the recipe below, which is not the usual one of {card.architecture}.")
    st.json(recipe_of(card), expanded=False)
    st.caption(", ".join(f"{name} {version}" for name, version in card.versions.items()))
    st.caption(f"SHA-256 of the weights: {card.sha256}")


def recipe_of(card: Card) -> dict[str, Any]:
    """All that the card says of its training, as `--recipe` reads it."""
    # The network of the house is folded when its training has ended.
    arguments = {name: value for name, value in card.arguments.items() if name != "folded"}
    return {"architecture": card.architecture, **card.recipe, "arguments": arguments}


def is_usual(card: Card) -> bool:
    """Whether `--architecture` alone asks for the recipe of this card; what it leaves out is as usual."""
    usual, own = asdict(RECIPES[card.architecture]), recipe_of(card)
    if isinstance(bent := own.get("augmentation"), dict):
        own["augmentation"] = usual["augmentation"] | bent
    return usual | own == usual


def command_of(card: Card) -> str:
    """What trains the model of a card once more, under its own name."""
    command = "python -m mnist_core.train "
    command += f"--architecture {card.architecture}" if is_usual(card) else "--recipe FILE"
    if card.data == "embedded":
        command += " --data embedded"
    named = usual_name(card.architecture, card.data, tuned=not is_usual(card))
    return command if card.name == named else f"{command} --name {card.name}"


chosen = loaders.chosen_card()
st.title("Models", anchor=False)
st.markdown("Every network that can be asked here, side by side: what it costs, and how often it is right.")
cards, broken = loaders.shelf()
for sentence in broken:
    st.warning(f"A checkpoint was left out. {sentence}", icon=":material/broken_image:")
show_table(cards)
for card in cards:
    show_quality(card)
with st.grid(2, min_column_width=340, border=True) as grid:
    for card in cards:
        with grid.cell():
            show_card(card, chosen=card == chosen)
show_studies()
