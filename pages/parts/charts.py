"""Numbers -> plotly figures. Pure: no figure knows where its numbers come from or where it is shown."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

# The two colours of the house, readable on light and dark paper alike.
ANSWER = "#3b7ddd"
MISTAKE = "#d9503f"
QUIET = "rgba(128, 124, 114, 0.55)"
PLAIN = "#8c8678"
# Numbers below 0, around 0, above 0.
BELOW_AND_ABOVE = (42, 127, 134), (243, 240, 233), (168, 104, 16)
DIGIT_NAMES = [str(digit) for digit in range(10)]
# What a visitor may do with a chart: look. Zooming by accident on a phone only loses the picture.
STILL = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "showTips": False}


def probabilities_chart(probabilities: np.ndarray, digit: int | None) -> go.Figure:
    """Ten bars on axes that never move; where there is no answer, ten empty places."""
    colours = [ANSWER if d == digit else QUIET for d in range(10)]
    words = [f"{p:.0%}" if p >= 0.005 else "" for p in probabilities]
    figure = go.Figure(
        go.Bar(
            x=DIGIT_NAMES,
            y=probabilities,
            marker_color=colours,
            text=words,
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.2%}<extra></extra>",
        )
    )
    figure.update_layout(height=210, bargap=0.25)
    figure.update_xaxes(type="category", fixedrange=True, title=None)
    figure.update_yaxes(range=[0, 1.12], tickvals=[0, 0.5, 1], tickformat=".0%", fixedrange=True)
    return _plain(figure)


def history_chart(history: Sequence[dict]) -> go.Figure:
    """Mistakes per hundred images, epoch by epoch, on the training and the validation images."""
    epochs = [row["epoch"] for row in history]
    figure = go.Figure()
    for key, name, dash in (("train_accuracy", "training", "dot"), ("validation_accuracy", "validation", "solid")):
        mistakes = [100 * (1 - row[key]) for row in history]
        figure.add_scatter(
            x=epochs,
            y=mistakes,
            name=name,
            mode="lines+markers",
            line={"color": PLAIN if name == "validation" else QUIET, "dash": dash},
            hovertemplate=f"epoch %{{x}}, {name}: %{{y:.2f}}% wrong<extra></extra>",
        )
    figure.update_layout(height=260, legend={"orientation": "h", "y": 1.12, "x": 0})
    figure.update_xaxes(title="epoch", fixedrange=True, dtick=max(1, len(history) // 8))
    figure.update_yaxes(title="% wrong", type="log", fixedrange=True, tickvals=[0.3, 1, 3, 10, 30, 100])
    return _plain(figure)


def confusion_chart(matrix: np.ndarray) -> go.Figure:
    """Rows are labels, columns answers. Hits are quiet; a single mistake stays visible beside a thousand hits."""
    matrix = np.asarray(matrix)
    off = matrix * (1 - np.eye(10, dtype=int))
    depth = np.where(off > 0, 0.35 + 0.65 * np.sqrt(off / max(1, off.max())), 0.0)
    hits = np.where(np.eye(10, dtype=bool) & (matrix > 0), -0.35, 0.0)
    words = [
        [
            f"{matrix[i, j]} drawn as {i} and read as {j}" if matrix[i, j] else f"no {i} was read as {j}"
            for j in range(10)
        ]
        for i in range(10)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=depth + hits,
            x=DIGIT_NAMES,
            y=DIGIT_NAMES,
            text=np.where(matrix > 0, matrix.astype(str), ""),
            texttemplate="%{text}",
            hovertext=words,
            hoverinfo="text",
            zmin=-1,
            zmax=1,
            colorscale=[[0, ANSWER], [0.5, "rgba(128,124,114,0.08)"], [1, MISTAKE]],
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(height=330)
    figure.update_xaxes(title="read as", type="category", side="bottom", fixedrange=True)
    figure.update_yaxes(title="drawn", type="category", autorange="reversed", fixedrange=True, scaleanchor="x")
    return _plain(figure)


def numbers_chart(image: np.ndarray, tensor: np.ndarray) -> go.Figure:
    """The 28 x 28 grey values to read, each on its pixel."""
    grey = np.round(image * 255).astype(int)
    figure = go.Figure(
        go.Heatmap(
            z=grey,
            customdata=tensor,
            text=np.where(grey > 0, grey.astype(str), ""),
            texttemplate="%{text}",
            textfont={"size": 9},
            zmin=0,
            zmax=255,
            colorscale=[[0, "#000000"], [1, "#ffffff"]],
            showscale=False,
            hovertemplate="row %{y}, column %{x}<br>grey %{z}<br>normalised %{customdata:.3f}<extra></extra>",
        )
    )
    return _pixel_grid(figure, 560)


def average_chart(average: np.ndarray, digit: int) -> go.Figure:
    figure = go.Figure(
        go.Heatmap(
            z=np.round(average * 255),
            zmin=0,
            zmax=255,
            colorscale=[[0, "#000000"], [1, "#ffffff"]],
            showscale=False,
            hovertemplate=f"row %{{y}}, column %{{x}}<br>grey %{{z}} in the average {digit}<extra></extra>",
        )
    )
    return _pixel_grid(figure, 250)


def difference_chart(difference: np.ndarray) -> go.Figure:
    """Ink that the average lacks above 0, ink that is lacking below."""
    figure = go.Figure(
        go.Heatmap(
            z=np.round(difference * 255),
            zmin=-255,
            zmax=255,
            colorscale=[[i / 2, f"rgb{colour}"] for i, colour in enumerate(BELOW_AND_ABOVE)],
            showscale=False,
            hovertemplate="row %{y}, column %{x}<br>%{z:+} against the average<extra></extra>",
        )
    )
    return _pixel_grid(figure, 250)


def sweep_chart(positions: np.ndarray, probabilities: np.ndarray, here: float, unit: str) -> go.Figure:
    """The ten probabilities along a dial, each curve named where it is highest."""
    figure = go.Figure()
    for digit, curve in enumerate(probabilities.T):
        names = [""] * len(positions)
        if curve.max() > 0.2:
            names[int(curve.argmax())] = str(digit)
        figure.add_scatter(
            x=positions,
            y=curve,
            name=str(digit),
            text=names,
            mode="lines+text",
            textposition="top center",
            cliponaxis=False,
            hovertemplate=f"{digit}: %{{y:.1%}} at %{{x}}{unit}<extra></extra>",
        )
    figure.add_vline(here, line={"color": ANSWER, "width": 2})
    figure.update_layout(height=330)
    figure.update_xaxes(range=[positions[0], positions[-1]], fixedrange=True, ticksuffix=unit)
    figure.update_yaxes(range=[0, 1.12], tickvals=[0, 0.5, 1], tickformat=".0%", fixedrange=True)
    return _plain(figure).update_layout(showlegend=False)


def _pixel_grid(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height)
    figure.update_xaxes(visible=False, fixedrange=True, constrain="domain")
    figure.update_yaxes(visible=False, fixedrange=True, autorange="reversed", scaleanchor="x", constrain="domain")
    return _plain(figure)


def percent(share: float) -> str:
    """A share in words that never round up to certainty or down to nothing."""
    if share >= 0.9995:
        return "100%" if share == 1 else ">99.9%"
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _plain(figure: go.Figure) -> go.Figure:
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 16, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=len(figure.data) > 1,
        dragmode=False,
        transition={"duration": 0},
        uirevision="fixed",
    )
    return figure
