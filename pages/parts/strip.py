"""The pictures of the pipeline's strip: what a stage put out, crisp, with the marks a teacher would draw in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_core.architectures import SIDE
from mnist_core.pictures import in_colour, to_png
from mnist_core.preprocess import Step, Trace, to_rows
from pages.parts.pictures import data_address

CARD = 15 * SIDE  # pixels a side of a card that is taken away, 15 for each of the image's
FINEST = 84  # pixels a side up to which every one is shown as a square
MARK = "#c48e16"
EDGE = "#807c72"
TITLE = 56  # pixels above and below a card in the strip that is taken away


@dataclass(frozen=True)
class Mark:
    """A line drawn into a picture: "box", "ring" or "cross" between two corners, in the picture's pixels."""

    form: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Card:
    """A picture, grey or in colour, in the middle of a square, with marks."""

    pixels: np.ndarray  # uint8, height x width or height x width x 3
    marks: tuple[Mark, ...] = ()

    @property
    def side(self) -> int:
        return max(self.pixels.shape[:2])

    @property
    def corner(self) -> tuple[float, float]:
        """Left and top of the picture in its square."""
        height, width = self.pixels.shape[:2]
        return (self.side - width) / 2, (self.side - height) / 2


# What is on a card --------------------------------------------------------------------------------------------


def to_card(trace: Trace, number: int) -> Card:
    """What a step put out. Of the crop one sees where it cuts."""
    step = trace.steps[number]
    name, output = step.stage.name, step.output
    if name == "normalise":
        return Card(in_colour(output[0].numpy()))
    if name == "crop" and step.facts.get("box"):
        return Card(to_rows(trace.steps[number - 1].output), (_ink_box(step),))
    if name in ("scale", "stretch"):
        return Card(to_rows(_in_the_middle(output)), (_frame(trace),))
    if name == "centre":
        return Card(to_rows(output), (_frame(trace), *_centre(step)))
    return Card(to_rows(output))


def _in_the_middle(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    field = np.zeros((SIDE, SIDE), dtype=np.float32)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    field[top : top + height, left : left + width] = picture
    return field


def _ink_box(step: Step) -> Mark:
    top, left, bottom, right = step.facts["box"]
    margin = step.parameters["margin"]
    return Mark("box", left - margin, top - margin, right + margin, bottom + margin)


def _frame(trace: Trace) -> Mark:
    """The pixels that the longer side of a digit fills, in the middle of the 28 x 28."""
    box = trace["scale"].parameters["box"] if trace["scale"].on else SIDE
    low, high = (SIDE - box) / 2, (SIDE + box) / 2
    return Mark("box", low, low, high, high)


def _centre(step: Step) -> tuple[Mark, ...]:
    """A ring around the middle, and a cross where the centre of mass has come to lie."""
    if not (mass := step.facts.get("centre of mass")):
        return ()
    y, x = (place + shift for place, shift in zip(mass, step.facts["shift"], strict=True))
    middle = SIDE / 2
    return Mark("ring", middle - 2, middle - 2, middle + 2, middle + 2), Mark(
        "cross", x - 1.5, y - 1.5, x + 1.5, y + 1.5
    )


# From card to browser -----------------------------------------------------------------------------------------


def to_svg(card: Card) -> str:
    """Crisp at every size, and small: the browser draws the squares and the lines."""
    side, (left, top), (height, width) = card.side, card.corner, card.pixels.shape[:2]
    crisp = ' style="image-rendering:pixelated"' if side <= FINEST else ""
    thin = side / 140
    lines = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" stroke="{EDGE}" stroke-width="{thin}"/>',
        *(_svg_mark(mark, left, top) for mark in card.marks),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{CARD}" height="{CARD}">'
        f'<image x="{left}" y="{top}" width="{width}" height="{height}"{crisp} preserveAspectRatio="none" '
        f'href="{data_address(to_png(Image.fromarray(card.pixels)))}"/>'
        f'<g fill="none" stroke="{MARK}" stroke-width="{2 * thin}">{"".join(lines)}</g></svg>'
    )


def empty_svg() -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 140 140" width="{CARD}" height="{CARD}">'
        f'<rect width="140" height="140" fill="none" stroke="{EDGE}" stroke-dasharray="2 3"/></svg>'
    )


def _svg_mark(mark: Mark, left: float, top: float) -> str:
    x, y, right, bottom = mark.left + left, mark.top + top, mark.right + left, mark.bottom + top
    if mark.form == "cross":
        return f'<path d="M{x} {(y + bottom) / 2}H{right}M{(x + right) / 2} {y}V{bottom}"/>'
    if mark.form == "ring":
        return f'<circle cx="{(x + right) / 2}" cy="{(y + bottom) / 2}" r="{(right - x) / 2}"/>'
    return f'<rect x="{x}" y="{y}" width="{right - x}" height="{bottom - y}"/>'


# From card to file --------------------------------------------------------------------------------------------


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
        strip.paste(_painted(to_card(trace, number)), (left, TITLE))
        draw.text((left, CARD + TITLE * 3 // 2), words, "black", font, anchor="lm")
    return to_png(strip)


def maps_picture(maps: np.ndarray, columns: int = 8) -> Image.Image:
    """The maps of a convolution as a grid, all on one scale of colours."""
    count, height, width = maps.shape
    enlarged = max(1, 100 // height)
    rows, gap = -(-count // columns), 4
    grid = Image.new("RGBA", (columns * (width * enlarged + gap), rows * (height * enlarged + gap)), (0, 0, 0, 0))
    coloured = in_colour(maps.reshape(count * height, width)).reshape(count, height, width, 3)
    for number, picture in enumerate(coloured):
        place = (number % columns) * (width * enlarged + gap), (number // columns) * (height * enlarged + gap)
        grid.paste(Image.fromarray(picture.repeat(enlarged, axis=0).repeat(enlarged, axis=1)), place)
    return grid


def colour_scale(limit: float) -> Image.Image:
    """The colours of `in_colour` from -limit to limit as a bar."""
    return Image.fromarray(in_colour(np.linspace(-limit, limit, CARD)[None, :]).repeat(24, axis=0))


def _painted(card: Card) -> Image.Image:
    factor = CARD / card.side
    size = tuple(max(1, round(side * factor)) for side in card.pixels.shape[1::-1])
    filter = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    square = Image.new("RGB", (CARD, CARD), "white")
    left, top = (round(start * factor) for start in card.corner)
    square.paste(Image.fromarray(card.pixels).resize(size, filter), (left, top))
    draw = ImageDraw.Draw(square)
    draw.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=EDGE, width=2)
    for mark in card.marks:
        x, right = (left + edge * factor for edge in (mark.left, mark.right))
        y, bottom = (top + edge * factor for edge in (mark.top, mark.bottom))
        if mark.form == "cross":
            draw.line((x, (y + bottom) / 2, right, (y + bottom) / 2), MARK, 5)
            draw.line(((x + right) / 2, y, (x + right) / 2, bottom), MARK, 5)
        elif mark.form == "ring":
            draw.ellipse((x, y, right, bottom), outline=MARK, width=4)
        else:
            draw.rectangle((x, y, right, bottom), outline=MARK, width=4)
    return square
