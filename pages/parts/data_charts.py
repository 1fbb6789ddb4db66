"""Charts of a set of images: numbers -> plotly figures. Pure, like charts.py, whose colours and paper they share."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from mnist_core.studies import ON_LOGARITHM
from pages.parts.charts import DIGIT_NAMES, PLAIN, QUIET, plain

HEIGHT = 0.9  # of the tallest hill, in rows


def balance_chart(shares: dict[str, np.ndarray], counts: dict[str, np.ndarray]) -> go.Figure:
    """The share of each digit in several sets; a tenth each would be even."""
    figure = go.Figure()
    shapes = ("", "/", "x", ".")
    for (name, share), colour, shape in zip(shares.items(), (PLAIN, QUIET, PLAIN, QUIET), shapes, strict=False):
        figure.add_bar(
            x=DIGIT_NAMES,
            y=share,
            customdata=counts[name],
            name=name,
            marker={"color": colour, "pattern": {"shape": shape}},
            hovertemplate=f"%{{x}} in {name}: %{{customdata:,}} images, %{{y:.1%}}<extra></extra>",
        )
    figure.add_hline(0.1, line={"color": PLAIN, "dash": "dot", "width": 1})
    figure.update_layout(height=320, bargap=0.25, legend={"orientation": "h", "y": 1.12, "x": 0})
    figure.update_xaxes(type="category", fixedrange=True)
    figure.update_yaxes(tickformat=".0%", fixedrange=True, rangemode="tozero")
    return plain(figure)


def hills_chart(
    counts: np.ndarray,
    limits: tuple[float, float],
    words: str,
    beside: np.ndarray | None = None,
    points: Sequence[tuple[int, float]] = (),
) -> go.Figure:
    """A row a digit: how often each value comes up, as a hill; a second set dotted, single images as marks."""
    edges = np.linspace(*limits, counts.shape[1] + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    # All hills of the first set before any of the second, so that each digit has its own colour.
    for rows, style in ((counts, {"fill": "toself"}), (beside, {"line": {"color": PLAIN, "dash": "dot"}})):
        if rows is None:
            continue
        tallest = max((row / row.sum()).max() for row in rows if row.sum())
        for digit in range(10):
            if not rows[digit].sum():
                continue
            hill = digit - HEIGHT * rows[digit] / rows[digit].sum() / tallest
            figure.add_scatter(
                x=np.concatenate([[limits[0]], middles, [limits[1]]]),
                y=np.concatenate([[digit], hill, [digit]]),
                mode="lines",
                hoverinfo="skip",
                **{"line": {"width": 1}, **style},
            )
    if points:
        figure.add_scatter(
            x=[np.clip(value, *limits) for _, value in points],
            y=[digit - 0.12 for digit, _ in points],
            mode="markers",
            marker={"symbol": "diamond", "size": 10, "color": PLAIN, "line": {"width": 1, "color": "#fdfcf9"}},
            customdata=[value for _, value in points],
            hovertemplate="your %{text}: %{customdata:.1f}<extra></extra>",
            text=[str(digit) for digit, _ in points],
        )
    figure.update_layout(height=480)
    figure.update_xaxes(title=words, range=limits, fixedrange=True)
    figure.update_yaxes(tickvals=list(range(10)), ticktext=DIGIT_NAMES, range=[9.4, -1.05], fixedrange=True)
    return plain(figure).update_layout(showlegend=False)


# A search -----------------------------------------------------------------------------------------------------


def search_chart(numbers: np.ndarray, wrong: np.ndarray, complete: np.ndarray) -> go.Figure:
    """Every trial in its order, in % wrong, and the best so far."""
    figure = go.Figure()
    for name, which, symbol in (("to the end", complete, "circle"), ("given up early", ~complete, "x-thin-open")):
        figure.add_scatter(
            x=numbers[which],
            y=wrong[which],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 8, "color": PLAIN if name == "to the end" else QUIET},
            hovertemplate=f"trial %{{x}}, {name}: %{{y:.2f}}% wrong<extra></extra>",
        )
    best = np.minimum.accumulate(np.where(complete, wrong, np.inf))
    figure.add_scatter(
        x=numbers, y=best, mode="lines", name="best so far", line={"color": PLAIN, "shape": "hv"}, hoverinfo="skip"
    )
    figure.update_layout(height=320, legend={"orientation": "h", "y": 1.14, "x": 0})
    figure.update_xaxes(title="trial", fixedrange=True)
    figure.update_yaxes(title="% wrong", type="log", fixedrange=True, tickvals=[1, 2, 3, 5, 10, 20, 50, 100])
    return plain(figure)


def importance_chart(importance: dict[str, float]) -> go.Figure:
    names = sorted(importance, key=importance.get)
    figure = go.Figure(
        go.Bar(
            x=[importance[name] for name in names],
            y=[name.replace("_", " ") for name in names],
            orientation="h",
            marker_color=PLAIN,
            text=[f"{importance[name]:.0%}" for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    figure.update_layout(height=60 + 42 * len(names))
    figure.update_xaxes(range=[0, 1.1], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return plain(figure)


def parallel_chart(columns: dict[str, np.ndarray], accuracy: np.ndarray) -> go.Figure:
    """A line a trial through the values of its knobs; knobs that were drawn on their logarithm are shown on it."""
    dimensions = []
    for name, values in columns.items():
        values = np.asarray(values, dtype=float)
        dimension = {"label": name.replace("_", " "), "values": values}
        if name in ON_LOGARITHM:
            places = np.geomspace(values.min(), values.max(), 5)
            dimension |= {
                "values": np.log10(values),
                "tickvals": np.log10(places),
                "ticktext": [f"{place:.3g}" for place in places],
            }
        dimensions.append(dimension)
    dimensions.append({"label": "validation", "values": accuracy, "tickformat": ".1%"})
    # Most trials are much alike; ranks spread the shades evenly.
    ranks = accuracy.argsort().argsort()
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": ranks, "colorscale": [[0, "rgb(205,199,186)"], [1, "rgb(168,104,16)"]]},
            labelfont={"size": 12},
            labelangle=-25,  # side by side they would not fit a phone
        )
    )
    plain(figure).update_layout(height=370, margin={"l": 56, "r": 48, "t": 84, "b": 20})
    return figure
