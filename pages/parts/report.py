"""The page to take away: everything on it as one HTML file that needs nothing beside itself."""

import html
import re
from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mnist_core.checkpoints import TEST_IMAGES, Card
from mnist_core.evaluate import accuracy, compare, confused_pairs, confusion_matrix, mistakes, per_digit, reliability
from mnist_core.reviews import corrected, opinion
from mnist_core.words import counted, percent
from pages.parts.charts import confusion_chart, history_chart, history_shows
from pages.parts.datasets import MNIST, Answered, about
from pages.parts.doors import (
    KINDS,
    MAP_SHOWS,
    MAP_WORDS,
    MATRIX_SHOWS,
    Rival,
    difference_figure,
    difference_shows,
    of_kind,
    verdict_of,
)
from pages.parts.doubts import votes_table
from pages.parts.error_charts import confidence_chart, map_chart, reliability_chart
from pages.parts.pictures import data_address
from pages.parts.tables import headed
from pages.parts.trust import SHOWS, USUAL, in_words, off_by, threshold_figure

MISTAKES = 1000  # as pictures; their numbers are all in the CSV
SHARES = {
    name: st.column_config.NumberColumn(format="%.4f", help=words)
    for name, words in {
        "Precision": "Of the answers with this digit, the share that is right.",
        "Recall": "Of the images of this digit, the share that was read right.",
        "F1": "Precision and recall in one number, their harmonic mean.",
    }.items()
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #141310; background: #fdfcf9 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .5rem; overflow-wrap: normal; text-align: right; border-bottom: 1px solid #ddd8cc }
.wide { overflow-x: auto }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0; width: 7.5rem; text-align: center; font-size: .8rem }
img { width: 84px; image-rendering: pixelated }
figure b { color: #c43a2b }
"""


def facts(answers: Answered) -> list[str]:
    """What the page says first."""
    evaluation = answers.evaluation
    score, digits = accuracy(evaluation), per_digit(evaluation)
    worst = digits[digits["support"] > 0].nsmallest(1, "recall").iloc[0]
    said = [
        f"**{score.accuracy:.2%}** right (95% interval {score.low:.2%} to {score.high:.2%})",
        f"**{counted(score.total - score.correct, 'mistake')}** in {counted(score.total, 'image')}",
    ]
    if answers.name == MNIST and len(evaluation) == TEST_IMAGES:
        said.append(f"**{accuracy(corrected(evaluation)).accuracy:.2%}** by the labels that reviewers corrected")
    if pairs := confused_pairs(confusion_matrix(evaluation)):
        said.append(f"worst digit **{worst['digit']:.0f}** ({worst['recall']:.2%})")
        said.append(f"most confused: **{pairs[0][0]}** read as **{pairs[0][1]}** ({counted(pairs[0][2], 'time')})")
    return said


def digit_by_digit(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Empty cells where a digit was never answered or never there: what a 0 says there is no fault of the model."""
    table = per_digit(evaluation)
    answered = table["digit"].isin(evaluation["digit"])
    there = table["support"] > 0
    table["precision"] = table["precision"].where(answered)
    table[["recall", "f1"]] = table[["recall", "f1"]].where(there)
    return table


def _headed(evaluation: pd.DataFrame) -> pd.DataFrame:
    return headed(digit_by_digit(evaluation).rename(columns={"support": "images"}))


def show_digits(evaluation: pd.DataFrame, model: str) -> None:
    st.dataframe(
        _headed(evaluation),
        hide_index=True,
        column_config=SHARES,
        placeholder="–",
        alt=f"Precision, recall and F1 of each digit, read by {model}.",
    )


def whole_report(
    card: Card,
    answers: Answered,
    places: np.ndarray | None = None,
    by: str = "label",
    rival: Rival | None = None,
    votes: Mapping[int, str] | None = None,
    threshold: float = USUAL,
) -> str:
    """The page with its map, if its `places` are at hand, and the comparison and the verdicts, if there are any."""
    evaluation, votes = answers.evaluation, votes or {}
    groups, sure = reliability(evaluation), evaluation["confidence"]
    right = evaluation["digit"] == evaluation["label"]
    title = f"{card.name} on {answers.name}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        _words(" · ".join(facts(answers))),
        _words(f"{about(card, answers.name)} {date.today().isoformat()}."),
        "<h2>Confusion matrix</h2>",
        _chart(confusion_chart(confusion_matrix(evaluation), written="labelled"), MATRIX_SHOWS, first=True),
        "<h2>Digit by digit</h2>",
        _table(_headed(evaluation)),
        *(_comparison(card, answers, rival) if rival else []),
        "<h2>How far to trust it</h2>",
        _words(off_by(groups)),
        _chart(reliability_chart(groups), SHOWS["reliability"]),
        _words("**How sure is it when it is right, and when it is wrong?**"),
        _chart(confidence_chart(sure[right], sure[~right]), SHOWS["confidences"]),
        _words(in_words(evaluation, threshold)),
        _chart(threshold_figure(evaluation, threshold), SHOWS["thresholds"]),
        *_map(places, evaluation, by),
        "<h2>How it was trained</h2>",
        _chart(history_chart(card.history), history_shows(card.name)),
        *_verdicts(answers, votes),
        *_mistakes(answers, votes),
        f"<p>SHA-256 of the weights: {card.sha256}</p>",
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _comparison(card: Card, answers: Answered, rival: Rival) -> list[str]:
    kinds = zip(KINDS, compare(answers.evaluation, rival.answers.evaluation)[:3], strict=True)
    return [
        f"<h2>Compared with {html.escape(rival.name)}</h2>",
        _words(verdict_of(card.name, answers, rival)),
        *(_words(of_kind(kind, len(numbers), card.name, rival.name)) for kind, numbers in kinds),
        _chart(difference_figure(card.name, answers, rival), difference_shows(card.name, rival.name)),
    ]


def _map(places: np.ndarray | None, evaluation: pd.DataFrame, by: str) -> list[str]:
    if places is None:
        return []
    chart = map_chart(places, evaluation, by).update_layout(dragmode="zoom")
    return ["<h2>Map</h2>", _words(MAP_WORDS), _chart(chart, MAP_SHOWS)]


def _verdicts(answers: Answered, votes: Mapping[int, str]) -> list[str]:
    if not votes:
        return []
    table = votes_table(answers, votes)
    table["index"] = [answers.called(number) for number in table["index"]]
    names = ["Image", "Label", "Read as", "Confidence", "You say"]
    return ["<h2>Right or mislabelled?</h2>", _table(table.set_axis(names, axis=1))]


def _mistakes(answers: Answered, votes: Mapping[int, str]) -> list[str]:
    wrong = mistakes(answers.evaluation)
    said = f"{len(wrong):,}, the surest first."
    if len(wrong) > MISTAKES:
        said += f" {MISTAKES:,} stand here, {len(wrong) - MISTAKES:,} are left out."
    if answers.images is None:
        said += " The images themselves were not at hand when this was written."
    pictures = "".join(_picture(answers, number, votes.get(number, "")) for number in wrong["index"].head(MISTAKES))
    return ["<h2>Mistakes</h2>", _words(said), f'<div class="pictures">{pictures}</div>']


def _picture(answers: Answered, number: int, vote: str) -> str:
    row = answers.evaluation.iloc[number]
    said = [
        html.escape(answers.called(number)),
        f"{row['label']:.0f} read as <b>{row['digit']:.0f}</b>",
        percent(row["confidence"]),
        opinion(number) if answers.name == MNIST else "",
        f"You: {vote}" if vote else "",
    ]
    address = data_address(answers.picture(number, enlarged=1))
    return (
        f'<figure><img src="{address}" alt="{html.escape(answers.in_words(number))}">'
        f"<figcaption>{'<br>'.join(filter(None, said))}</figcaption></figure>"
    )


def _words(markdown: str) -> str:
    """A sentence of the page, whose only markup is bold."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(markdown, quote=False))
    return f"<p>{bold}</p>"


def _table(table: pd.DataFrame) -> str:
    return f'<div class="wide">{table.to_html(index=False, float_format="{:.4f}".format, na_rep="–", border=0)}</div>'


def _chart(figure: go.Figure, shows: str, first: bool = False) -> str:
    figure = go.Figure(figure).update_layout(
        colorway=st.get_option("theme.chartCategoricalColors"), font={"family": "system-ui, sans-serif"}
    )
    figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    config = {"displayModeBar": False, "responsive": True}
    drawn = figure.to_html(full_html=False, include_plotlyjs=first, config=config)
    return f'<div role="img" aria-label="{html.escape(shows)}">{drawn}</div>'
