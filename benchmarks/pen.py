"""Digits that people wrote with a pen, drawn as a visitor might draw them on the canvas.

The folder given by --pen or PEN_DATA_DIR holds digits.jsonl.gz, one JSON object a line with "label" and
"strokes": [[[x, y], ...], ...], x to the right and y downwards, in any unit.
"""

import argparse
import gzip
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist_core.strokes import CANVAS_SIDE, Strokes, place

WIDTHS = (8, 12, 16, 20, 24, 28)
SIZES = (0.35, 0.85)  # of the canvas


class PenDigit(NamedTuple):
    label: int
    strokes: Strokes


def add_pen_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pen",
        type=Path,
        default=os.environ.get("PEN_DATA_DIR"),
        metavar="FOLDER",
        help="the folder with digits.jsonl.gz (default: PEN_DATA_DIR)",
    )


def read_pen_digits(folder: Path, every: int = 1) -> list[PenDigit]:
    """Every `every`-th digit of the file."""
    with gzip.open(Path(folder) / "digits.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for number, line in enumerate(lines) if number % every == 0]
    return [PenDigit(int(row["label"]), row["strokes"]) for row in rows]


def place_anywhere(strokes: Strokes, rng: np.random.Generator, width: float) -> list[np.ndarray]:
    """35 to 85 % of the canvas, wherever the whole stroke of that width stays on it."""
    return place_at(strokes, rng.uniform(*SIZES), tuple(rng.random(2)), width)


def place_at(strokes: Strokes, share: float, where: tuple[float, float], width: float) -> list[np.ndarray]:
    """`share` of the canvas; (0, 0) is as far up and left as it goes, (1, 1) down and right."""
    size = share * CANVAS_SIDE
    points = np.concatenate([np.asarray(stroke, dtype=float) for stroke in strokes])
    extent = np.ptp(points, axis=0)
    reach = extent * size / max(extent.max(), 1e-9) / 2 + width / 2
    low, high = reach, np.maximum(CANVAS_SIDE - reach, reach)
    return place(strokes, size, tuple(low + np.asarray(where) * (high - low)))
