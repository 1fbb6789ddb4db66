"""Digits that people wrote with a pen, drawn as a visitor might draw them on the canvas.

The folder given by --pen or PEN_DATA_DIR holds digits.jsonl.gz, one JSON object a line with "label", "source" and
"strokes": [[[x, y], ...], ...], x to the right and y downwards, in any unit; and others.jsonl.gz, letters and symbols
in the same form.
"""

import argparse
import gzip
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist_core.strokes import CANVAS_SIDE, Strokes, place_within, render

WIDTHS = (8, 12, 16, 20, 24, 28)
SIZES = (0.35, 0.85)  # of the canvas
# Letters and symbols that look like a digit count as neither right nor wrong.
LIKE_DIGITS = frozenset("OILSZBDGQJCU|/\\()-.,'![]_")


class PenDigit(NamedTuple):
    label: int | str
    strokes: Strokes
    source: str = ""


def add_pen_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pen",
        type=Path,
        default=os.environ.get("PEN_DATA_DIR"),
        metavar="FOLDER",
        help="the folder with digits.jsonl.gz (default: PEN_DATA_DIR)",
    )


def ensure_pen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not options.pen:
        parser.error("name the folder with the pen digits: --pen FOLDER or PEN_DATA_DIR")


def read_pen_digits(folder: Path, every: int = 1) -> list[PenDigit]:
    """Every `every`-th digit of the file."""
    return [drawing._replace(label=int(drawing.label)) for drawing in _read(folder, "digits")[::every]]


def read_pen_others(folder: Path, every: int = 1) -> list[PenDigit]:
    """Every `every`-th of the letters and symbols that do not look like a digit."""
    return [drawing for drawing in _read(folder, "others") if drawing.label not in LIKE_DIGITS][::every]


def _read(folder: Path, name: str) -> list[PenDigit]:
    with gzip.open(Path(folder) / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        return [PenDigit(row["label"], row["strokes"], row.get("source", "")) for row in rows]


def form(digit: PenDigit) -> str:
    """How a digit was written, as far as its strokes tell without looking: the name of a row in a table."""
    first = np.asarray(digit.strokes[0], dtype=float)
    height = np.ptp(np.concatenate([np.asarray(stroke, dtype=float) for stroke in digit.strokes])[:, 1])
    if digit.label == 1 and len(digit.strokes) == 1:
        rise = (first[0, 1] - first[:, 1].min()) / max(height, 1e-9)
        return "1, flagged" if rise > 0.1 else "1, plain"
    return f"{digit.label}, {len(digit.strokes)} stroke{'s' * (len(digit.strokes) > 1)}"


def place_anywhere(strokes: Strokes, rng: np.random.Generator, width: float) -> list[np.ndarray]:
    """35 to 85 % of the canvas, wherever the whole stroke of that width stays on it."""
    return place_within(strokes, rng.uniform(*SIZES) * CANVAS_SIDE, tuple(rng.random(2)), width)


def canvas_of(numbered: tuple[int, PenDigit], width: float) -> np.ndarray:
    """A digit of the file, anywhere on the canvas; the same number and width are the same place and size."""
    number, drawing = numbered
    return render(place_anywhere(drawing.strokes, np.random.default_rng([number, int(width)]), width), width)
