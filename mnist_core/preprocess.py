"""The one way from ink to the tensor a network sees.

A pipeline is a row of named stages. Each takes a picture and returns the next one with the facts it found;
running the pipeline keeps every picture on the way. The stages repeat how MNIST itself was made, so that a
drawing arrives at the network in the form it was trained on.

Between the stages a picture is float32, height x width, 0 to 1. From `polarity` on, ink is bright.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage
from torch import Tensor

from mnist_core.architectures import SIDE

MEAN, STD = 0.1307, 0.3081  # of the ink in MNIST's 60,000 training images
MAX_PIXELS = 50_000_000
# Larger pictures are averaged down to this before anything else: ink becomes 20 pixels in the end.
WORKING_SIDE = 1_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
ORIENTATION = 0x0112  # the EXIF entry
ROUNDING = 0.01  # how far computed ink may stray beyond its range
PHOTOGRAPH_SIDE = 64  # smaller pictures show nothing of their paper

Ink = str | PathLike | bytes | BinaryIO | Image.Image | np.ndarray
Facts = dict[str, Any]


class InkError(Exception):
    """Ink that cannot be read; the message says why, in a sentence for the person who brought it."""


def to_images(rows: np.ndarray | Tensor) -> Tensor:
    """Rows of a data set (uint8) or images (float) -> images in [0, 1]."""
    images = torch.as_tensor(rows)
    return images.float().div(255) if images.dtype == torch.uint8 else images.float()


def to_tensor(images: np.ndarray | Tensor, mean: float = MEAN, std: float = STD) -> Tensor:
    """... x 28 x 28 images -> ... x 1 x 28 x 28 normalised tensors, for training and for serving alike."""
    return to_images(images).sub(mean).div(std).unsqueeze(-3)


# Grey ---------------------------------------------------------------------------------------------------------


def grey(ink: Ink) -> tuple[np.ndarray, Facts]:
    if isinstance(ink, np.ndarray):
        return _read_array(ink)
    if isinstance(ink, Image.Image):
        return _read(ink, "The picture")
    if isinstance(ink, bytes):
        return _read(io.BytesIO(ink), "The file")
    if isinstance(ink, str | PathLike):
        return _read(ink, Path(ink).name)
    if hasattr(ink, "read"):
        return _read(ink, "The file")
    raise InkError(f"Ink is a picture, an array or a file of a picture, not {type(ink).__name__}.")


def _read_array(array: np.ndarray) -> tuple[np.ndarray, Facts]:
    facts = {"mode": f"array of {array.dtype}", "size": array.shape[1::-1]}
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 2, 3, 4) or not array.size:
        raise InkError(f"An array of ink is height x width, alone or with 1 to 4 channels, not {array.shape}.")
    if array.dtype.kind not in "buif":
        raise InkError(f"Ink is made of numbers, not of {array.dtype}.")
    _ensure_size(array.shape[1], array.shape[0])
    array = array[..., 0] if array.ndim == 3 and channels == 1 else array
    if array.dtype != np.uint8:
        array = _in_range(array)
        if channels > 1:
            array = np.uint8(np.round(array * 255))
    return _brightness(Image.fromarray(np.ascontiguousarray(array))), facts


def _in_range(array: np.ndarray) -> np.ndarray:
    """Any numbers but bytes -> float32 in [0, 1]."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise InkError("The ink holds values that are not numbers (NaN or infinity).")
    full = 65535 if array.dtype == np.uint16 else 255 if high > 1 + ROUNDING else 1
    if low < -ROUNDING or high > full * (1 + ROUNDING):
        raise InkError("Ink goes from 0 to 1 or from 0 to 255; this has values beyond that.")
    return (array.astype(np.float32) / np.float32(full)).clip(0, 1)


