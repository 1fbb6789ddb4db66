"""Images -> the bytes that a browser shows or a visitor takes away."""

import base64
import io
import zipfile
from collections.abc import Iterable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mnist_core.pictures import BELOW_AND_ABOVE, png, to_png
from mnist_core.preprocess import to_images, to_rows
from mnist_core.strokes import CANVAS_SIDE, place, render


def npy(numbers: np.ndarray | Tensor) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(numbers), allow_pickle=False)
    return file.getvalue()


def data_address(picture: bytes, kind: str = "png") -> str:
    """A picture as an address that holds it, for tables and texts."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return file.getvalue()


def wall(images: np.ndarray, columns: int = 15) -> bytes:
    """Images of 28 x 28 side by side, as one PNG of twice the size."""
    rows = [np.concatenate(images[at : at + columns], axis=1) for at in range(0, len(images), columns)]
    return png(to_images(np.concatenate(rows)).numpy(), 2)


def inked(ink: np.ndarray) -> bytes:
    """Ink in [0, 1] without its paper as a PNG, of a grey that can be read on a light page and on a dark one."""
    amount = Image.fromarray(to_rows(ink))
    return to_png(Image.merge("LA", (Image.new("L", amount.size, 130), amount)))


@cache
def placeholder(words: str) -> bytes:
    """What stands where an image is not at hand: a grey square that names it."""
    square = Image.new("L", (84, 84), 205)
    ImageDraw.Draw(square).text((42, 42), words, 90, ImageFont.load_default(18), anchor="mm")
    return to_png(square)


@cache
def tab_icon() -> bytes:
    """A seven for the browser's tab; for an icon by name every browser would ask another site."""
    strokes = place([[(0, 0), (60, 0), (20, 90)]], 220, (CANVAS_SIDE / 2, CANVAS_SIDE / 2))
    return to_png(Image.fromarray(render(strokes, 40)).resize((64, 64), Image.Resampling.BOX))


def laid_over(image: np.ndarray, heat: np.ndarray, enlarged: int) -> bytes:
    """An image with a map over it as a PNG: ochre where the map is above 0, teal where it is below."""
    strength = np.abs(heat)[..., None] / max(float(np.abs(heat).max()), 1e-9)
    below, _, above = (np.array(colour, dtype=float) for colour in BELOW_AND_ABOVE)
    colour = np.where(heat[..., None] > 0, above, below)
    blended = np.asarray(image)[..., None] * 235 * (1 - 0.85 * strength) + colour * 0.95 * strength
    pixels = np.uint8(blended.clip(0, 255)).repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    return to_png(Image.fromarray(pixels))
