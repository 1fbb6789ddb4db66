"""Ink of any kind -> one picture of brightness: files, images and arrays, however large, odd or broken.

The picture is float32, height x width, 0 to 1. What cannot be read raises `InkError` with a sentence.
"""

import io
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 50_000_000
# Larger pictures are averaged down to this before anything else: ink becomes 20 pixels in the end.
WORKING_SIDE = 1_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
ORIENTATION = 0x0112  # the EXIF entry
TILE_WIDTH, TILE_HEIGHT = 322, 323  # entries of a TIFF
# One that is followed by its length, or the end.
JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xc8\xd0-\xd8\xf0-\xfd\xff]")
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
MAX_SCANS = 100
RUNS = (1, 2)  # the ways of a BMP to write runs of pixels, which are unpacked one by one
MAX_RUNS = 4_000_000  # pixels of such a BMP
MAX_PARTS = 2_000  # a photograph that knows its depths has hundreds
ROUNDING = 0.01  # how far computed ink may stray beyond its range

BLOCK = 3  # pixels a side, from which on equal ones are one that was enlarged
FEWEST = 8  # pixels a side of what shows a digit
ROWS = {784: 28, 64: 8}  # pictures that tables hold as a row each: MNIST's and scikit-learn's, and their side

Ink = str | PathLike | bytes | bytearray | memoryview | BinaryIO | Image.Image | ArrayLike
Facts = dict[str, Any]


class InkError(Exception):
    """Ink that cannot be read; the message says why, in a sentence for the person who brought it."""


def is_picture(path: str) -> bool:
    """Whether a file is one of FORMATS, as far as its name can tell; what programs hide is none."""
    file = Path(path)
    return not file.name.startswith(".") and Image.registered_extensions().get(file.suffix.lower()) in FORMATS


def files_in(folder: str | PathLike, tell: Callable[[str, str], None]) -> Iterator[str]:
    """Every file in a folder, however deep, but in none that is hidden; those that cannot be opened are told with the
    reason.

    A link to a folder is followed, unless the walk has been there, so that links in a circle end.
    """
    seen: set[str] = set()
    walk = os.walk(folder, onerror=lambda e: tell(str(e.filename), f"{e.strerror}."), followlinks=True)
    for place, folders, names in walk:
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                is_file = stat.S_ISREG(os.stat(path).st_mode)
            except OSError:
                is_file = True  # who reads it finds the words
            if is_file:
                yield path


def grey(ink: Ink) -> tuple[np.ndarray, Facts]:
    picture, facts = _read_ink(ink)
    return _without_blocks(picture), facts


def _without_blocks(picture: np.ndarray) -> np.ndarray:
    """A picture of few pixels that was enlarged as blocks, in its own pixels: no stroke is as broad as a block. Where
    there are but two levels of grey the blocks may be strokes."""
    block = math.gcd(*picture.shape)
    for rows in (picture, picture.T):
        if block < BLOCK:
            return picture
        changes = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1
        block = math.gcd(block, *changes.tolist())
    small = picture[::block, ::block]
    is_enlarged = block >= BLOCK and min(small.shape) >= FEWEST and len(np.unique(small)) > 2
    return np.ascontiguousarray(small) if is_enlarged else picture


def _read_ink(ink: Ink) -> tuple[np.ndarray, Facts]:
    if isinstance(ink, Image.Image):
        return _read(ink, "The picture")
    if isinstance(ink, bytes | bytearray | memoryview):
        return _read(io.BytesIO(bytes(ink)), "The file")
    if isinstance(ink, str | PathLike):
        return _read(ink, Path(ink).name or repr(str(ink)))
    if isinstance(ink, list | tuple) or hasattr(ink, "__array__"):
        return _read_array(as_array(ink))
    if hasattr(ink, "read"):
        return _read(ink, "The file")
    raise InkError(f"Ink is a picture, an array or a file of a picture, not {type(ink).__name__}.")


def as_array(ink: ArrayLike) -> np.ndarray:
    """Nested lists, tensors of torch and all that knows how to become an array."""
    if isinstance(ink, list | tuple) and any(isinstance(i, Image.Image) or getattr(i, "ndim", 0) > 1 for i in ink):
        raise InkError("This is a list of pictures. Give it to predict_batch, or one of them to predict.")
    try:
        return np.asarray(ink.detach().cpu() if hasattr(ink, "detach") else ink)
    except Exception:  # what becomes an array fails in ways of its own
        kind = type(ink).__name__
        raise InkError(f"This {kind} is no array of numbers. All its rows must be of one length.") from None


def _read_array(array: np.ndarray) -> tuple[np.ndarray, Facts]:
    array = _height_first(array)
    facts = {"mode": f"array of {array.dtype}", "size": array.shape[1::-1]}
    if array.dtype.kind not in "buif":
        raise InkError(f"Ink is made of numbers, not of {array.dtype}.")
    _ensure_size(array.shape[1], array.shape[0])
    if array.dtype != np.uint8:
        array = _in_range(array)
        if array.ndim == 3:
            array = np.uint8(np.round(array * 255))
    return _brightness(Image.fromarray(np.ascontiguousarray(array))), facts


def _height_first(array: np.ndarray) -> np.ndarray:
    """Height x width, of colours with the channels behind, whatever the order that libraries have them in."""
    told = f"An array of ink is height x width, alone or with 1 to 4 channels, not {array.shape}."
    if array.ndim == 1:
        array = array[None]
        if array.size not in ROWS:
            raise InkError(f"{told} Give a row of numbers its shape first, such as row.reshape(28, 28).")
    if array.ndim == 4:
        if len(array) > 1:
            raise InkError(f"{told} Give several pictures to predict_batch.")
        array = array[0]
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] > 4:
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or array.ndim == 3 and array.shape[2] > 4 or not array.size:
        raise InkError(told)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.ndim == 2 and min(array.shape) == 1 and array.size in ROWS:
        return array.reshape(ROWS[array.size], -1)
    return array