def _read(source: str | PathLike | BinaryIO | Image.Image, name: str) -> tuple[np.ndarray, Facts]:
    try:
        if isinstance(source, Image.Image):
            return _read_image(source)
        with Image.open(source, formats=FORMATS) as image:
            return _read_image(image)
    except InkError:
        raise
    except FileNotFoundError:
        raise InkError(f"There is no file called {name}.") from None
    except IsADirectoryError:
        raise InkError(f"{name} is a folder, not a picture.") from None
    except PermissionError as error:
        raise InkError(f"{name} may not be read: {error.strerror}.") from None
    except UnidentifiedImageError:
        raise InkError(f"{name} is not a picture in a known format (PNG, JPEG, WebP, BMP, GIF or TIFF).") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise InkError(
            f"{name} unpacks to more than {MAX_PIXELS // 1_000_000} megapixels. Bring a smaller one."
        ) from None
    except Exception:  # decoders fail in as many ways as there are formats
        raise InkError(f"{name} is cut off or broken: it could not be read to its end.") from None


def _ensure_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InkError(
            f"This picture has {width * height / 1e6:,.0f} megapixels; at most {MAX_PIXELS // 1_000_000} are read. "
            "Bring a smaller one."
        )
    if not (width and height):
        raise InkError("The picture has no pixels.")


def _read_image(image: Image.Image) -> tuple[np.ndarray, Facts]:
    _ensure_size(*image.size)
    facts: Facts = {"mode": image.mode, "size": image.size}
    if image.format:
        facts["format"] = image.format
    if getattr(image, "is_animated", False):
        facts["frame"] = "the first of several"
        image.seek(0)
    # A JPEG can be decoded small, which a photograph of a telephone is glad of.
    image.draft(image.mode, (WORKING_SIDE, WORKING_SIDE))
    image.load()
    picture = _brightness(image)
    if (orientation := image.getexif().get(ORIENTATION, 1)) != 1:
        facts["turned"] = True
        upright = Image.fromarray(picture)
        upright.getexif()[ORIENTATION] = orientation
        picture = np.asarray(ImageOps.exif_transpose(upright))
    return picture, facts


def _brightness(image: Image.Image) -> np.ndarray:
    """Averaged down to the working size in strips, so that no second copy of a large picture is made."""
    factor = -(-max(image.size) // WORKING_SIDE)
    if factor == 1:
        brightness, cover = _brightness_and_cover(image)
    else:
        width, height = image.size
        strip = factor * 64
        strips = (image.crop((0, top, width, min(top + strip, height))) for top in range(0, height, strip))
        parts = zip(*(_brightness_and_cover(part, factor) for part in strips), strict=True)
        brightness, cover = (None if part[0] is None else np.concatenate(part) for part in parts)
    if _is_deep(image):
        return _shallow(brightness, 65535 if image.mode.startswith("I") else 255)
    return _over_paper(brightness, cover)


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _shallow(values: np.ndarray, full: int) -> np.ndarray:
    """Values of more than 8 bits -> [0, 1]; those beyond what their kind usually spans set the span themselves."""
    low, high = min(0.0, float(values.min())), float(values.max())
    if not np.isfinite([low, high]).all():
        raise InkError("The picture holds values that are not numbers (NaN or infinity).")
    full = 1 if full == 255 and high <= 1 else full
    return (values - np.float32(low)) / np.float32(max(full, high - low))


def _brightness_and_cover(image: Image.Image, factor: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
    """How light each pixel is and, where the picture knows transparency, how far the pixel hides its paper."""
    if _is_deep(image):
        image = image.convert("F")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = image.reduce(factor) if factor > 1 else image
    if image.mode == "F":
        return np.asarray(image), None
    cover = np.asarray(image.getchannel("A")) / np.float32(255) if image.mode == "RGBA" else None
    return np.asarray(image.convert("L")) / np.float32(255), cover


def _over_paper(brightness: np.ndarray, cover: np.ndarray | None) -> np.ndarray:
    """Transparent paper has no colour of its own: it takes the one on which the ink can be seen."""
    if cover is None or cover.min() == 1:
        return brightness
    light = cover.any() and np.average(brightness, weights=cover) > 0.5
    return brightness * cover if light else 1 - cover + brightness * cover


# Polarity and background --------------------------------------------------------------------------------------


def polarity(picture: np.ndarray, paper: str = "auto") -> tuple[np.ndarray, Facts]:
    threshold = _otsu(picture)
    light = picture > threshold
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]]).mean()
    facts = {"threshold": threshold, "light border": float(border), "light picture": float(light.mean())}
    if paper != "auto":
        is_light = paper == "light"
    elif min(picture.shape) < PHOTOGRAPH_SIDE or _is_flat(picture):
        # Paper reaches the border and covers most of the picture; each has its say, so that a digit that runs
        # over the edge and one that fills its picture are both understood.
        is_light = border + light.mean() > 1
    else:
        is_light = _strays_to_dark(picture)
    facts["paper"] = "light" if is_light else "dark"
    return (1 - picture if is_light else picture), facts


