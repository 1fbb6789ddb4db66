"""A drawing as a word of the page's address, so that a link brings it to another person.

Each stroke is a byte for the pen's width, two for the number of its points and two for each point, in canvas pixels
times 255 / 280; all of it in base64.
"""

import base64
import binascii
from collections.abc import Sequence

import numpy as np

from mnist_core.strokes import CANVAS_SIDE

LONGEST = 4_000  # letters; browsers and chat programs cut longer addresses off
STEPS = 255 / CANVAS_SIDE


def pack(paths: Sequence[dict]) -> str:
    """The canvas's own description of its strokes -> letters for an address; none where it describes something else."""
    try:
        content = b"".join(_packed(path["path"], path["strokeWidth"]) for path in paths)
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


def _packed(commands: Sequence[Sequence], width: float) -> bytes:
    # What is unpacked and packed again is the same word, so that reloads wear nothing away: the canvas tells tenths of
    # a pixel, which the finer steps take back to the whole ones that they were, and thinning these changes nothing.
    fine = np.round(np.clip(_line(commands) * STEPS, 0, 255) * 4) / 4
    places = np.uint8(_thinned(np.round(_thinned(fine))))
    return bytes([int(np.clip(round(width), 1, 255))]) + len(places).to_bytes(2, "big") + places.tobytes()


def _line(commands: Sequence[Sequence]) -> np.ndarray:
    """Points along a path of the canvas, which rounds what the pen did with quadratic curves ("Q")."""
    points = [np.array(commands[0][1:3], dtype=float)]
    for letter, *numbers in commands[1:]:
        end = np.array(numbers[-2:], dtype=float)
        if letter == "Q":
            control, start = np.array(numbers[:2], dtype=float), points[-1]
            points += [
                (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end for t in np.linspace(0, 1, 9)[1:-1]
            ]
        points.append(end)
    return np.array(points)


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
