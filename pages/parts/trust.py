"""How far a model's confidence can be trusted, and what is gained by answering only when it is sure."""

import numpy as np
import pandas as pd
import streamlit as st

from mnist_core.evaluate import answered_above, calibration_error, reliability
from mnist_core.words import percent
from pages.parts.charts import STILL, confidence_chart, reliability_chart, threshold_chart

# Dense where confident models have most of their answers.
THRESHOLDS = np.unique(np.concatenate([np.linspace(0, 0.99, 100), 1 - np.geomspace(0.01, 1e-4, 40)]))


def show_trust(evaluation: pd.DataFrame) -> None:
    groups = reliability(evaluation)
    right = (evaluation["digit"] == evaluation["label"]).to_numpy()
    confidence = evaluation["confidence"].to_numpy()
    one, two = st.columns(2)
    with one:
        error = calibration_error(groups)
        st.markdown(f"**As sure as it should be?** Off by {100 * error:.2f} points on average.")
        st.plotly_chart(
            reliability_chart(groups),
            key="reliability",
            config=STILL,
            alt="How often answers of each confidence were right.",
        )
        st.caption(
            "The expected calibration error. On the dotted line, nine of ten answers that are 90 % sure are right."
        )
    with two:
        st.markdown("**How sure is it when it is right, and when it is wrong?**")
        st.plotly_chart(
            confidence_chart(confidence[right], confidence[~right]),
            key="confidences",
            config=STILL,
            alt="How many right and wrong answers there are of each confidence.",
        )
        st.caption("Each step upwards is ten times as many images, so that a single mistake can be seen.")
    st.markdown("**Answer only above**")
    threshold = st.slider(
        "Answer only above",
        0.0,
        0.999,
        0.93,
        0.001,
        format="%.3f",
        key="above",
        bind="query-params",
        label_visibility="collapsed",
    )
    here = answered_above(evaluation, [threshold]).iloc[0]
    st.markdown(in_words(threshold, here))
    st.plotly_chart(
        threshold_chart(answered_above(evaluation, THRESHOLDS), here),
        key="thresholds",
        config=STILL,
        alt="The share of wrong answers against the share of images that are answered.",
    )


def in_words(threshold: float, here: pd.Series) -> str:
    if not here["answered"]:
        return f"Above {threshold:.3f} nothing is answered at all."
    return (
        f"Answer only above {threshold:.3f}: **{percent(here['answered'])}** answered, "
        f"**{exact(here['right'])}** of those right."
    )


def exact(share: float) -> str:
    return "100%" if share == 1 else f"{share:.2%}"