def _is_flat(picture: np.ndarray) -> bool:
    """Whether most of the picture is either as dark or as light as it gets, as no photograph is."""
    low, high = picture.min() + 2 / 255, picture.max() - 2 / 255
    return 2 * np.count_nonzero((picture <= low) | (picture >= high)) > picture.size


def _strays_to_dark(picture: np.ndarray) -> bool:
    """Shadows mislead a threshold; ink is what differs much from its own neighbourhood. An empty page is light."""
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX))
    strays = small - ndimage.median_filter(small, 11, mode="nearest")
    return bool((strays**3).mean() < 1e-4)


def background(picture: np.ndarray, softness: float = 0.5) -> tuple[np.ndarray, Facts]:
    level, noise = _paper(picture, _otsu(picture))
    facts: Facts = {"paper": "clean", "level": level, "noise": noise, "ruled lines": 0}
    if min(picture.shape) < PHOTOGRAPH_SIDE:
        return (picture - level).clip(0) if level else picture, facts
    even = np.abs(_block_floors(picture) - level) <= 2 / 255
    if noise <= 2 / 255 and even.mean() >= 0.75:
        picture = (picture - level).clip(0) if level else picture
    else:
        facts["paper"] = "photographed"
        picture, facts["threshold"] = _lift_off_paper(picture, softness)
    picture, facts["ruled lines"] = _without_ruled_lines(picture, facts["paper"] == "photographed")
    return picture, facts


