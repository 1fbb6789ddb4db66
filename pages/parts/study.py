"""A search for a better recipe, looked at: its course, which knobs mattered, and every trial."""

import json

import numpy as np
import streamlit as st

from mnist_core.studies import Study
from pages.parts import loaders
from pages.parts.charts import STILL
from pages.parts.data_charts import importance_chart, parallel_chart, search_chart
from pages.parts.tables import headed, show_csv

MANY = 200  # trials, from which on shares of so few knobs hardly change any more


def show_studies() -> None:
    studies, broken = loaders.studies()
    if not studies and not broken:
        return
    st.subheader("The search for better recipes", anchor=False)
    for sentence in broken:
        st.warning(sentence, icon=":material/broken_image:")
    if not studies:
        return
    names = [study.name for study in studies]
    name = names[0]
    if len(names) > 1:
        name = st.selectbox("Study", names, key="study", bind="query-params")
    _show(studies[names.index(name)])


def _show(study: Study) -> None:
    table, best, settings = study.table, study.best, study.settings
    early = int((table["state"] == "pruned").sum())
    whose = "MNIST" if settings["data"] == "mnist" else "scikit-learn's digits"
    images = f"{settings['images']:,} of the" if settings.get("images") else "all"
    st.markdown(
        f"**{len(table)} trials** of {settings['epochs']} epochs on {images} training images of {whose}, "
        f"{early} of them given up early, judged on validation images. Best: trial {best['number']} with "
        f"**{best['validation_accuracy']:.2%}**. The test images were not looked at."
    )
    complete = (table["state"] == "complete").to_numpy()
    course, mattered = st.columns(2, gap="medium")
    with course:
        st.markdown("**Its course**")
        st.plotly_chart(
            search_chart(table["number"].to_numpy(), 100 * (1 - table["validation_accuracy"].to_numpy()), complete),
            key="course",
            config=STILL,
            alt="The share of wrong answers of every trial in order, and the best so far; the table has the numbers.",
        )
    with mattered:
        st.markdown("**Which knobs mattered**")
        if study.importance:
            st.plotly_chart(
                importance_chart(study.importance),
                key="importance",
                config=STILL,
                alt="How much of the differences between trials each knob explains.",
            )
            hint = " From so few this is a hint, no measurement." if complete.sum() < MANY else ""
            st.caption(
                f"Shares of what the knobs explain of the differences between the {complete.sum()} trials that came to "
                f"their end (fANOVA).{hint}"
            )
        else:
            st.markdown("Too few trials came to their end to tell.")
    st.markdown("**Every trial that came to its end, through its knobs**")
    st.plotly_chart(
        parallel_chart(
            {knob: table[knob].to_numpy()[complete] for knob in study.knobs},
            table["validation_accuracy"].to_numpy()[complete],
        ),
        key="parallel",
        config=STILL,
        alt="A line a trial through the values of its knobs to its accuracy; the more ochre, the better. The table "
        "below has the numbers.",
    )
    st.caption("The more ochre a line, the better the trial. Drag along an axis to follow a few of them.")
    share = st.column_config.NumberColumn(format="%.4f")
    st.dataframe(
        headed(table), hide_index=True, height=300, column_config={"Validation accuracy": share}, alt="Every trial."
    )
    with st.container(horizontal=True, gap="xsmall"):
        show_csv(table, "trials", study.name)
        st.download_button(
            "Figures as JSON",
            lambda: json.dumps(
                {"settings": settings, "importance": study.importance, "trials": study.trials}, indent=1
            ),
            f"{study.name}-study.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
        )
    st.code(command_of(study), language=None, wrap_lines=True)
    minutes = np.sum(table["seconds"]) / 60
    threads = study.versions.get("threads", "?")
    st.caption(f"{minutes:.0f} minutes of training on {threads} thread{'s' * (threads != 1)}.")


def command_of(study: Study) -> str:
    """What begins the same search again; what is as usual goes without saying."""
    settings = study.settings
    said = {"architecture": study.architecture, "trials": len(study.trials), "epochs": settings["epochs"]}
    usual = {"images": None, "data": "mnist", "seed": 1, "name": study.architecture}
    own = {**usual, **settings, "name": study.name}
    said |= {option: own[option] for option in usual if own[option] != usual[option]}
    return "python -m mnist_core.tune " + " ".join(f"--{option} {value}" for option, value in said.items())
