"""The page to take away: tables as CSV, and everything as one HTML file that needs nothing beside itself."""

import html
from collections.abc import Sequence
from datetime import date

import pandas as pd
import plotly.graph_objects as go

from mnist_core.checkpoints import Card
from mnist_core.evaluate import accuracy, calibration_error, confusion_matrix, mistakes, per_digit, reliability
from mnist_core.words import percent
from pages.parts.charts import (
    confidence_chart,
    confusion_chart,
    history_chart,
    reliability_chart,
)
from pages.parts.datasets import Answered

PICTURES = 120
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #24231f; background: #fdfcf9 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd8cc }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem }
figure { margin: 0; text-align: center; font-size: .8rem }
img { width: 84px; image-rendering: pixelated }
b { color: #c43a2b }
"""


def whole_report(card: Card, answers: Answered) -> str:
    evaluation = answers.evaluation
    score, wrong = accuracy(evaluation), mistakes(evaluation)
    right = evaluation["digit"] == evaluation["label"]
    groups = reliability(evaluation)
    parts = [
        f"<h1>{html.escape(card.name)} on {html.escape(answers.name)}</h1>",
        f"<p>{score.correct:,} of {score.total:,} images read right: {score.accuracy:.2%} "
        f"(95 % interval {score.low:.2%} to {score.high:.2%}). {len(wrong):,} mistakes. "
        f"{date.today().isoformat()}.</p>",
        "<h2>Confusion matrix</h2>",
        _chart(confusion_chart(confusion_matrix(evaluation), written="labelled"), first=True),
        "<h2>Digit by digit</h2>",
        per_digit(evaluation).to_html(index=False, float_format="{:.4f}".format, border=0),
        f"<h2>How far to trust it</h2><p>Expected calibration error: {calibration_error(groups):.4f}.</p>",
        _chart(reliability_chart(groups)),
        _chart(confidence_chart(evaluation["confidence"][right], evaluation["confidence"][~right])),
        "<h2>How it was trained</h2>",
        _chart(history_chart(card.history)),
        f"<h2>The surest mistakes</h2>{_pictures(answers, wrong.head(PICTURES))}",
        f"<p>SHA-256 of the weights: {card.sha256}</p>",
    ]
    title = html.escape(f"{card.name} on {answers.name}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _chart(figure: go.Figure, first: bool = False) -> str:
    return figure.to_html(full_html=False, include_plotlyjs=first, config={"displayModeBar": False})


def _pictures(answers: Answered, rows: pd.DataFrame) -> str:
    figures: Sequence[str] = [
        f'<figure><img src="{answers.address(row.index)}" alt="{html.escape(answers.in_words(row.index))}">'
        f"<figcaption>{html.escape(answers.called(row.index))}<br>{row.label} read as <b>{row.digit}</b>"
        f"<br>{percent(row.confidence)}</figcaption></figure>"
        for row in rows.itertuples(index=False)
    ]
    return f'<div class="pictures">{"".join(figures)}</div>'