def _otsu(picture: np.ndarray) -> float:
    """The grey level that parts the picture into the two most different halves."""
    counts = np.bincount((picture * 255).astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    below = counts.cumsum()
    above = below[-1] - below
    weighted = (counts * np.arange(256)).cumsum()
    apart = np.zeros(256)
    both = (below > 0) & (above > 0)
    apart[both] = (weighted[-1] * below[both] / below[-1] - weighted[both]) ** 2 / (below[both] * above[both])
    # Where nothing lies between the halves every level parts them alike: the middle is as far from both.
    best = np.flatnonzero(apart == apart.max())
    return float((best[0] + best[-1]) / 2 + 0.5) / 255


def _paper(picture: np.ndarray, threshold: float) -> tuple[float, float]:
    """The usual level of what is not ink, and how far it strays from it."""
    lowest = picture.min()
    if 2 * np.count_nonzero(picture == lowest) > np.count_nonzero(picture <= threshold):
        return float(lowest), 0.0  # what more than half agree on is the median, and so is their distance to it
    paper = picture[picture <= threshold]
    level = np.median(paper)
    return float(level), float(np.median(np.abs(paper - level)) * 1.4826)


def _block_floors(picture: np.ndarray, blocks: int = 8) -> np.ndarray:
    rows, columns = (np.linspace(0, side, blocks, endpoint=False).astype(int) for side in picture.shape)
    return np.minimum.reduceat(np.minimum.reduceat(picture, rows, axis=0), columns, axis=1)


def _lift_off_paper(picture: np.ndarray, softness: float) -> tuple[np.ndarray, float]:
    """Take away the light, then all that does not stand out from the grain of the paper."""
    smooth = _without_light(ndimage.uniform_filter(picture, max(1, max(picture.shape) // 200)))
    threshold = _otsu(smooth.clip(0, 1))
    level, noise = _paper(smooth, threshold)
    written = smooth[smooth > threshold]
    if not written.size or written.mean() - level < max(0.2, 6 * noise):
        return np.zeros_like(picture), threshold
    full = float(np.percentile(written, 75))
    low = max(softness * threshold, level + 3 * noise)
    return ((smooth - low) / max(full - low, 1e-3)).clip(0, 1), threshold


def _without_light(picture: np.ndarray) -> np.ndarray:
    """What no pen is wide enough to cover is light; opening keeps even the edge of a hard shadow."""
    wide = max(picture.shape) * 4 // 25
    light = ndimage.grey_opening(picture, (wide, wide), mode="nearest")
    ink = (picture - light) / (1 - light).clip(0.1)
    # Towards a border the opening falls short of light that grows; what it missed varies slowly.
    small = Image.fromarray(ink).resize((64, 64), Image.Resampling.BOX)
    missed = ndimage.percentile_filter(np.asarray(small), 30, size=21, mode="nearest")
    missed = Image.fromarray(ndimage.gaussian_filter(missed, 4, mode="nearest"))
    return ink - np.asarray(missed.resize(picture.shape[::-1], Image.Resampling.BILINEAR))


def _without_ruled_lines(picture: np.ndarray, photographed: bool) -> tuple[np.ndarray, int]:
    """Rules run thin and straight from edge to edge; what was written across them is closed again."""
    found, peak = 0, picture.max()
    for _ in range(2):  # horizontal ones, then, on their side, vertical ones
        mask = picture > 0.1 * picture.max()
        if mask[:, 0].any() and mask[:, -1].any():
            slope = _slope_of_rules(mask) if photographed else 0.0
            lines, count = _find_rules(_sheared(mask, slope))
            lines = _sheared(lines, -slope) & mask
            # On a canvas one line from edge to edge may be a stroke, and where all is line, all was meant.
            if count >= (1 if photographed else 3) and (count > 2 or (mask & ~lines).any()):
                bridged = ndimage.grey_closing(np.where(lines, 0, picture), size=(2 * _thin(mask) + 3, 1))
                picture = np.where(lines, np.minimum(bridged, picture), picture)
                found += count
        picture = picture.T
    if found:
        # Where nothing but pale traces of rules is left, nothing was written.
        picture = _without_scraps(picture) if picture.max() > 0.5 * peak else np.zeros_like(picture)
    return np.ascontiguousarray(picture), found


def _without_scraps(picture: np.ndarray) -> np.ndarray:
    """Rules cut short by a corner leave scraps at the border; a digit has most of its ink elsewhere."""
    labels, count = ndimage.label(picture > 0.1 * picture.max(), np.ones((3, 3)))
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    mass = np.bincount(labels.ravel(), weights=picture.ravel(), minlength=count + 1)
    scraps = at_border[(at_border > 0) & (mass[at_border] < 0.2 * mass[1:].sum())]
    return np.where(np.isin(labels, scraps), 0, picture)


def _thin(mask: np.ndarray) -> int:
    return max(1, len(mask) // 40)


def _slope_of_rules(mask: np.ndarray) -> float:
    """The slope along which a few columns agree best on where ink is."""
    width = mask.shape[1]
    columns = np.linspace(0, width - 1, 32).astype(int)
    few = mask[:, columns].astype(np.float32)
    slopes = np.linspace(-0.08, 0.08, 65)  # 4.6 degrees either way
    agreement = [(_sheared(few, slope, columns - width // 2).sum(axis=1) ** 2).sum() for slope in slopes]
    return float(slopes[int(np.argmax(agreement))])


def _sheared(picture: np.ndarray, slope: float, across: np.ndarray | None = None) -> np.ndarray:
    """Every column moved up by whole pixels, round the edge, so that the way back loses nothing."""
    height, width = picture.shape
    across = np.arange(width) - width // 2 if across is None else across
    rows = np.arange(height)[:, None] + np.round(slope * across).astype(int)
    return np.take_along_axis(picture, rows % height, axis=0) if slope else picture


def _find_rules(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Where the level lines of a mask are, and how many."""
    height, width = mask.shape
    # A written stroke is seldom this long, never this thin and never touches both edges.
    long = max(2, width // 3)
    grown = ndimage.maximum_filter1d(mask.view(np.uint8), 3, axis=0)
    runs = ndimage.maximum_filter1d(ndimage.minimum_filter1d(grown, long, axis=1), long, axis=1).astype(bool)
    labels, count = ndimage.label(runs) if runs.any() else (runs, 0)
    lines, found = np.zeros_like(mask), 0
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels) if count else (), 1):
        line = labels[rows, columns] == number
        thickness = line.sum(axis=0)
        usual = np.median(thickness)
        if columns.stop - columns.start < 0.96 * width or usual - 2 > _thin(mask):
            continue
        # A stroke that goes along the line for a while is thicker; the line itself bends but slightly.
        alone = np.flatnonzero(thickness <= usual + 1)
        middle = (np.arange(len(line)) @ line)[alone] / thickness[alone]
        bend = np.polyval(np.polyfit(alone, middle, 2), np.arange(line.shape[1])) if len(alone) > 9 else middle.mean()
        lines[rows, columns] |= line & (np.abs(np.arange(len(line))[:, None] - bend) <= usual / 2 + 1)
        found += 1
    return lines, found


# Crop, scale, stretch, centre ---------------------------------------------------------------------------------


def crop(picture: np.ndarray, threshold: float = 0.1, speck: float = 0.08, margin: int = 0) -> tuple[np.ndarray, Facts]:
    facts: Facts = {"threshold": threshold, "specks": 0, "box": None}
    mask = picture > threshold * picture.max()
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return picture, {**facts, "blank": "Nothing is drawn."}
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    labels, count = ndimage.label(mask[top:bottom, left:right], np.ones((3, 3)))
    if count > 1:
        mass = np.bincount(labels.ravel(), weights=picture[top:bottom, left:right].ravel())[1:]
        spans = np.array([[r.start, c.start, r.stop, c.stop] for r, c in ndimage.find_objects(labels)])
        kept = spans[mass >= speck * mass.sum()]
        low, high = (kept[:, :2].min(axis=0), kept[:, 2:].max(axis=0)) if len(kept) else (np.zeros(2, int),) * 2
        # What lies within the box is part of the drawing, however small: the dot of a zero.
        facts["specks"] = int(((spans[:, :2] < low) | (spans[:, 2:] > high)).any(axis=1).sum())
        top, left, bottom, right = top + low[0], left + low[1], top + high[0], left + high[1]
    if max(bottom - top, right - left) < max(2, 0.02 * max(picture.shape)):
        return picture, {**facts, "blank": "There is nothing but specks."}
    facts["box"] = tuple(int(side) for side in (top, left, bottom, right))
    if margin:
        picture = np.pad(picture, margin)
        bottom, right = bottom + 2 * margin, right + 2 * margin
    return picture[top:bottom, left:right], facts


def scale(picture: np.ndarray, box: int = 20, resampling: str = "area") -> tuple[np.ndarray, Facts]:
    factor = box / max(picture.shape)
    height, width = (max(1, int(np.ceil(round(side * factor, 6)))) for side in picture.shape)
    facts = {"scale": factor, "resampling": resampling}
    if resampling == "area" and factor <= 1:
        rows = _area_weights(picture.shape[0], height, factor)
        columns = _area_weights(picture.shape[1], width, factor)
        return rows @ picture @ columns.T, facts
    # Averaging cannot enlarge without steps; between few pixels a straight line is the honest guess.
    filters = {"area": "BILINEAR", "bilinear": "BILINEAR", "bicubic": "BICUBIC", "nearest": "NEAREST"}
    room = [max(0, int(np.ceil(out / factor)) - side) for out, side in zip((height, width), picture.shape, strict=True)]
    padded = Image.fromarray(np.pad(picture, [(0, room[0]), (0, room[1])]))
    source = (0, 0, min(width / factor, padded.width), min(height / factor, padded.height))
    resized = padded.resize((width, height), Image.Resampling[filters[resampling]], box=source)
    return np.asarray(resized).clip(0, 1), facts


def _area_weights(old: int, new: int, factor: float) -> np.ndarray:
    """new x old: the share that each old pixel has in each new one, both seen as lengths on one ruler."""
    edges = np.arange(old + 1) * factor
    starts = np.arange(new)[:, None]
    return np.diff(np.clip(edges - starts, 0, 1), axis=1).astype(np.float32)


def stretch(picture: np.ndarray) -> tuple[np.ndarray, Facts]:
    peak = float(picture.max())
    if not peak:
        return picture, {"peak": peak, "blank": "Nothing is drawn."}
    # In 256 steps, as MNIST is; the centre of mass below is that of the steps.
    return np.round(picture * (255 / peak)).astype(np.float32) / np.float32(255), {"peak": peak}


def centre(picture: np.ndarray, by: str = "mass", whole_pixels: bool = True) -> tuple[np.ndarray, Facts]:
    height, width = picture.shape
    facts: Facts = {}
    if inked := bool(picture.any()):
        middle = np.array([_mean_place(picture.sum(axis=1)), _mean_place(picture.sum(axis=0))])
        facts["centre of mass"] = tuple(middle.tolist())
    if by == "mass" and inked:
        # Pixel centres lie at +0.5. MNIST's rule puts the centre of mass into [14, 15) on both axes.
        shift = np.floor(SIDE / 2 + 1 - middle) if whole_pixels else SIDE / 2 + 0.5 - middle
    elif by == "none":
        shift = np.array([4.0, 4.0]) if max(height, width) <= SIDE - 8 else np.zeros(2)
    else:
        shift = (SIDE - np.array([height, width])) / 2
        shift = np.floor(shift) if whole_pixels else shift
    facts["shift"] = tuple(shift.tolist())
    corner = np.floor(shift).astype(int)
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = np.maximum(corner, 0)
    cut_top, cut_left = np.maximum(-corner, 0)
    inside = picture[cut_top : cut_top + SIDE - top, cut_left : cut_left + SIDE - left]
    image[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    if (rest := shift - corner).any():
        image = ndimage.shift(image, rest, order=1)
    return image, facts


def _mean_place(mass: np.ndarray) -> float:
    return float((np.arange(len(mass)) + 0.5) @ mass.astype(np.float64) / mass.sum(dtype=np.float64))


def normalise(picture: np.ndarray, mean: float = MEAN, std: float = STD) -> tuple[Tensor, Facts]:
    return to_tensor(picture, mean, std), {"mean": mean, "std": std}


# The pipeline -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A named step of the pipeline: a function from picture to picture and its parameters' usual values."""

    name: str
    apply: Callable[..., tuple[Any, Facts]] = field(repr=False)
    what: str = field(repr=False)
    why: str = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)


STAGES = (
    Stage(
        "grey",
        grey,
        "Turns colours into brightness and lays transparent ink on paper.",
        "The network knows no colours, and files come in many forms.",
    ),
    Stage(
        "polarity",
        polarity,
        "Finds out whether the ink is dark or light, and makes it bright on black.",
        "MNIST's ink is bright. Most people write dark on light.",
        {"paper": "auto"},
    ),
    Stage(
        "background",
        background,
        "Takes away uneven light, the grain of paper and ruled lines; a clean canvas passes unchanged.",
        "The network has never seen paper and would take its shadows for ink.",
        {"softness": 0.5},
    ),
    Stage(
        "crop",
        crop,
        "Cuts out the box around the ink; specks do not count.",
        "Where on the canvas a digit stands must not matter.",
        {"threshold": 0.1, "speck": 0.08, "margin": 0},
    ),
    Stage(
        "scale",
        scale,
        "Brings the longer side to 20 pixels, with the shape kept, each new pixel the average of what it covers.",
        "How large a digit is drawn must not matter, and every digit of MNIST fills 20 pixels.",
        {"box": 20, "resampling": "area"},
    ),
    Stage(
        "stretch",
        stretch,
        "Stretches the ink so that its brightest pixel is white.",
        "A thin or pale pen is as much a pen as a thick one.",
    ),
    Stage(
        "centre",
        centre,
        "Moves the centre of mass to the middle of 28 x 28 pixels, by whole pixels.",
        "MNIST was centred like this; the middle of the box lies elsewhere for a 7, a 4 or a 9.",
        {"by": "mass", "whole_pixels": True},
    ),
    Stage(
        "normalise",
        normalise,
        "Takes away MNIST's average brightness and divides by its spread: the tensor.",
        "Networks learn best from numbers around 0, and must be asked in the numbers they learned from.",
        {"mean": MEAN, "std": STD},
    ),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)


@dataclass(frozen=True)
class Step:
    """What one stage made of a picture."""

    stage: Stage
    on: bool
    parameters: Mapping[str, Any]
    output: np.ndarray | Tensor = field(repr=False)
    facts: Facts = field(repr=False)
    milliseconds: float = field(repr=False)


@dataclass(frozen=True)
class Trace:
    """All that a pipeline made of some ink; where it is blank the later stages have not run."""

    steps: tuple[Step, ...]
    blank: str | None = None  # why there is nothing to answer

    def __getitem__(self, name: str) -> Step:
        return next(step for step in self.steps if step.stage.name == name)

    @cached_property
    def image(self) -> np.ndarray:
        """28 x 28, as the network sees it before normalising; empty where the ink is blank."""
        if self.blank:
            return np.zeros((SIDE, SIDE), dtype=np.float32)
        return self["centre"].output

    @cached_property
    def tensor(self) -> Tensor:
        return to_tensor(self.image) if self.blank else self["normalise"].output

    @property
    def milliseconds(self) -> float:
        return sum(step.milliseconds for step in self.steps)


class Pipeline:
    """The stages in their order, some perhaps off or with other parameters.

    Pipeline() is the house's own. Pipeline(off=["background"], scale={"box": 18}) differs in two places.
    """

    def __init__(self, off: Sequence[str] = (), **parameters: Mapping[str, Any]):
        if unknown := ({*off} | parameters.keys()) - {*STAGE_NAMES}:
            raise ValueError(f"No stage is called {', '.join(sorted(unknown))}; there are {', '.join(STAGE_NAMES)}.")
        if "grey" in off:
            raise ValueError("The stage grey cannot be off: the others need a picture.")
        for stage in STAGES:
            if unknown := parameters.get(stage.name, {}).keys() - stage.parameters.keys():
                raise ValueError(f"The stage {stage.name} has no parameter {', '.join(sorted(unknown))}.")
        self.off = frozenset(off)
        self.parameters = MappingProxyType(
            {stage.name: MappingProxyType({**stage.parameters, **parameters.get(stage.name, {})}) for stage in STAGES}
        )

    def __repr__(self) -> str:
        """The call that makes this pipeline, with all that differs from the house's own."""
        off = [stage.name for stage in STAGES if stage.name in self.off]
        changes = {
            stage.name: {
                key: value for key, value in self.parameters[stage.name].items() if value != stage.parameters[key]
            }
            for stage in STAGES
        }
        words = [f"off={off}"] if off else []
        return f"Pipeline({', '.join(words + [f'{name}={change}' for name, change in changes.items() if change])})"

    def without(self, *names: str) -> "Pipeline":
        """The same settings with more stages off."""
        return Pipeline([*self.off, *names], **self.parameters)

    def until(self, name: str) -> "Pipeline":
        """The same settings with nothing after the stage of that name but the numbers that a network expects."""
        return self.without(*STAGE_NAMES[STAGE_NAMES.index(name) + 1 : -1])

    def run(self, ink: Ink, before: Trace | None = None) -> Trace:
        """All the pictures on the way. What `before`, a trace of the same ink, has in common is not done again."""
        steps = list(takewhile(self._agrees, before.steps)) if before else []
        if steps and "blank" in steps[-1].facts:
            return Trace(tuple(steps), steps[-1].facts["blank"])
        picture: Any = steps[-1].output if steps else ink
        for stage in STAGES[len(steps) :]:
            on, parameters = stage.name not in self.off, self.parameters[stage.name]
            started = time.perf_counter()
            if on:
                picture, facts = stage.apply(picture, **parameters)
            else:
                picture, facts = _pass_by(stage.name, picture), {}
            milliseconds = 1000 * (time.perf_counter() - started)
            steps.append(Step(stage, on, parameters, picture, facts, milliseconds))
            if "blank" in facts:
                return Trace(tuple(steps), facts["blank"])
        return Trace(tuple(steps))

    def _agrees(self, step: Step) -> bool:
        name = step.stage.name
        return step.on == (name not in self.off) and step.parameters == self.parameters[name]


def _pass_by(name: str, picture: np.ndarray) -> np.ndarray | Tensor:
    """What goes on where a stage is off: the picture as it was, in the form that the next stage needs."""
    if name == "scale":
        return scale(picture, SIDE)[0]
    if name == "centre":
        return centre(picture, by="box")[0]
    if name == "normalise":
        return to_tensor(picture, 0, 1)
    return picture


# The two shortcuts that other projects take, as settings of the same pipeline.
NAIVE = Pipeline(off=["background", "crop", "stretch", "centre"], scale={"box": SIDE})  # the whole canvas, shrunk
BOXED = Pipeline(off=["background"], centre={"by": "box"})  # cropped, and centred by its box
