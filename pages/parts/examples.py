"""Example drawings, shipped as strokes: what a visitor can put on the canvas with one click."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from mnist_core.strokes import CANVAS_SIDE, place


@dataclass(frozen=True)
class Example:
    name: str
    strokes: tuple[tuple[tuple[float, float], ...], ...]  # points through which the pen went, y downwards
    width: float = 16
    size: float = 0.68  # of the canvas, the longer side
    middle: tuple[float, float] = (0.5, 0.5)
    straight: bool = False  # from point to point, without rounding the corners

    def drawn(self) -> list[np.ndarray]:
        """The strokes in canvas pixels."""
        strokes = [
            np.array(s) if self.straight or len(s) < 3 else _rounded(np.array(s, dtype=float)) for s in self.strokes
        ]
        middle = (self.middle[0] * CANVAS_SIDE, self.middle[1] * CANVAS_SIDE)
        return place(strokes, self.size * CANVAS_SIDE, middle)


def _rounded(points: np.ndarray) -> np.ndarray:
    steps = np.maximum(np.linalg.norm(np.diff(points, axis=0), axis=1), 1e-3)
    when = np.concatenate([[0], np.sqrt(steps).cumsum()])
    return CubicSpline(when, points)(np.linspace(0, when[-1], 8 * len(points)))


ZERO = ((50, 0), (20, 15), (8, 50), (20, 88), (48, 100), (78, 86), (90, 50), (78, 14), (48, 1))
THREE = ((12, 12), (40, 0), (68, 14), (62, 38), (36, 47), (66, 56), (78, 78), (50, 100), (12, 90))
EIGHT = ((66, 14), (40, 0), (16, 18), (30, 40), (58, 56), (72, 80), (44, 100), (14, 80), (30, 56), (58, 38), (68, 16))

EXAMPLES = (
    Example("0", (ZERO,)),
    Example("1", (((30, 0), (28, 50), (26, 100)),)),
    Example("2", (((10, 22), (30, 2), (60, 8), (64, 34), (40, 66), (8, 98), (36, 92), (76, 98)),)),
    Example("3", (THREE,)),
    Example("4", (((46, 0), (6, 64), (80, 62)), ((60, 30), (58, 100))), straight=True),
    Example("5", (((18, 4), (14, 44), (42, 38), (70, 54), (66, 86), (36, 100), (6, 88)), ((18, 4), (72, 2)))),
    Example("6", (((58, 0), (26, 28), (10, 66), (28, 98), (58, 94), (66, 70), (46, 54), (18, 66)),)),
    Example("7", (((6, 4), (72, 2), (30, 100)),), straight=True),
    Example("8", (EIGHT,)),
    Example("9", (((64, 18), (38, 2), (12, 22), (22, 48), (52, 44), (64, 18), (62, 58), (50, 100)),)),
    Example("European 1", (((0, 42), (40, 0), (40, 100)),), straight=True),
    Example("Crossed 7", (((6, 4), (72, 2), (30, 100)), ((18, 54), (66, 50))), straight=True),
    Example("Slashed 0", (ZERO, ((86, 4), (12, 98))), width=14),
    Example("Tiny 3 in a corner", (THREE,), width=8, size=0.2, middle=(0.84, 0.16)),
    Example("Thin 8", (EIGHT,), width=4, size=0.8),
    Example("Letter A", (((4, 100), (40, 0), (78, 100)), ((18, 64), (64, 64))), straight=True),
    Example(
        "Scribble",
        (
            (
                (0, 40),
                (30, 10),
                (20, 70),
                (60, 20),
                (40, 90),
                (84, 30),
                (60, 100),
                (100, 50),
                (34, 36),
                (90, 80),
                (10, 82),
            ),
        ),
        width=10,
    ),
)
