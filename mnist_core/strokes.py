"""Strokes: what a pen did, as lines of points, and how a canvas shows them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

CANVAS_SIDE = 280
Strokes = Sequence[Sequence[Sequence[float]]]  # strokes of points of x, y; x grows to the right, y downwards


def place(strokes: Strokes, size: float, middle: tuple[float, float]) -> list[np.ndarray]:
    """The strokes with the longer side of their box `size` pixels long and the box around `middle`."""
    points = np.concatenate([np.asarray(stroke, dtype=float) for stroke in strokes])
    low, high = points.min(axis=0), points.max(axis=0)
    factor = size / max(*(high - low), 1e-9)
    return [(np.asarray(stroke, dtype=float) - (low + high) / 2) * factor + middle for stroke in strokes]


def place_within(
    strokes: Strokes, size: float, where: tuple[float, float], width: float, side: int = CANVAS_SIDE
) -> list[np.ndarray]:
    """The strokes so large, where a pen of that width stays on the canvas: (0, 0) is as far up and left as it goes,
    (1, 1) as far down and right."""
    extent = np.ptp(np.concatenate([np.asarray(stroke, dtype=float) for stroke in strokes]), axis=0)
    reach = extent * size / max(extent.max(), 1e-9) / 2 + width / 2
    middle = reach + np.asarray(where) * np.maximum(side - 2 * reach, 0)
    return place(strokes, size, tuple(middle))


def render(strokes: Strokes, width: float, side: int = CANVAS_SIDE, finer: int = 4) -> np.ndarray:
    """A canvas, side x side RGBA, black ink on white with round caps and joins, smoothed as a browser does."""
    canvas = Image.new("L", (side * finer, side * finer), 255)
    draw = ImageDraw.Draw(canvas)
    radius = width * finer / 2
    for stroke in strokes:
        points = [(x * finer, y * finer) for x, y in stroke]
        draw.line(points, fill=0, width=round(2 * radius))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    grey = canvas.reduce(finer)
    return np.asarray(Image.merge("RGBA", (grey, grey, grey, Image.new("L", grey.size, 255))))


def curve(points: np.ndarray, sharp: np.ndarray, steps: int = 8) -> np.ndarray:
    """A line through all the points, smooth (Catmull and Rom's) but for the sharp ones."""
    cuts = [0, *(np.flatnonzero(sharp[1:-1]) + 1), len(points) - 1]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    basis = np.hstack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    parts = []
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        run = points[start : stop + 1]
        run = np.vstack([2 * run[0] - run[1], run, 2 * run[-1] - run[-2]])
        around = np.stack([run[i : len(run) - 3 + i] for i in range(4)], axis=1)
        parts.append(np.einsum("tp,spc->stc", basis, around).reshape(-1, 2))
    return np.vstack([*parts, points[-1:]])


def evenly(line: np.ndarray, step: float) -> np.ndarray:
    """The same line in points about `step` apart, with its two ends."""
    along = np.append(0, np.hypot(*np.diff(line, axis=0).T).cumsum())
    places = np.linspace(0, along[-1], max(2, round(along[-1] / step) + 1))
    return np.column_stack([np.interp(places, along, axis) for axis in line.T])


def soften(line: np.ndarray, reach: int) -> np.ndarray:
    """Every point becomes the mean of those up to `reach` away: corners get round, the ends stay."""
    if not reach:
        return line
    ahead = 2 * line[0] - line[reach:0:-1] if len(line) > reach else np.repeat(line[:1], reach, axis=0)
    behind = 2 * line[-1] - line[-2 : -reach - 2 : -1] if len(line) > reach else np.repeat(line[-1:], reach, axis=0)
    sums = np.vstack([np.zeros((1, 2)), ahead, line, behind]).cumsum(axis=0)
    window = 2 * reach + 1
    return (sums[window:] - sums[:-window]) / window
