"""What can be measured of an image without any network: how much ink it has, how thick, slanted and large it is.

Everything takes N x 28 x 28 images of any kind that `to_images` takes and gives N numbers.
"""

import numpy as np
import pandas as pd

from mnist_core.preprocess import to_images

MEASURES = {  # words, unit, and the range that charts show
    "ink": ("Ink", "pixels", (0, 280)),
    "thickness": ("Stroke thickness", "pixels", (0, 6)),
    "slant": ("Slant", "degrees", (-45, 60)),
    "width": ("Width", "pixels", (0, 22)),
    "height": ("Height", "pixels", (0, 22)),
}
EDGE = 0.5  # ink darker than this belongs to the box around it


def measure(images: np.ndarray) -> pd.DataFrame:
    """A row an image, a column a measure; what an image without ink has not is NaN."""
    parts = [_measure(part) for part in np.array_split(images, -(-len(images) // 5_000) or 1)]
    return pd.concat(parts, ignore_index=True)


def _measure(images: np.ndarray) -> pd.DataFrame:
    ink = to_images(images).numpy().astype(np.float64)
    total = ink.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {"ink": total, "thickness": 2 * total / outline(ink), "slant": slant(ink)}
    inked = ink > EDGE
    for name, axis in (("width", 1), ("height", 2)):
        line = inked.any(axis=axis)
        span = line.shape[1] - line.argmax(axis=1) - line[:, ::-1].argmax(axis=1)
        columns[name] = np.where(line.any(axis=1), span, np.nan)
    return pd.DataFrame(columns)


def outline(ink: np.ndarray) -> np.ndarray:
    """The length of the edges between ink and paper, both sides of every stroke: the slope of the grey, summed up.

    A stroke of length L and thickness T has T x L ink and an outline of 2 x L, however its edges are blurred.
    """
    padded = np.pad(ink, [(0, 0), (1, 1), (1, 1)])
    down, right = np.diff(padded, axis=1), np.diff(padded, axis=2)
    down, right = (down[:, :, 1:] + down[:, :, :-1]) / 2, (right[:, 1:] + right[:, :-1]) / 2
    return np.sqrt(down**2 + right**2).sum(axis=(1, 2))


def slant(ink: np.ndarray) -> np.ndarray:
    """Degrees from the upright, above 0 where the top leans to the right: the shear that would make the ink upright."""
    side = ink.shape[-1]
    places = np.arange(side) + 0.5
    total = ink.sum(axis=(1, 2))
    y = np.tensordot(ink.sum(axis=2), places, 1) / total
    x = np.tensordot(ink.sum(axis=1), places, 1) / total
    across, along = places[None, None, :] - x[:, None, None], places[None, :, None] - y[:, None, None]
    shear = -(ink * across * along).sum(axis=(1, 2)) / (ink * along**2).sum(axis=(1, 2))
    return np.degrees(np.arctan(shear))


def histogram(values: np.ndarray, name: str) -> np.ndarray:
    """Sixty counts over the range that charts show of a measure; what lies beyond it counts at its end."""
    low, high = MEASURES[name][2]
    return np.histogram(np.clip(values[~np.isnan(values)], low, high), 60, (low, high))[0]
