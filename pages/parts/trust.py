"""How far a model's confidence can be trusted, and what is gained by answering only when it is sure."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mnist_core.evaluate import answered_above, calibration_error, reliability
from mnist_core.words import percent
from pages.parts.charts import STILL
from pages.parts.error_charts import confidence_chart, reliability_chart, threshold_chart

# Dense where confident models have most of their answers.
THRESHOLDS = np.unique(np.concatenate([np.linspace(0, 0.99, 100), 1 - np.geomspace(0.01, 1e-4, 40)]))
USUAL = 0.93
SHOWS = {  # the charts, for who cannot see them
    "reliability": "How often answers of each confidence were right.",
    "confidences": "How many right and wrong answers there are of each confidence.",
    "thresholds": "The share of wrong answers against the share of images that are answered.",
}


def show_trust(evaluation: pd.DataFrame) -> None:
    groups = reliability(evaluation)
    right = (evaluation["digit"] == evaluation["label"]).to_numpy()
    confidence = evaluation["confidence"].to_numpy()
    one, two = st.columns(2)
    with one:
        st.markdown(off_by(groups))
        st.plotly_chart(
            reliability_chart(groups),
            key="reliability",
            config=STILL,
            alt=SHOWS["reliability"],
        )
        st.caption(
            "The expected calibration error. On the dotted line, nine of ten answers that are 90% sure are right."
        )
    with two:
        st.markdown("**How sure is it when it is right, and when it is wrong?**")
        st.plotly_chart(
            confidence_chart(confidence[right], confidence[~right]),
            key="confidences",
            config=STILL,
            alt=SHOWS["confidences"],
        )
        st.caption("Each step upwards is ten times as many images, so that a single mistake can be seen.")
    threshold = choose_threshold()
    st.markdown(in_words(evaluation, threshold))
    st.plotly_chart(
        threshold_figure(evaluation, threshold),
        key="thresholds",
        config=STILL,
        alt=SHOWS["thresholds"],
    )


def choose_threshold(why: str | None = None) -> float:
    return st.slider(
        "**Answer only when at least so sure**",
        0.0,
        0.999,
        USUAL,
        0.001,
        format="percent",
        key="above",
        persist_state="session",
        bind="query-params",
        help=why,
    )


def off_by(groups: pd.DataFrame) -> str:
    return f"**As sure as it should be?** Off by {100 * calibration_error(groups):.2f} points on average."


def threshold_figure(evaluation: pd.DataFrame, threshold: float) -> go.Figure:
    return threshold_chart(answered_above(evaluation, THRESHOLDS), answered_above(evaluation, [threshold]).iloc[0])


def in_words(evaluation: pd.DataFrame, threshold: float) -> str:
    here = answered_above(evaluation, [threshold]).iloc[0]
    if not here["answered"]:
        return f"No answer is {threshold:.1%} sure or more: nothing is answered at all."
    return (
        f"When only answers that are at least {threshold:.1%} sure count: **{percent(here['answered'])}** answered, "
        f"**{exact(here['right'])}** of those right."
    )


def exact(share: float) -> str:
    return "100%" if share == 1 else f"{share:.2%}"
