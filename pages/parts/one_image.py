"""One image under the magnifying glass: every model's answer, what the answer rests on, and its neighbours."""

import numpy as np
import streamlit as st

from mnist_core import CheckpointError
from mnist_core.architectures import DIGITS
from mnist_core.checkpoints import Card
from mnist_core.classifier import DigitClassifier, conclude
from mnist_core.explain import occlusion_map, saliency_map
from mnist_core.pictures import png
from mnist_core.reviews import opinion
from mnist_core.words import as_written, percent, whole_number
from pages.parts import loaders, state
from pages.parts.charts import STILL, probabilities_chart
from pages.parts.datasets import MNIST, Answered
from pages.parts.desk import show_ways
from pages.parts.doubts import VOTES
from pages.parts.gallery import SIDE, show_steps
from pages.parts.memory import remember
from pages.parts.pictures import data_address, laid_over, placeholder
from pages.parts.tables import show_answers

LENSES = ["Image", "Occlusion", "Saliency"]
MEANING = {
    "Image": "The 28 x 28 pixels that the model sees.",
    "Occlusion": "Ochre: covered with paper, the answer loses ground. Teal: covered, it gains.",
    "Saliency": "Ochre: more ink here would raise the answer's score. Teal: it would lower it.",
}


def show_image(card: Card, answers: Answered, number: int, chosen: tuple[int, ...]) -> None:
    """Open the dialog; what is inside runs alone, so it asks the visit which image is meant by now."""
    if number not in state.walk():
        state.walk_along(chosen)

    @st.dialog("One image", width="large", on_dismiss=state.close_image, icon=":material/zoom_in:")
    def look() -> None:
        now = whole_number(state.opened() or "")
        _show(card, answers, now if now is not None and now < len(answers.evaluation) else number)

    look()


def _show(card: Card, answers: Answered, number: int) -> None:
    row = answers.evaluation.iloc[number]
    label, digit = int(row["label"]), int(row["digit"])
    classifier = loaders.classifier(card)
    show_steps(number)
    left, right = st.columns([2, 3])
    with left:
        _show_lens(classifier, answers, number, digit)
    with right:
        colour = "blue" if label == digit else "red"
        name = as_written(answers.called(number))
        st.markdown(f"**{name}**: labelled **{label}**, {card.name} reads :{colour}[**{digit}**]")
        shares = answers.probabilities(number)
        beside = "" if label == digit else f", the label {percent(shares[label])}"
        st.caption(f"The answer got {percent(row['confidence'])}{beside}.")
        (prediction,) = conclude(answers.logits[number : number + 1], card.limits)
        if prediction.verdict != "digit":
            st.caption(f"The draw page would say “{prediction.in_words}”; here the likeliest digit counts.")
        st.plotly_chart(
            probabilities_chart(shares, digit),
            key="image probabilities",
            config=STILL,
            alt="The probability of each of the ten digits as a bar.",
        )
        if answers.name == MNIST and (said := opinion(number)):
            st.markdown(f":material/rule: {said}")
    _show_vote(answers, number)
    st.markdown("**Every model's answer**")
    _show_every_answer(answers, number)
    if answers.name == MNIST:
        _show_neighbours(card, number, label, digit)
    else:
        st.caption("The training images nearest to it are known of MNIST's test images only.")
    remember()


def _show_lens(classifier: DigitClassifier | None, answers: Answered, number: int, digit: int) -> None:
    if answers.images is None:
        st.image(answers.picture(number), width=252, alt=answers.in_words(number))
        st.caption("The image comes with MNIST, which is not on this server yet.")
        return
    image = answers.images[number] / 255
    lens = st.segmented_control("Look at", LENSES, default="Image", required=True, key="lens", bind="query-params")
    if lens == "Image" or classifier is None:
        picture = png(image, 9)
    else:
        heat = (occlusion_map if lens == "Occlusion" else saliency_map)(classifier, image, digit)
        picture = laid_over(image, heat, 9)
    st.image(picture, width=252, alt=f"{answers.in_words(number)}. {lens}.")
    st.caption(MEANING[lens])
    show_ways(f"{answers.called(number)} of {answers.name}.png", png(image))


def _show_vote(answers: Answered, number: int) -> None:
    key = f"vote {answers.name} {number}"
    state.put_back({key: state.all_votes().get((answers.name, number))})  # also one that comes back after a reload
    st.segmented_control(
        "What do you say?", VOTES, key=key, on_change=lambda: state.vote(answers.name, number, st.session_state[key])
    )


def _show_every_answer(answers: Answered, number: int) -> None:
    known = ((card, _logits(card, answers, number)) for card in loaders.shelf()[0])
    said = [(card, conclude(logits, card.limits)[0]) for card, logits in known if logits is not None]
    show_answers(said, "this image")


def _logits(card: Card, answers: Answered, number: int) -> np.ndarray | None:
    """One model's answer to one image, 1 x 10; None where it is neither kept nor can be asked for."""
    if answers.name == MNIST and card.data == "mnist":
        try:
            return loaders.test_answers(card)[1][number : number + 1]
        except CheckpointError:
            pass  # the model itself may still answer
    if answers.images is None or not loaders.classifier(card):
        return None
    return loaders.ask(card, answers.images[number : number + 1])


def _show_neighbours(card: Card, number: int, label: int, digit: int) -> None:
    st.markdown("**The training images nearest to it, as this model sees them**")
    try:
        landscape = loaders.landscape(card)
    except CheckpointError as error:
        st.caption(str(error))
        return
    near, labels = landscape.neighbours[number], landscape.labels[number]
    training = loaders.training_images()
    with st.container(horizontal=True, gap="xsmall"):
        for neighbour, own in zip(near, labels, strict=True):
            picture = png(training[neighbour] / 255, 6) if training is not None else placeholder(f"{own}")
            with st.container(width=SIDE // 2 + 18, gap=None, horizontal_alignment="center"):
                st.image(
                    data_address(picture), width=SIDE // 2 + 14, alt=f"Training image {neighbour}, labelled {own}."
                )
                st.caption(str(own))
    st.caption(_near_whom(labels, label, digit))


def _near_whom(labels: np.ndarray, label: int, digit: int) -> str:
    counts = np.bincount(labels, minlength=DIGITS)
    own, other, most = int(counts[label]), int(counts[digit]), int(counts.argmax())
    first = f"{own} of the {len(labels)} {_are_labelled(own)} {label}"
    if label == digit:
        return f"{first} too."
    further = ""
    if counts[most] > max(own, other):
        further = f", and {counts[most]} {_are_labelled(counts[most])} {most}"
        side = f"among the {most}s" if 2 * counts[most] > len(labels) else "among other digits"
    elif own > other:
        side = "with its own digit"
    elif other > own:
        side = "with the digit it was taken for"
    else:
        side = "in between"
    return f"{first}, like it; {other} {_are_labelled(other)} {digit}, the answer{further}: it lies {side}."


def _are_labelled(count: int) -> str:
    return "is labelled" if count == 1 else "are labelled"
