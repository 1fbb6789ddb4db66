"""Synthetic photographs of pen strokes: what paper, light, a telephone and JPEG add to a digit.

Everything is drawn from the generator that is handed in, so that a seed gives the same photographs again.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_core.strokes import Strokes, place, render

SIDE = 480
FRAME_ROOM = 12  # pixels between a frame and the paper's edge
PAPER = (0.93, 0.91, 0.86)
PENS = {
    "black": (0.12, 0.12, 0.13),
    "blue": (0.10, 0.16, 0.45),
    "pencil": (0.42, 0.42, 0.43),
    "chalk": (0.88, 0.88, 0.85),
}
WOOD = (0.48, 0.33, 0.22)
DARK_RULE = (0.30, 0.35, 0.50)


def photograph(
    strokes: Strokes,
    rng: np.random.Generator,
    *,
    pen: str = "black",
    paper: tuple[float, float, float] = PAPER,
    width: float = 14,
    rules: str = "",
    rule: tuple[float, float, float] = (0.60, 0.70, 0.82),
    tilt: float = 0.0,
    gradient: float = 0.0,
    vignette: float = 0.0,
    shadow: float = 0.0,
    shadow_blur: float = 0.0,
    grain: float = 0.0,
    noise: float = 0.0,
    blur: float = 0.0,
    jpeg: int = 0,
    rotated: bool = False,
    frame: int = 0,
    table: tuple[float, float, float] | None = None,
    turn: float = 0.0,
    far: float = 0.72,
) -> bytes:
    """The strokes on paper as the bytes of an image file; every amount is a share of full brightness.

    A frame of so many pixels is printed around the strokes. Where the paper lies on a `table`, turned by degrees, it
    has the share `far` of the picture's side.
    """
    size = rng.uniform(0.35, 0.7) * SIDE
    edge = width + (2 * FRAME_ROOM if frame or table else 0)
    room = (SIDE - size) / 2 - edge
    middle = tuple(SIDE / 2 + rng.uniform(-room, room, 2))
    placed = place(strokes, size, middle) if strokes else []
    ink = 1 - render(placed, width, SIDE, finer=2)[..., 0] / 255
    picture = np.ones((SIDE, SIDE, 3)) * paper
    if grain:
        picture *= 1 + grain * _cloud(rng, 1.2)[..., None] + grain * _cloud(rng, 12)[..., None]
    if rules:
        picture = _ruled(picture, rng, rules, rule, tilt)
    if frame:
        ink = np.maximum(ink, _framed(frame))
    picture = picture * (1 - ink[..., None]) + np.array(PENS[pen]) * ink[..., None]
    if table:
        picture = _on_table(picture, rng, table, turn, far)
    picture *= _light(rng, gradient, vignette, shadow, shadow_blur)[..., None]
    if blur:
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    if noise:
        picture = picture + rng.normal(0, noise, picture.shape)
    image = Image.fromarray(np.uint8(np.round(picture.clip(0, 1) * 255)))
    return _file(image, jpeg, rotated)


def _cloud(rng: np.random.Generator, size: float) -> np.ndarray:
    cloud = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), size)
    return cloud / cloud.std()


def _ruled(picture: np.ndarray, rng: np.random.Generator, rules: str, rule: tuple, tilt: float) -> np.ndarray:
    """Lines of 2 pixels, at a slant of `tilt` degrees either way: "lined" or "squared"."""
    slope = np.tan(np.deg2rad(rng.uniform(-tilt, tilt)))
    y, x = np.mgrid[:SIDE, :SIDE]
    gap = rng.uniform(36, 60)
    across = (y + slope * x + rng.uniform(0, gap)) % gap
    lines = (1.5 - np.abs(across - gap / 2)).clip(0, 1)
    if rules == "squared":
        along = (x - slope * y + rng.uniform(0, gap)) % gap
        lines = np.maximum(lines, (1.5 - np.abs(along - gap / 2)).clip(0, 1))
    return picture * (1 - lines[..., None]) + np.array(rule) * lines[..., None]


def _framed(width: int) -> np.ndarray:
    frame = np.zeros((SIDE, SIDE))
    frame[FRAME_ROOM:-FRAME_ROOM, FRAME_ROOM:-FRAME_ROOM] = 1
    inner = FRAME_ROOM + width
    frame[inner:-inner, inner:-inner] = 0
    return frame


def _on_table(picture: np.ndarray, rng: np.random.Generator, table: tuple, turn: float, far: float) -> np.ndarray:
    """The paper smaller and turned, on wood with its grain; a part of it may lie beyond the picture."""
    grain = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), (1.5, 40))
    wood = np.ones_like(picture) * table * (1 + 0.12 * grain / grain.std())[..., None]
    angle = np.deg2rad(turn)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / far
    middle = SIDE / 2 - 0.5
    offset = middle - matrix @ (middle + rng.uniform(-0.05, 0.05, 2) * SIDE)
    lies = ndimage.affine_transform(np.ones((SIDE, SIDE)), matrix, offset, order=1)[..., None]
    colours = np.moveaxis(picture, -1, 0)
    paper = [ndimage.affine_transform(colour, matrix, offset, order=1, mode="nearest") for colour in colours]
    return wood * (1 - lies) + np.stack(paper, axis=-1) * lies


def _light(rng: np.random.Generator, gradient: float, vignette: float, shadow: float, blur: float) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    towards = np.cos(angle) * x + np.sin(angle) * y
    light = 1 - gradient * (0.5 + towards / np.sqrt(2)) - vignette * 2 * (x * x + y * y)
    if shadow:
        angle = rng.uniform(0, 2 * np.pi)
        dark = (np.cos(angle) * x + np.sin(angle) * y > rng.uniform(-0.25, 0.25)).astype(float)
        light = light * (1 - shadow * (ndimage.gaussian_filter(dark, blur) if blur else dark))
    return light


def _file(image: Image.Image, jpeg: int, rotated: bool) -> bytes:
    file, notes = io.BytesIO(), Image.Exif()
    if rotated:  # a telephone saves the picture as its sensor lies and notes how to turn it
        image = image.transpose(Image.Transpose.ROTATE_90)
        notes[0x0112] = 6
    if jpeg:
        image.save(file, "JPEG", quality=jpeg, exif=notes)
    else:
        image.save(file, "PNG", exif=notes)
    return file.getvalue()


SCENES = {
    "off-white paper": {},
    "blue pen": {"pen": "blue", "grain": 0.01},
    "pencil": {"pen": "pencil", "grain": 0.01, "noise": 0.01, "width": 9},
    "yellow paper": {"paper": (0.95, 0.86, 0.45), "pen": "blue", "noise": 0.01},
    "light from one side": {"gradient": 0.5, "grain": 0.01},
    "vignette": {"vignette": 0.6, "grain": 0.01},
    "soft shadow": {"shadow": 0.45, "shadow_blur": 25, "grain": 0.01, "noise": 0.01},
    "hard shadow": {"shadow": 0.45, "grain": 0.01, "noise": 0.01},
    "coarse grain": {"grain": 0.04},
    "sensor noise": {"noise": 0.05},
    "JPEG 30": {"noise": 0.01, "jpeg": 30},
    "out of focus": {"blur": 3, "noise": 0.01},
    "lined": {"rules": "lined", "grain": 0.01},
    "lined, tilted": {"rules": "lined", "tilt": 3, "grain": 0.01, "noise": 0.01},
    "squared": {"rules": "squared", "grain": 0.01},
    "squared, tilted": {"rules": "squared", "tilt": 3, "grain": 0.01, "noise": 0.01},
    "dark rules": {"rules": "lined", "rule": DARK_RULE, "grain": 0.01},
    "dark rules, tilted": {"rules": "lined", "rule": DARK_RULE, "tilt": 3, "grain": 0.01, "noise": 0.01},
    "dark squares, tilted": {"rules": "squared", "rule": DARK_RULE, "tilt": 3, "grain": 0.01, "noise": 0.01},
    "telephone": {
        "pen": "blue",
        "gradient": 0.35,
        "vignette": 0.25,
        "grain": 0.015,
        "noise": 0.015,
        "blur": 1,
        "jpeg": 75,
        "rotated": True,
    },
    "telephone, lined": {
        "pen": "blue",
        "rules": "lined",
        "tilt": 2,
        "gradient": 0.3,
        "vignette": 0.2,
        "shadow": 0.3,
        "shadow_blur": 15,
        "grain": 0.01,
        "noise": 0.015,
        "blur": 1,
        "jpeg": 75,
        "rotated": True,
    },
    "in a frame": {"frame": 3, "grain": 0.01},
    "in a thick frame": {"frame": 8, "grain": 0.01, "noise": 0.01},
    "on a table": {"table": WOOD, "grain": 0.01, "noise": 0.01},
    "on a dark table, turned": {"table": (0.1, 0.1, 0.11), "turn": 12, "grain": 0.01, "noise": 0.01},
    "on a light table, turned": {"table": (0.72, 0.62, 0.5), "turn": -8, "grain": 0.01, "noise": 0.01},
    "edge of the paper": {"table": WOOD, "turn": 7, "far": 0.97, "grain": 0.01, "noise": 0.01},
    "telephone, on a table": {
        "pen": "blue",
        "table": WOOD,
        "turn": -5,
        "gradient": 0.25,
        "vignette": 0.2,
        "grain": 0.01,
        "noise": 0.015,
        "blur": 1,
        "jpeg": 75,
        "rotated": True,
    },
    "blackboard": {"paper": (0.13, 0.20, 0.16), "pen": "chalk", "width": 12, "grain": 0.1, "noise": 0.02},
}
