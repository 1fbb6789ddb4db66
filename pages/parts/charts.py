"""Numbers -> plotly figures. Pure: no figure knows where its numbers come from or where it is shown."""

from collections.abc import Sequence

import numpy as np
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
    words = ["" if p < 0.005 else f"{p:.0%}" if p < 0.995 else ">99%" for p in probabilities]
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
    return plain(figure)


def history_shows(name: str) -> str:
    return f"Share of wrong answers of {name} after each epoch, on training and validation images."


def history_chart(history: Sequence[dict]) -> go.Figure:
    """Mistakes per hundred images, epoch by epoch, on the training and the validation images."""
    epochs = [row["epoch"] for row in history]
    figure = go.Figure()
    for key, name, dash in (("train_accuracy", "training", "dot"), ("validation_accuracy", "validation", "solid")):
        mistakes = [100 * (1 - row[key]) for row in history]
        figure.add_scatter(
            x=epochs,
            y=[max(share, 0.01) for share in mistakes],  # a logarithm has no place for none
            customdata=mistakes,
            name=name,
            mode="lines+markers",
            line={"color": PLAIN if name == "validation" else QUIET, "dash": dash},
            hovertemplate=f"epoch %{{x}}, {name}: %{{customdata:.2f}}% wrong<extra></extra>",
        )
    figure.update_layout(height=260, legend={"orientation": "h", "y": 1.12, "x": 0})
    figure.update_xaxes(title="epoch", fixedrange=True, dtick=max(1, len(history) // 8))
    figure.update_yaxes(title="% wrong", type="log", fixedrange=True, tickvals=[0.3, 1, 3, 10, 30, 100])
    return plain(figure)


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
    colours = _two_sided("#4fa3aa", "#9fd0d4", "#e3c48f", "#c98a33")
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
    return plain(figure).update_layout(showlegend=False)


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
    figure.add_vline(here, line={"color": PLAIN, "width": 2})
    figure.update_layout(height=330)
    figure.update_xaxes(range=[positions[0], positions[-1]], fixedrange=True, ticksuffix=unit)
    figure.update_yaxes(range=[0, 1.12], tickvals=[0, 0.5, 1], tickformat=".0%", fixedrange=True)
    return plain(figure).update_layout(showlegend=False)


def _pixel_grid(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(height=height)
    figure.update_xaxes(visible=False, fixedrange=True, constrain="domain")
    figure.update_yaxes(visible=False, fixedrange=True, autorange="reversed", scaleanchor="x", constrain="domain")
    return plain(figure)


def plain(figure: go.Figure) -> go.Figure:
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
