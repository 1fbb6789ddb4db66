"""A drawing as a word of the page's address, so that a link brings it to another person.

Each stroke is a byte for the pen's width, two for the number of its points and two for each point, in canvas pixels
times 255 / 280; all of it in base64.
"""

import base64
import binascii
from collections.abc import Callable, Sequence

import numpy as np

from mnist_core.strokes import CANVAS_SIDE

LONGEST = 4_000  # letters; browsers and chat programs cut longer addresses off
STEPS = 255 / CANVAS_SIDE
Curve = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def pack(paths: Sequence[dict]) -> str:
    """The canvas's own description of its strokes -> letters for an address; none where it describes something else."""
    try:
        content = b"".join(_packed(*_where_it_lies(path)) for path in paths)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return ""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unpack(word: str) -> tuple[list[np.ndarray], list[float]]:
    """The strokes in canvas pixels and their widths; ValueError where the word is none of ours."""
    if len(word) > LONGEST:
        raise ValueError("too long")
    try:
        content = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    strokes, widths = [], []
    while content:
        width, count = content[0], int.from_bytes(content[1:3], "big")
        places, content = content[3 : 3 + 2 * count], content[3 + 2 * count :]
        if not (width and count and len(places) == 2 * count):
            raise ValueError("cut off")
        strokes.append(np.frombuffer(places, dtype=np.uint8).reshape(-1, 2) / STEPS)
        widths.append(float(width))
    return strokes, widths


def _where_it_lies(stroke: dict) -> tuple[np.ndarray, float]:
    """A stroke's points and its width. The canvas lets a mouse move, turn and stretch a stroke, and tells that beside
    the path that was drawn.
    """
    points, width = _line(stroke["path"], _as_drawn, 9), stroke["strokeWidth"]
    if stroke.get("skewX") or stroke.get("skewY"):
        raise ValueError("no pen of one width draws this")
    measured = _line(stroke["path"], _as_measured, 33)
    middle = (measured.min(axis=0) + measured.max(axis=0)) / 2  # which `left` and `top` tell
    moved = np.array([stroke["left"], stroke["top"]]) - middle if stroke.get("originX") == "center" else np.zeros(2)
    stretched = np.array([stroke.get(f"scale{side}", 1) * (-1 if stroke.get(f"flip{side}") else 1) for side in "XY"])
    angle = np.radians(stroke.get("angle", 0))
    # Half a pixel is the canvas's own rounding.
    if angle or (stretched != 1).any() or np.abs(moved).max() > 0.5:
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = (points - middle) * stretched @ turn + middle + moved
        width = width * np.sqrt(abs(stretched.prod()))
    return points, width


def _packed(points: np.ndarray, width: float) -> bytes:
    # What is unpacked and packed again is the same word, so that reloads wear nothing away: the canvas tells tenths of
    # a pixel, which the finer steps take back to the whole ones that they were, and thinning these changes nothing.
    fine = np.round(np.clip(points * STEPS, 0, 255) * 4) / 4
    places = np.uint8(_thinned(np.round(_thinned(fine))))
    return bytes([int(np.clip(round(width), 1, 255))]) + len(places).to_bytes(2, "big") + places.tobytes()


def _line(commands: Sequence[Sequence], curve: Curve, steps: int) -> np.ndarray:
    """Points along a path of the canvas, which rounds what the pen did with curves ("Q")."""
    points = [np.array(commands[0][1:3], dtype=float)]
    for letter, *numbers in commands[1:]:
        end = np.array(numbers[-2:], dtype=float)
        if letter == "Q":
            between = np.linspace(0, 1, steps)[1:-1, None]
            points += [*curve(between, points[-1], np.array(numbers[:2], dtype=float), end)]
        points.append(end)
    return np.array(points)


def _as_drawn(t: np.ndarray, start: np.ndarray, control: np.ndarray, end: np.ndarray) -> np.ndarray:
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def _as_measured(t: np.ndarray, start: np.ndarray, control: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The canvas puts its box around curves that are drawn to the control twice as strongly."""
    return (1 - t) ** 3 * start + 3 * t * (1 - t) * control + t**3 * end


def _thinned(points: np.ndarray, tolerance: float = 0.55) -> np.ndarray:
    """The points without those that lie on the way between their neighbours (Douglas and Peucker)."""
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        start, end = spans.pop()
        between = points[start + 1 : end]
        if not len(between):
            continue
        along, rest = points[end] - points[start], between - points[start]
        share = np.clip(rest @ along / max(along @ along, 1e-9), 0, 1)
        distance = np.linalg.norm(rest - share[:, None] * along, axis=1)
        if distance.max() > tolerance:
            middle = start + 1 + int(distance.argmax())
            keep[middle] = True
            spans += [(start, middle), (middle, end)]
    return points[keep]