def _in_range(array: np.ndarray) -> np.ndarray:
    """Any numbers but bytes -> float32 in [0, 1]."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise InkError("The ink holds values that are not numbers (NaN or infinity).")
    if array.dtype.kind == "f" and low < -ROUNDING and low < high:
        return _from_negatives(array, low, high)
    deep = array.dtype.kind in "ui" and array.dtype.itemsize in (2, 4) and high > 255  # as Pillow reads 16 bits
    full = 1 if high <= 1 + ROUNDING else 65535 if deep else 255
    if low < -ROUNDING or high > full * (1 + ROUNDING):
        raise InkError("Ink goes from 0 to 1 or from 0 to 255; this has values beyond that.")
    return (array.astype(np.float32) / np.float32(full)).clip(0, 1)


def _from_negatives(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """What was normalised for a network -> float32 in [0, 1]: from -1 to 1, or by a mean and a spread nobody knows."""
    if low >= -1 - ROUNDING and high <= 1 + ROUNDING:
        low, high = -1.0, 1.0
    scale = max(-low, high)  # the span of the largest floats is none
    array = (array / scale).astype(np.float32)
    return ((array - np.float32(low / scale)) / np.float32(high / scale - low / scale)).clip(0, 1)


def _read(source: str | PathLike | BinaryIO | Image.Image, name: str) -> tuple[np.ndarray, Facts]:
    try:
        if isinstance(source, Image.Image):
            return _read_image(source)
        with nullcontext(source) if hasattr(source, "read") else open(source, "rb") as file:
            file = _rewound(file)
            ensure_few_parts(file)
            with Image.open(file, formats=FORMATS) as image:
                size = image.size
                width, height = unpacked_size(image)
                _ensure_size(width, height)
                if image.format == "BMP" and image.info.get("compression") in RUNS and width * height > MAX_RUNS:
                    raise InkError(f"A BMP of so many pixels must not be compressed. Save {name} as PNG.")
                # A JPEG can be decoded small, which a photograph of a telephone is glad of.
                image.draft(image.mode, (WORKING_SIDE, WORKING_SIDE))
                picture, facts = _read_image(image)
                return picture, facts | {"size": size}
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
    except Exception as error:  # decoders fail in as many ways as there are formats
        if isinstance(error, OSError) and error.errno:  # but this is the disk
            raise InkError(f"{name} cannot be read: {error.strerror}.") from None
        raise InkError(f"{name} is cut off or broken: it could not be read to its end.") from None


def unpacked_size(image: Image.Image) -> tuple[int, int]:
    """How many pixels are unpacked, across and down: of a TIFF in tiles at least one, however small the picture."""
    tags = getattr(image, "tag_v2", {})
    return max(image.width, tags.get(TILE_WIDTH, 1)), max(image.height, tags.get(TILE_HEIGHT, 1))


def _rewound(file: BinaryIO) -> BinaryIO:
    try:
        file.seek(0)
    except (AttributeError, io.UnsupportedOperation):
        return io.BytesIO(file.read())
    return file


def _ensure_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InkError(
            f"This picture has {width * height / 1e6:,.0f} megapixels; at most {MAX_PIXELS // 1_000_000} are read. "
            "Bring a smaller one."
        )
    if not (width and height):
        raise InkError("The picture has no pixels.")


def ensure_few_parts(file: BinaryIO) -> None:
    """A JPEG may go over its picture as often as it likes, in 75 bytes each time; cameras do ten times.

    And it may consist of millions of parts, which Pillow joins in a time that grows with the square of their number.
    """
    if file.read(2) != JPEG_START:
        return
    content = file.read()
    at = parts = scans = 0
    while marker := JPEG_MARKER.search(content, at):
        at = marker.end()
        if marker[0] == JPEG_END:
            if scans:
                return
            continue
        parts += 1
        scans += marker[0] == JPEG_SCAN
        if scans > MAX_SCANS:
            raise InkError(f"This JPEG goes over its picture more than {MAX_SCANS} times. Save it anew.")
        if parts > MAX_PARTS:
            raise InkError(f"This JPEG consists of more than {MAX_PARTS:,} parts. Save it anew.")
        at += int.from_bytes(content[at : at + 2], "big")


def _read_image(image: Image.Image) -> tuple[np.ndarray, Facts]:
    _ensure_size(*image.size)
    facts: Facts = {"mode": image.mode, "size": image.size}
    if image.format:
        facts["format"] = image.format
    if getattr(image, "is_animated", False):
        facts["frame"] = f"number {image.tell() + 1}" if image.tell() else "the first of several"
    image.load()
    picture = _brightness(image)
    if (orientation := image.getexif().get(ORIENTATION, 1)) in range(2, 9):
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
    full = 1 if high <= 1 else 255 if high <= 255 else full
    return (values - np.float32(low)) / np.float32(max(full, high - low))


def _brightness_and_cover(image: Image.Image, factor: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
    """How light each pixel is and, where the picture knows transparency, how far the pixel hides its paper."""
    if _is_deep(image):
        image = image.convert("F")
    elif image.mode == "La":  # its light is multiplied by its cover already
        image = image.convert("LA").convert("RGBA")
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
