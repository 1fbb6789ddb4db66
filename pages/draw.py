"""Draw a digit, or bring a picture of one, and get an honest answer. The page most visitors open first."""

import pandas as pd
import streamlit as st

from mnist_core import DigitClassifier, InkError, Prediction
from mnist_core.evaluate import confusion_matrix
from mnist_core.pictures import png
from mnist_core.preprocess import NAIVE, Trace
from mnist_core.words import percent, whole_percent, with_article
from pages.parts import loaders, state
from pages.parts.charts import STILL, confusion_chart, probabilities_chart
from pages.parts.desk import DRAW, choose_ink, is_own, mark_of, read_link, show_examples, show_sign, write_link
from pages.parts.memory import remember
from pages.parts.pictures import npy, zipped
from pages.parts.tables import show_answers

PAPER_IS_EMPTY = "Write one digit, as large or as small as you like, anywhere on the paper."
PICTURE_IS_EMPTY = "A picture of one digit is read best: dark ink on light paper, or the other way round."


def show_answer(prediction: Prediction, classifier: DigitClassifier) -> None:
    says, sees = st.columns([3, 2])
    with says:
        show_sign(prediction)
        if prediction.verdict == "blank":
            paper = st.session_state[state.SOURCE] == DRAW
            st.caption(PAPER_IS_EMPTY if paper else PICTURE_IS_EMPTY)
        else:
            shares = " · ".join(f"{digit}: {percent(probability)}" for digit, probability in prediction.top(3))
            if prediction.digit is None:
                shares = f"If it had to name one: {shares}"
            st.caption("  \n".join(filter(None, [prediction.reason, shares])))
    with sees:
        st.image(png(prediction.image, 6), width=140, alt="The drawing as the model sees it, 28 by 28 pixels.")
        st.caption("What the model sees")
    st.plotly_chart(
        probabilities_chart(prediction.probabilities, prediction.digit),
        key="probabilities",
        config=STILL,
        alt="The probability of each of the ten digits as a bar.",
    )
    if prediction.verdict == "blank":
        st.caption(f"{classifier.card.name} waits for ink.")
    else:
        st.caption(
            f"{classifier.card.name}: {prediction.preprocess_milliseconds:.1f} ms from ink to image, "
            f"{prediction.network_milliseconds:.1f} ms in the network."
        )


def show_why(ink: bytes, trace: Trace, prediction: Prediction, classifier: DigitClassifier) -> None:
    """The answer that the usual shortcut would have given, where it is another."""
    shortcut = classifier.judge([NAIVE.run(ink, before=trace)])[0]
    if shortcut.digit == prediction.digit:
        st.caption("Shrinking the whole paper to 28 x 28, as many programs do, gives the same answer here.")
    elif shortcut.digit is None:
        st.markdown(
            f"**Why {prediction.digit}?** Shrinking the whole paper to 28 x 28, as many programs do, "
            "would have left nothing that looks like a digit."
        )
    else:
        st.markdown(
            f"**Why not {shortcut.digit}?** Shrinking the whole paper to 28 x 28, as many programs do, "
            f"would have made this {with_article(shortcut.digit)} ({percent(shortcut.confidence)})."
        )
    st.page_link("pages/preprocessing.py", label="See every step", icon=":material/conveyor_belt:")


def show_judging(ink: bytes, prediction: Prediction, classifier: DigitClassifier) -> None:
    """Was this right? The visitor's word goes onto the scorecard of this visit."""

    def judge(label: int | None) -> None:
        confidence = None if turned_away else prediction.confidence
        judged = state.Judged(label, prediction.digit, confidence, classifier.card.name, png(prediction.image))
        state.judge(judged, mark, own)

    turned_away, mark, own = prediction.digit is None, mark_of(ink), is_own(ink)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        judged = state.judged(mark, classifier.card.name)
        st.markdown(_counted(judged) if judged else "Was this right?")
        st.button(
            "Yes",
            icon=":material/check:",
            on_click=judge,
            args=[prediction.digit],
            key="right",
            disabled=judged is not None and judged.label == prediction.digit,
        )
        asks = "It is a digit" if turned_away else "It is something else"
        # Under another key it is another popover, which is closed: it has been answered, or is about other ink.
        with st.popover(asks, icon=":material/edit:", key=f"something else {mark} {judged and judged.label}"):
            st.caption("What did you write?")
            with st.container(horizontal=True, gap="xxsmall"):
                for digit in range(10):
                    st.button(str(digit), on_click=judge, args=[digit], key=f"is_{digit}")
                if not turned_away:
                    st.button("No digit", on_click=judge, args=[None], key="is_none")


def _counted(judged: state.Judged) -> str:
    if judged.label is None:
        return "Counted as rightly turned away." if judged.digit is None else "Counted as no digit."
    return f"Counted as {with_article(judged.label)}{' that was turned away' if judged.digit is None else ''}."


