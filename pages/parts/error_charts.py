"""Charts of a model's answers: how far to trust them, and where the images lie. Pure, like charts.py."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.parts.charts import ANSWER, MISTAKE, PLAIN, QUIET, plain


def reliability_chart(groups: pd.DataFrame) -> go.Figure:
    """How often answers of each confidence were right; on the diagonal a model is as sure as it should be."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": QUIET, "dash": "dot"},
        hoverinfo="skip",
        name="as sure as right",
    )
    figure.add_scatter(
        x=groups["confidence"],
        y=groups["accuracy"],
        customdata=groups["images"],
        mode="lines+markers",
        line={"color": ANSWER},
        marker={"size": 9},
        name="this model",
        hovertemplate="%{customdata:,} images, %{x:.1%} sure, %{y:.1%} right<extra></extra>",
    )
    figure.update_layout(height=300, legend={"orientation": "h", "y": 1.14, "x": 0})
    figure.update_xaxes(title="how sure", range=[0, 1.02], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(title="how often right", range=[0, 1.05], tickformat=".0%", fixedrange=True)
    return plain(figure)


def confidence_chart(right: np.ndarray, wrong: np.ndarray) -> go.Figure:
    """How many right and wrong answers there are of each confidence, on a scale where one stays visible."""
    edges = np.linspace(0, 1, 21)
    figure = go.Figure()
    for name, confidences, colour in (("right", right, ANSWER), ("wrong", wrong, MISTAKE)):
        counts, _ = np.histogram(confidences, edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            name=name,
            marker={"color": colour, "pattern": {"shape": "/" if name == "wrong" else ""}},
            hovertemplate=f"%{{y:,}} {name}, about %{{x:.0%}} sure<extra></extra>",
        )
    figure.update_layout(height=300, bargap=0.1, legend={"orientation": "h", "y": 1.14, "x": 0})
    figure.update_xaxes(title="how sure", range=[0, 1.02], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(
        title="images", type="log", range=[-0.3, 4.2], tickvals=[1, 10, 100, 1000, 10000], fixedrange=True
    )
    return plain(figure)


def threshold_chart(curve: pd.DataFrame, here: pd.Series) -> go.Figure:
    """What is gained by answering less: wrong answers in a hundred against the share of images answered."""
    figure = go.Figure()
    figure.add_scatter(
        x=curve["answered"],
        y=100 * (1 - curve["right"]),
        customdata=curve["threshold"],
        mode="lines",
        line={"color": MISTAKE, "shape": "vh"},
        name="wrong",
        hovertemplate="at least %{customdata:.1%} sure: %{x:.2%} answered, %{y:.2f}% of those wrong<extra></extra>",
    )
    figure.add_scatter(
        x=[here["answered"]],
        y=[100 * (1 - here["right"])],
        mode="markers",
        marker={"size": 13, "color": PLAIN},
        name="the slider",
        hoverinfo="skip",
    )
    figure.update_layout(height=300, legend={"orientation": "h", "y": 1.14, "x": 0})
    least = float(curve["answered"].iloc[-1])
    ticks = ".1%" if least > 0.96 else ".0%"  # so that no two say the same
    figure.update_xaxes(title="answered", range=[max(0.0, least - 0.02), 1.005], tickformat=ticks, fixedrange=True)
    figure.update_yaxes(title="% wrong of those", rangemode="tozero", fixedrange=True)
    return plain(figure)


def map_chart(places: np.ndarray, evaluation: pd.DataFrame, by: str) -> go.Figure:
    """A point an image, coloured by its label or by whether it was read right; a lasso tells their numbers."""
    labels, digits = evaluation["label"].to_numpy(), evaluation["digit"].to_numpy()
    if by == "label":
        groups = [(str(digit), labels == digit, {"size": 4, "opacity": 0.75}) for digit in range(10)]
    else:
        groups = [
            ("right", labels == digits, {"size": 3, "color": QUIET}),
            ("wrong", labels != digits, {"size": 8, "color": MISTAKE, "symbol": "x"}),
        ]
    figure = go.Figure()
    for name, which, marker in groups:
        rows = np.flatnonzero(which)
        figure.add_scattergl(
            x=places[rows, 0],
            y=places[rows, 1],
            customdata=np.stack([rows, labels[rows], digits[rows]], axis=1).tolist(),
            mode="markers",
            marker=marker,
            name=name,
            hovertemplate="image %{customdata[0]}: labelled %{customdata[1]}, read as %{customdata[2]}<extra></extra>",
        )
    figure.update_layout(
        height=480, legend={"orientation": "h", "y": -0.02, "yanchor": "top", "itemsizing": "constant"}
    )
    figure.update_xaxes(visible=False, range=[-1.08, 1.08])
    figure.update_yaxes(visible=False, range=[-1.08, 1.08], scaleanchor="x")
    return plain(figure).update_layout(dragmode="lasso")


def outlined(chart: go.Figure, lines: Sequence[np.ndarray]) -> go.Figure:
    """A map with lines that are drawn around points already."""
    paths = ["M" + "L".join(f"{x},{y}" for x, y in line) + "Z" for line in lines]
    line = {"color": PLAIN, "width": 2, "dash": "dot"}
    return go.Figure(chart).update_layout(selections=[{"type": "path", "path": path, "line": line} for path in paths])
