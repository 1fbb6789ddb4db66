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