def show_downloads(trace: Trace, linked: bool) -> None:
    with st.popover("Take it away", icon=":material/download:"):
        st.download_button(
            "Image, 28 x 28 PNG",
            lambda: png(trace.image),
            "digit.png",
            "image/png",
            icon=":material/image:",
            on_click="ignore",
        )
        st.download_button(
            "Tensor, 1 x 28 x 28 .npy",
            lambda: npy(trace.tensor),
            "digit.npy",
            icon=":material/data_array:",
            on_click="ignore",
        )
        if linked:
            st.caption("The page's address holds it too, for later or for somebody else.", width=240)


def show_all_models(trace: Trace) -> None:
    asked = ((card, loaders.classifier(card)) for card in loaders.shelf()[0])
    show_answers([(card, other.judge([trace])[0]) for card, other in asked if other], "the drawing")


def show_scorecard() -> None:
    judged = state.scorecard()
    if not judged:
        st.caption(
            "Judge an answer above, and this visit's score builds up here. This tab of your browser keeps it; nothing "
            "of it is stored on the server."
        )
        return
    table = pd.DataFrame(
        [{"label": j.label, "digit": j.digit, "confidence": j.confidence, "model": j.model} for j in judged],
        index=range(1, len(judged) + 1),  # as the files of the drawings are numbered
    ).astype({"label": "Int64", "digit": "Int64"})  # what is no digit has no label, and what was turned away no digit
    right = pd.Series([j.label == j.digit for j in judged], table.index)
    read = table.dropna(subset=["label", "digit"]).astype({"label": int, "digit": int})
    matrix, digits = st.columns(2)
    with matrix:
        away = f", {count} turned away" if (count := table["digit"].isna().sum()) else ""
        st.markdown(f"**{right.sum()} of {len(right)} right** ({whole_percent(right.mean())}){away}")
        st.plotly_chart(
            confusion_chart(confusion_matrix(read)),
            key="scores",
            config=STILL,
            alt="What was judged in this visit: which digits, and as what they were read.",
        )
    with digits:
        st.markdown("**Digit by digit**")
        labels = table["label"].astype("string").fillna("none")
        by_digit = right.groupby(labels).agg(["size", "mean"]).reset_index()
        by_digit.columns = ["Digit", "Judged", "Read right"]
        st.dataframe(
            by_digit,
            hide_index=True,
            column_config={"Read right": st.column_config.NumberColumn(format="percent")},
            alt="How many answers to each digit were judged, and what share of them was right.",
        )
    with st.container(horizontal=True, gap="xsmall"):
        st.download_button(
            "Scores as CSV", table.to_csv(index_label="drawing"), "scores.csv", "text/csv", on_click="ignore"
        )
        names = [
            f"{number:03d}-label-{'none' if j.label is None else j.label}-"
            f"{'turned-away' if j.digit is None else f'read-{j.digit}'}.png"
            for number, j in zip(table.index, judged, strict=True)
        ]
        st.download_button(
            "Drawings as ZIP",
            lambda: zipped((name, j.picture) for name, j in zip(names, judged, strict=True)),
            "drawings.zip",
            "application/zip",
            on_click="ignore",
        )
        st.button("Start again", on_click=state.forget_scores, icon=":material/restart_alt:")


@st.fragment
def show_desk(classifier: DigitClassifier) -> None:
    """All that follows the ink. A stroke reruns this and nothing else of the page."""
    desk = st.container(horizontal=True, gap="medium")
    with desk.container(width=312):
        ink = choose_ink()
        linked = write_link()
    with desk.container():
        trace, prediction = None, Prediction.of_nothing()
        try:
            if ink is not None:
                trace = classifier.pipeline.run(ink)
                (prediction,) = classifier.judge([trace])
        except InkError as error:
            st.error(str(error), icon=":material/broken_image:")
        else:
            show_answer(prediction, classifier)
        if prediction.verdict != "blank":
            show_why(ink, trace, prediction, classifier)
            show_judging(ink, prediction, classifier)
            show_downloads(trace, linked)
    st.subheader("Or start from an example", anchor=False)
    show_examples()
    models = st.expander("What do the other models say?", icon=":material/groups:", on_change="rerun", key="all_models")
    with models:
        if models.open and prediction.verdict != "blank":
            show_all_models(trace)
        else:
            st.caption("Draw something first, and every model is asked the same.")
    scores = st.expander(
        "Scorecard of this visit", icon=":material/scoreboard:", on_change="rerun", key="scorecard_open"
    )
    with scores:
        if scores.open:
            show_scorecard()
    remember()


st.title("Draw", anchor=False)
st.markdown("Write a digit. The answer follows each stroke.")
read_link()  # before the model is loaded: a click meanwhile would end the run that knows the link
if classifier := loaders.classifier(loaders.chosen_card()):
    show_desk(classifier)
