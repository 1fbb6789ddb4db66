"""Numbers -> plotly figures. Pure: no figure knows where its numbers come from or where it is shown."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from mnist_core.evaluate import shares
from mnist_core.pictures import BELOW_AND_ABOVE

# The two colours of the house, readable on light and dark paper alike.
ANSWER = "#3b7ddd"
MISTAKE = "#d9503f"
QUIET = "rgba(128, 124, 114, 0.55)"
PLAIN = "#8c8678"
DIGIT_NAMES = [str(digit) for digit in range(10)]
# What a visitor may do with a chart: look. Zooming by accident on a phone only loses the picture.
STILL = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "showTips": False}
# Two cells clicked quickly one after the other are two clicks, where plotly would see a double one and drop it.
PRESSABLE = STILL | {"doubleClickDelay": 1}


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


def confusion_chart(
    matrix: np.ndarray, of: str = "images", diagonal: bool = True, pressable: bool = False, written: str = "drawn as"
) -> go.Figure:
    """Rows are labels, columns answers. Hits are quiet; a single mistake stays visible beside a thousand hits.

    The cells hold counts ("images") or shares of their row ("label") or column ("answer"). `pressable` lays markers
    over the cells and the digits' names, whose customdata is the label and the answer, -1 for any.
    """
    matrix = np.asarray(matrix)
    values = matrix if of == "images" else shares(matrix, of)
    hit = np.eye(10, dtype=bool)
    off = np.where(hit, 0, values)
    depth = np.where(off > 0, 0.35 + 0.65 * np.sqrt(off / (off.max() or 1)), 0.0)
    hits = np.where(hit & (matrix > 0) & diagonal, -0.35, 0.0)
    seen = (matrix > 0) & (diagonal | ~hit)
    numbers = matrix.astype(str) if of == "images" else np.vectorize(lambda share: f"{100 * share:.3g}")(values)
    share = {"images": "", "label": " ({:.2%} of this row)", "answer": " ({:.2%} of this column)"}[of]
    words = [
        [
            f"{matrix[i, j]} {written} {i} and read as {j}{share.format(values[i, j])}"
            if matrix[i, j]
            else f"no {i} was read as {j}"
            for j in range(10)
        ]
        for i in range(10)
    ]
    colours = _two_sided(ANSWER, "#a9bfe2", "#eeb2a8", MISTAKE)
    return _digit_matrix(depth + hits, np.where(seen, numbers, ""), words, colours, pressable, written)


def matrix_difference_chart(difference: np.ndarray, names: tuple[str, str], pressable: bool = False) -> go.Figure:
    """How many more images of each cell the second model has than the first: ochre for more, teal for fewer."""
    size = np.sqrt(np.abs(difference) / max(1, np.abs(difference).max()))
    depth = np.sign(difference) * (0.35 + 0.65 * size)
    words = [
        [
            f"{i} read as {j}: {abs(count)} {'more' if count > 0 else 'fewer'} by {names[1]} than by {names[0]}"
            if count
            else f"{i} read as {j}: as many by both"
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(difference)
    ]
    numbers = np.vectorize(lambda count: f"{count:+d}" if count else "")(difference)
    below, _, above = (f"rgb{colour}" for colour in BELOW_AND_ABOVE)
    colours = _two_sided(below, "#9fd0d4", "#e3c48f", above)
    return _digit_matrix(depth, numbers, words, colours, pressable, "labelled")


def _digit_matrix(
    depth: np.ndarray, numbers: np.ndarray, words: list, colours: list, pressable: bool, written: str
) -> go.Figure:
    digits = list(range(10))
    figure = go.Figure(
        go.Heatmap(
            z=depth,
            x=digits,
            y=digits,
            hovertext=words,
            hoverinfo="text",
            zmin=-1,
            zmax=1,
            colorscale=colours,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    # A heatmap picks the colours of its own text by the cell alone, which fails on dark paper.
    annotations = [_written(i, j, numbers[i][j]) for i in digits for j in digits if numbers[i][j]]
    if pressable:
        annotations += [_written(*place, str(max(place))) for d in digits for place in ((d, -1), (-1, d))]
    figure.update_layout(height=330, annotations=annotations)
    first = -0.5
    if pressable:
        _lay_markers(figure, words)
        first = -1.5
        figure.update_layout(height=400, clickmode="event+select")
    names = {
        "tickvals": digits,
        "ticktext": DIGIT_NAMES,
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
    }
    names |= {"showticklabels": not pressable, "constrain": "domain"}
    figure.update_xaxes(title="read as", range=[first, 9.5], **names)
    figure.update_yaxes(
        title=written.removesuffix(" as"), range=[9.5, first], scaleanchor="x", constraintoward="top", **names
    )
    return _plain(figure).update_layout(showlegend=False)


def _two_sided(below: str, pale_below: str, pale_above: str, above: str) -> list:
    """A scale of opaque colours on which dark numbers can be read, on light and on dark paper; 0 is the paper."""
    paper = "rgba(128,124,114,0.08)"
    return [[0, below], [0.325, pale_below], [0.45, paper], [0.55, paper], [0.675, pale_above], [1, above]]


def _written(row: int, column: int, text: str) -> dict:
    font = {"size": 12, "color": "#1c1b19"} if row >= 0 and column >= 0 else {"size": 12}
    return {"x": column, "y": row, "text": text, "showarrow": False, "font": font}


def _lay_markers(figure: go.Figure, words: list) -> None:
    """What can be clicked: plotly tells of clicks on markers and of none on the cells of a heatmap."""
    cells = [[i, j] for i in range(10) for j in range(10)]
    figure.add_scatter(
        x=[j for _, j in cells],
        y=[i for i, _ in cells],
        customdata=cells,
        mode="markers",
        marker={"symbol": "square", "size": 30, "color": "rgb(128,124,114)", "opacity": 0},
        selected={"marker": {"opacity": 0.35}},
        unselected={"marker": {"opacity": 0}},
        hovertext=[words[i][j] for i, j in cells],
        hoverinfo="text",
    )
    names = [[digit, -1] for digit in range(10)] + [[-1, digit] for digit in range(10)]
    figure.add_scatter(
        x=[j for _, j in names],
        y=[i for i, _ in names],
        customdata=names,
        mode="markers",
        marker={"symbol": "square", "size": 30, "color": "rgb(128,124,114)", "opacity": 0.12},
        selected={"marker": {"opacity": 0.5}},
        unselected={"marker": {"opacity": 0.12}},
        hovertext=[f"every {i} that was misread" if j < 0 else f"all that was misread as {j}" for i, j in names],
        hoverinfo="text",
    )


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
    return _plain(figure)


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
    figure.update_xaxes(title="how sure", range=[0, 1], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(
        title="images", type="log", range=[-0.3, 4.2], tickvals=[1, 10, 100, 1000, 10000], fixedrange=True
    )
    return _plain(figure)


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
        hovertemplate="above %{customdata:.1%}: %{x:.2%} answered, %{y:.2f}% of those wrong<extra></extra>",
    )
    figure.add_scatter(
        x=[here["answered"]],
        y=[100 * (1 - here["right"])],
        mode="markers",
        marker={"size": 13, "color": ANSWER},
        name="the slider",
        hoverinfo="skip",
    )
    figure.update_layout(height=300, legend={"orientation": "h", "y": 1.14, "x": 0})
    least = float(curve["answered"].iloc[-1])
    figure.update_xaxes(title="answered", range=[max(0.0, least - 0.02), 1.005], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(title="% wrong of those", rangemode="tozero", fixedrange=True)
    return _plain(figure)


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
    return _plain(figure).update_layout(dragmode="lasso")


def outlined(chart: go.Figure, lines: Sequence[np.ndarray]) -> go.Figure:
    """A map with lines that are drawn around points already."""
    paths = ["M" + "L".join(f"{x},{y}" for x, y in line) + "Z" for line in lines]
    line = {"color": PLAIN, "width": 2, "dash": "dot"}
    return go.Figure(chart).update_layout(selections=[{"type": "path", "path": path, "line": line} for path in paths])


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
