"""The pictures of the pipeline's strip: what a stage put out, crisp, with the marks a teacher would draw in."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_core.architectures import SIDE
from mnist_core.preprocess import Step, Trace
from pages.parts.charts import BELOW_AND_ABOVE

PIXEL = 15  # pixels of a card for each of the image's
CARD = PIXEL * SIDE
MARK = (196, 142, 22)
EDGE = (128, 124, 114)
TITLE = 56  # pixels above and below a card in the strip that is taken away


def card_picture(trace: Trace, number: int) -> Image.Image:
    """What a step put out, on a square. Of the crop one sees where it cuts."""
    step = trace.steps[number]
    name, output = step.stage.name, step.output
    if name == "normalise":
        return _enlarged(in_colour(output[0].numpy()))
    if name == "crop" and step.facts.get("box"):
        return _with_ink_box(trace.steps[number - 1].output, step)
    if name in ("scale", "stretch") and max(output.shape) <= SIDE:
        return _with_frame(_in_the_middle(output), _box(trace))
    if name == "centre":
        return _with_centre(output, step, _box(trace))
    return _enlarged(output)


def in_colour(values: np.ndarray) -> np.ndarray:
    """Numbers as colours, 0 always the same; height x width x 3 bytes."""
    limit = max(float(np.abs(values).max()), 1e-6)
    channels = [np.interp(values / limit, (-1, 0, 1), shades) for shades in zip(*BELOW_AND_ABOVE, strict=True)]
    return np.uint8(np.round(np.stack(channels, axis=-1)))


def colour_scale(values: np.ndarray) -> tuple[Image.Image, float]:
    """A bar of the colours of `in_colour`, and the number at its right end."""
    limit = float(np.abs(values).max())
    return Image.fromarray(in_colour(np.linspace(-limit, limit, CARD)[None, :]).repeat(24, axis=0)), limit


def blank_picture() -> Image.Image:
    picture = Image.new("RGBA", (CARD, CARD), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((0, 0, CARD - 1, CARD - 1), outline=(*EDGE, 90), width=2)
    return picture


def to_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def whole_strip(trace: Trace, answers: Sequence[str]) -> bytes:
    """All cards in a row as one PNG on white paper, each with its name above and its answer below."""
    steps, gap = trace.steps, 24
    strip = Image.new("RGB", (len(steps) * (CARD + gap) + gap, CARD + 2 * TITLE), "white")
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(30)
    for number, (step, words) in enumerate(zip(steps, answers, strict=True)):
        left = gap + number * (CARD + gap)
        title = f"{number + 1} {step.stage.name.capitalize()}" + ("" if step.on else " (off)")
        draw.text((left, TITLE // 2), title, "black", font, anchor="lm")
        picture = card_picture(trace, number)
        strip.paste(picture, (left, TITLE), picture if picture.mode == "RGBA" else None)
        draw.text((left, CARD + TITLE * 3 // 2), words, "black", font, anchor="lm")
    return to_png(strip)


def maps_picture(maps: np.ndarray, columns: int = 8) -> Image.Image:
    """The maps of a convolution as a grid, all on one scale of colours."""
    count, height, width = maps.shape
    enlarged = max(1, 100 // height)
    rows = -(-count // columns)
    grid = Image.new("RGBA", (columns * (width * enlarged + 4), rows * (height * enlarged + 4)), (0, 0, 0, 0))
    coloured = in_colour(maps.reshape(count * height, width)).reshape(count, height, width, 3)
    for number, picture in enumerate(coloured):
        place = (number % columns) * (width * enlarged + 4), (number // columns) * (height * enlarged + 4)
        grid.paste(Image.fromarray(picture.repeat(enlarged, axis=0).repeat(enlarged, axis=1)), place)
    return grid


def _enlarged(picture: np.ndarray) -> Image.Image:
    """The picture as large as the square allows; small ones pixel by pixel, large ones averaged."""
    pixels = picture if picture.dtype == np.uint8 else np.uint8(np.round(picture.clip(0, 1) * 255))
    factor = CARD / max(pixels.shape[:2])
    size = tuple(max(1, round(side * factor)) for side in pixels.shape[1::-1])
    filter = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    resized = Image.fromarray(pixels).resize(size, filter)
    square = Image.new("RGBA", (CARD, CARD), (0, 0, 0, 0))
    place = (CARD - size[0]) // 2, (CARD - size[1]) // 2
    square.paste(resized, place)
    edge = (place[0], place[1], place[0] + size[0] - 1, place[1] + size[1] - 1)
    ImageDraw.Draw(square).rectangle(edge, outline=EDGE, width=2)
    return square


def _in_the_middle(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    field = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    field[top : top + height, left : left + width] = picture
    return field


def _with_ink_box(picture: np.ndarray, step: Step) -> Image.Image:
    square = _enlarged(picture)
    factor = CARD / max(picture.shape)
    y, x = ((CARD - side * factor) / 2 for side in picture.shape)
    top, left, bottom, right = step.facts["box"]
    margin = step.parameters["margin"]
    corners = left - margin, top - margin, right + margin, bottom + margin
    box = [corner * factor + start for corner, start in zip(corners, (x, y, x, y), strict=True)]
    ImageDraw.Draw(square).rectangle(box, outline=MARK, width=5)
    return square


def _box(trace: Trace) -> int:
    """The pixels that the longer side of the digit fills."""
    return trace["scale"].parameters["box"] if trace["scale"].on else SIDE


def _with_frame(field: np.ndarray, box: int) -> Image.Image:
    """The pixels that a digit of MNIST fills, in the middle of the 28 x 28."""
    square = _enlarged(field)
    low, high = (SIDE - box) / 2 * PIXEL, (SIDE + box) / 2 * PIXEL
    ImageDraw.Draw(square).rectangle((low, low, high - 1, high - 1), outline=MARK, width=3)
    return square


def _with_centre(image: np.ndarray, step: Step, box: int) -> Image.Image:
    """The frame, a ring around the middle, and a cross where the centre of mass has come to lie."""
    square = _with_frame(image, box)
    if mass := step.facts.get("centre of mass"):
        y, x = ((place + shift) * PIXEL for place, shift in zip(mass, step.facts["shift"], strict=True))
        draw = ImageDraw.Draw(square)
        draw.line((x - 22, y, x + 22, y), fill=MARK, width=5)
        draw.line((x, y - 22, x, y + 22), fill=MARK, width=5)
        low, high = CARD / 2 - 30, CARD / 2 + 30
        draw.ellipse((low, low, high, high), outline=MARK, width=3)
    return square
