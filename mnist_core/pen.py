"""A pen of our own: digits in the forms of several nations, and what is no digit, written by a hand that varies.

Everything follows from a seed; sample i depends on the seed and i alone. It is drawn as on a canvas and goes through
the pipeline, as all ink does. `python -m mnist_core.pen --sheet FILE.png` draws some of each form.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from mnist_core.architectures import DIGITS, SIDE
from mnist_core.checkpoints import replacing
from mnist_core.command import finish, writing
from mnist_core.forms import DIGIT_FORMS, OTHER_FORMS, Form
from mnist_core.preprocess import Pipeline, crop, scale, to_rows
from mnist_core.strokes import CANVAS_SIDE, Strokes, curve, evenly, place, place_within, render, soften

CANVAS = CANVAS_SIDE // 2  # half as large as a visitor's: four times as fast, and the image is the same
SMALL = 60  # the side of a picture that is no canvas
SIZES = (0.35, 0.85)  # of the canvas
WIDTHS = (8 / 280, 28 / 280)  # of the canvas
STEP = 2.5  # between the points of a written stroke, in the units of the forms
# Pairs that look like no third digit where they run into each other.
OVERWRITTEN = ("24", "25", "26", "34", "40", "45", "46", "48", "57", "67", "20", "23", "35", "37", "47", "27")
# Halves that look like no digit: the upper half of an 8 is a 0, its right one a 3, and what is left of a 7 a 1.
HALVES = ("0 top", "0 bottom", "2 bottom", "8 left")


# The hand -----------------------------------------------------------------------------------------------------


def write(form: Form, rng: np.random.Generator) -> list[np.ndarray]:
    """The strokes of a form as some hand writes them once: its slant, its haste, its trembling, its slips."""
    free = form.freedom
    share = rng.uniform(-0.1, 1.1)
    loose = rng.uniform(0.8, 4.2) * free
    haste = int(rng.choice([0, 1, 2, 3, 4], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
    tremble = rng.choice([0, 0.8, 2.0], p=[0.4, 0.4, 0.2])
    build, turn = rng.normal(0, [0.12, 6.0, 3.0]) * free, _turn(rng, free)
    strokes = []
    for points, sharp in form.between(share):
        points = _built(points + rng.normal(0, loose, points.shape), *build) @ turn
        line = evenly(curve(points, sharp), STEP)
        line = soften(_ends(line, rng), min(haste, len(line) // 6))
        line = line + tremble * _drift(len(line), rng)
        if rng.random() < 0.08:  # a mouse, moved fast, leaves straight pieces
            line = evenly(line, rng.uniform(10, 20))
        strokes.append(line)
        if rng.random() < 0.03:
            strokes.append(line[::-1] + rng.normal(0, 3, 2))
    if len(strokes) > 1:  # strokes do not always meet where they should
        strokes = [stroke + rng.normal(0, loose, 2) for stroke in strokes]
    return strokes


def _built(points: np.ndarray, broad: float, deep: float, bent: float) -> np.ndarray:
    """A hand's own proportions: the head broader than the foot, the waist lower, the back bent; or the reverse."""
    x, y = points.T
    bow = np.sin(np.pi * y.clip(0, 100) / 100)
    return np.column_stack([30 + (x - 30) * (1 + broad * (50 - y) / 50) + bent * bow, y + deep * bow])


def _turn(rng: np.random.Generator, free: float) -> np.ndarray:
    """Width, slant and rotation of a hand, as a matrix for rows of points; forms lean to the right more often."""
    angle = np.radians(rng.normal(0, 5)) * free
    slant = rng.uniform(-0.15, 0.4) * free
    wide = np.exp(rng.uniform(-0.3, 0.3 * free if free >= 1 else 0.05))
    lean = np.array([[1, 0], [-slant, 1]])
    spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.diag([wide, 1]) @ lean @ spin


def _ends(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A stroke begun late or ended early by up to a twentieth, or run on as far in its direction."""
    for _ in range(2):
        amount = int(round(rng.normal(0, 0.025) * len(line)))
        if amount > 0 and len(line) > 4:
            way = line[-1] - line[-4]
            line = np.vstack([line, line[-1] + way / 3 * np.arange(1, amount + 1)[:, None]])
        elif amount < 0 and len(line) > 8:
            line = line[:amount]
        line = line[::-1]
    return line


def _drift(count: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth wandering along a stroke, of about 1 either way."""
    along = np.arange(count)[:, None, None] * STEP
    waves = rng.uniform(15, 90, (2, 3))
    return np.sin(2 * np.pi * (along / waves + rng.random((2, 3)))).sum(axis=2) / np.sqrt(1.5)


def draw(strokes: Strokes, rng: np.random.Generator) -> np.ndarray:
    """Somewhere on a canvas, in some size, with some pen: what the browser would send."""
    width = rng.uniform(*WIDTHS) * CANVAS
    size = CANVAS * rng.uniform(*SIZES)
    return render(place_within(strokes, size, tuple(rng.random(2)), width, CANVAS), width, CANVAS, finer=2)


# What has no form ---------------------------------------------------------------------------------------------


def _scribble(rng: np.random.Generator) -> list[np.ndarray]:
    points = rng.normal(0, 30, (rng.integers(10, 30), 2)) * rng.uniform(0.5, 1.5, 2)
    return [curve(points, rng.random(len(points)) < rng.choice([0, 0.5, 1]))]


def _wander(rng: np.random.Generator) -> list[np.ndarray]:
    """A hand that turns at will and runs across its own way; a narrow one might be a 1."""
    extent = np.zeros(2)
    while extent.min() <= 0.4 * extent.max():
        count = rng.integers(20, 50)
        angles = np.cumsum(rng.normal(0, rng.uniform(0.8, 2.2), count))
        ways = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(10, 30, (count, 1))
        points = np.cumsum(ways, axis=0)
        extent = np.ptp(points, axis=0)
    return [curve(points, rng.random(count) < rng.choice([0, 0.3, 1]))]


def _zigzag(rng: np.random.Generator) -> list[np.ndarray]:
    count = rng.integers(6, 15)
    points = np.column_stack([np.arange(count) * rng.uniform(8, 25), 60 * (np.arange(count) % 2)])
    points += rng.normal(0, 5, points.shape)
    return [curve(points, np.full(count, rng.random() < 0.6))]


def _dots(rng: np.random.Generator) -> list[np.ndarray]:
    return [spot + rng.normal(0, 2, (2, 2)) for spot in rng.uniform(0, 100, (rng.integers(3, 9), 1, 2))]


def _line(rng: np.random.Generator) -> list[np.ndarray]:
    """Nearly level; a steeper one would be a 1."""
    angle = np.radians(rng.uniform(-22, 22))
    line = np.outer(np.linspace(0, rng.uniform(30, 100), 20), [np.cos(angle), np.sin(angle)])
    return [line + 1.5 * _drift(20, rng)]


def _bundle(rng: np.random.Generator) -> list[np.ndarray]:
    """Three to eight lines side by side."""
    angle, apart = rng.uniform(0, np.pi), rng.uniform(14, 30)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    lines = [np.outer(rng.normal([-50, 50], 8), along) + apart * k * across for k in range(rng.integers(3, 9))]
    return [evenly(line + rng.normal(0, 2, line.shape), 5) for line in lines]


def _grid(rng: np.random.Generator) -> list[np.ndarray]:
    count = rng.integers(2, 5)
    places = np.linspace(15, 85, count)
    level = [np.array([[0, y], [100, y]]) for y in places]
    upright = [line[:, ::-1] for line in level]
    return [evenly(line + rng.normal(0, 3, (2, 2)), 5) for line in level + upright]


def _rays(rng: np.random.Generator) -> list[np.ndarray]:
    """Lines through one place, or a sun."""
    count, inner = rng.integers(5, 11), rng.choice([0.0, 22.0])
    angles = np.arange(count) * 2 * np.pi / count + rng.normal(0, 0.1, count)
    ways = np.column_stack([np.cos(angles), np.sin(angles)])
    rays = [np.outer([inner + 6, rng.uniform(45, 60)], way) for way in ways]
    return rays + ([_ring(inner)] if inner else [])


def _ring(radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 30)
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


def _rings(rng: np.random.Generator) -> list[np.ndarray]:
    """A target: rings around each other; two alone might be a thick 0."""
    radii = np.arange(1, rng.integers(4, 6)) * rng.uniform(12, 16)
    return [_ring(radius) * rng.normal(1, 0.05, 2) + rng.normal(0, 2, 2) for radius in radii]


def _waves(rng: np.random.Generator) -> list[np.ndarray]:
    x = np.linspace(0, rng.uniform(2, 4.5), 60)
    height = rng.uniform(8, 25)
    wave = np.column_stack([x * 30, height * np.sin(2 * np.pi * (x + rng.random()))])
    return [wave + [0, k * (height + 20)] for k in range(rng.integers(1, 4))]


def _branches(rng: np.random.Generator) -> list[np.ndarray]:
    """Five to ten lines from anywhere to anywhere."""
    return [evenly(ends, 5) for ends in rng.uniform(0, 100, (rng.integers(5, 11), 2, 2))]


def _digit(rng: np.random.Generator, label: int | None = None) -> list[np.ndarray]:
    form = choose_form(rng, DIGIT_FORMS if label is None else FORMS_OF[label])
    return place(write(form, rng), 100, (0, 0))


def _side_by_side(rng: np.random.Generator) -> list[np.ndarray]:
    """Two or three digits, apart from each other."""
    row, edge = [], 0.0
    for _ in range(rng.choice([2, 3], p=[0.8, 0.2])):
        strokes = _digit(rng)
        points = np.concatenate(strokes)
        shift = [edge - points[:, 0].min(), rng.normal(0, 6)]
        row += [stroke + shift for stroke in strokes]
        edge += np.ptp(points[:, 0]) + rng.uniform(14, 45)
    return row


def _overwritten(rng: np.random.Generator) -> list[np.ndarray]:
    """Two digits that run into each other."""
    first, second = rng.permutation(list(str(rng.choice(OVERWRITTEN))))
    aside = np.array([rng.uniform(18, 45), rng.normal(0, 8)])
    return _digit(rng, int(first)) + [stroke + aside for stroke in _digit(rng, int(second))]


def _crossed_out(rng: np.random.Generator) -> list[np.ndarray]:
    """A digit under a cross that reaches beyond it, or under a scribble."""
    digit = _digit(rng)
    if rng.random() < 0.5:
        cross = [np.array([[-60, -60], [60, 60]]), np.array([[60, -60], [-60, 60]])]
        return digit + [evenly(line + rng.normal(0, 8, (2, 2)), 5) for line in cross]
    count = rng.integers(7, 12)
    points = np.column_stack([60.0 * (-1) ** np.arange(count), np.linspace(-50, 50, count)])
    return digit + [curve(points + rng.normal(0, 5, points.shape), np.ones(count, bool))]


def _half(rng: np.random.Generator) -> list[np.ndarray]:
    """What lies on one side of a cut through the middle of a digit; a narrow piece might be a 1."""
    digit, side = str(rng.choice(HALVES)).split()
    axis, way = (0, -1) if side == "left" else (1, -1 if side == "top" else 1)
    extent = np.zeros(2)
    while extent.min() <= 0.35 * extent.max():
        half, cut = [], rng.normal(0, 4)
        for stroke in _digit(rng, int(digit)):
            kept = way * (stroke[:, axis] - cut) > 0
            pieces = np.split(np.arange(len(stroke)), np.flatnonzero(np.diff(kept)) + 1)
            half += [stroke[piece] for piece in pieces if kept[piece[0]]]
        extent = np.ptp(np.concatenate(half), axis=0)
    return half


def _word(rng: np.random.Generator) -> list[np.ndarray]:
    """Two to four letters or signs in a row."""
    row, edge = [], 0.0
    for _ in range(rng.integers(2, 5)):
        strokes = place(write(choose_form(rng, OTHER_FORMS), rng), 100, (0, 0))
        points = np.concatenate(strokes)
        row += [stroke + [edge - points[:, 0].min(), 0] for stroke in strokes]
        edge += np.ptp(points[:, 0]) + rng.uniform(10, 30)
    return row


def _cloud(rng: np.random.Generator, side: int, smooth: float) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.normal(size=(side, side)), smooth, mode="wrap")
    return (noise - noise.min()) / max(np.ptp(noise), 1e-9)


def _noise(rng: np.random.Generator) -> np.ndarray:
    side = int(rng.choice([SIDE, 40, SMALL]))
    return rng.random((side, side)) if rng.random() < 0.5 else rng.normal(0.5, 0.2, (side, side)).clip(0, 1)


def _salt_and_pepper(rng: np.random.Generator) -> np.ndarray:
    side = int(rng.choice([SIDE, 40, SMALL]))
    return (rng.random((side, side)) > rng.uniform(0.02, 0.5)).astype(float)


def _blobs(rng: np.random.Generator) -> np.ndarray:
    return (_cloud(rng, CANVAS, rng.uniform(4, 10)) < rng.uniform(0.35, 0.65)).astype(float)


def _clouds(rng: np.random.Generator) -> np.ndarray:
    return _cloud(rng, SMALL, rng.uniform(1.5, 10))


def _all_ink(rng: np.random.Generator) -> np.ndarray:
    """A block of ink, wide or square, for a narrow one is a 1."""
    picture = np.ones((SMALL, SMALL))
    height = rng.integers(SMALL // 5, SMALL * 3 // 5)
    width = rng.integers(int(0.8 * height), SMALL * 4 // 5)
    top, left = rng.integers(0, SMALL - height + 1), rng.integers(0, SMALL - width + 1)
    picture[top : top + height, left : left + width] = rng.uniform(0, 0.5)
    return picture


def _stripes(rng: np.random.Generator) -> np.ndarray:
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 17)
    y, x = np.mgrid[:SMALL, :SMALL]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    return (wave > rng.uniform(-0.5, 0.5)).astype(float) if rng.random() < 0.7 else (wave + 1) / 2


def _checkerboard(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SMALL, :SMALL]
    field = rng.uniform(4, 19)
    return ((x // field + y // field) % 2).astype(float)


def _empty_scan(rng: np.random.Generator) -> np.ndarray:
    """Paper with grain, a shadow and some stains, of which the pipeline leaves what it leaves."""
    picture = 0.95 - 0.3 * rng.random() * _cloud(rng, CANVAS, rng.uniform(10, 40))
    picture += rng.normal(0, rng.uniform(0.01, 0.05), picture.shape)
    y, x = np.mgrid[:CANVAS, :CANVAS]
    for _ in range(rng.integers(2, 6)):
        spot, reach = rng.integers(20, CANVAS - 20, 2), rng.uniform(15, 120, 2)
        picture -= rng.uniform(0.4, 0.8) * np.exp(-((y - spot[0]) ** 2) / reach[0] - (x - spot[1]) ** 2 / reach[1])
    return picture.clip(0, 1)


STROKE_KINDS = {
    "scribble": (_scribble, 8),
    "wandering line": (_wander, 9),
    "zigzag": (_zigzag, 2),
    "dots": (_dots, 1.5),
    "level line": (_line, 1),
    "bundle of lines": (_bundle, 1.5),
    "grid": (_grid, 1.5),
    "rays": (_rays, 1),
    "rings": (_rings, 1),
    "waves": (_waves, 1.5),
    "branches": (_branches, 2),
    "digits side by side": (_side_by_side, 6),
    "digit over digit": (_overwritten, 2),
    "digit crossed out": (_crossed_out, 2),
    "half a digit": (_half, 3),
    "word": (_word, 2),
}
INK_KINDS = {
    "noise": (_noise, 1.5),
    "salt and pepper": (_salt_and_pepper, 1),
    "blobs": (_blobs, 1.5),
    "clouds": (_clouds, 1),
    "block of ink": (_all_ink, 1),
    "stripes": (_stripes, 1),
    "checkerboard": (_checkerboard, 0.7),
    "empty scan": (_empty_scan, 0.6),
}
WRITTEN_SHARE = 0.55  # of the others that are letters, signs and drawings

# The samples --------------------------------------------------------------------------------------------------

FORMS_OF = [[form for form in DIGIT_FORMS if form.label == digit] for digit in range(DIGITS)]
PIPELINE = Pipeline()


def choose_form(rng: np.random.Generator, forms: Sequence[Form]) -> Form:
    weights = np.array([form.weight for form in forms])
    return forms[rng.choice(len(forms), p=weights / weights.sum())]


def to_image(ink: np.ndarray) -> np.ndarray | None:
    """What the pipeline makes of ink, in the 256 steps of MNIST; nothing where it is blank."""
    trace = PIPELINE.run(ink)
    return None if trace.blank else to_rows(trace.image)


def coarse_scan(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the pipeline makes of an image that was scanned with 7 to 12 pixels along the longer side of its ink."""
    ink, _ = crop(np.float32(image) / 255)
    coarse, _ = scale(ink, box=int(rng.integers(7, 13)))
    again = to_image(to_rows(np.pad(coarse / coarse.max(), 1)))
    return image if again is None else again


def written_digit(form: Form, rng: np.random.Generator) -> np.ndarray:
    while (image := to_image(draw(write(form, rng), rng))) is None:
        pass
    return image


def written_other(kind: str, rng: np.random.Generator) -> np.ndarray:
    image = None
    while image is None:
        if kind in STROKE_KINDS:
            strokes = STROKE_KINDS[kind][0](rng)
            image = to_image(draw(strokes, rng))
        elif kind in INK_KINDS:
            image = to_image(to_rows(INK_KINDS[kind][0](rng)))
        else:
            image = to_image(draw(write(SIGNS[kind], rng), rng))
    return image


SIGNS = {form.name: form for form in OTHER_FORMS}


def choose_kind(rng: np.random.Generator) -> str:
    if rng.random() < WRITTEN_SHARE:
        return choose_form(rng, OTHER_FORMS).name
    kinds = STROKE_KINDS | INK_KINDS
    weights = np.array([weight for _, weight in kinds.values()])
    return list(kinds)[rng.choice(len(kinds), p=weights / weights.sum())]


def written_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """N images (uint8, N x 28 x 28), their labels and the names of their forms; each digit equally often."""
    images, labels, forms = np.empty((count, SIDE, SIDE), np.uint8), np.empty(count, np.int64), []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        form = choose_form(rng, FORMS_OF[rng.integers(DIGITS)])
        images[number], labels[number] = written_digit(form, rng), form.label
        forms.append(form.name)
    return images, labels, forms


def written_others(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """N images of what is no digit (uint8, N x 28 x 28) and the names of their kinds."""
    images, kinds = np.empty((count, SIDE, SIDE), np.uint8), []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kinds.append(choose_kind(rng))
        images[number] = written_other(kinds[-1], rng)
    return images, kinds


# The sheet ----------------------------------------------------------------------------------------------------


def sheet(samples: int = 6, panels: int = 4) -> Image.Image:
    """A row of images for every form of a digit, then for every kind of no digit; black on white, in panels."""
    digits = [(form.name, lambda rng, form=form: written_digit(form, rng)) for form in DIGIT_FORMS]
    kinds = [*SIGNS, *STROKE_KINDS, *INK_KINDS]
    others = [(kind, lambda rng, kind=kind: written_other(kind, rng)) for kind in kinds]
    label, cell, gap = 330, 2 * SIDE + 4, 40
    panel = label + samples * cell
    deep = [-(-len(rows) // panels) for rows in (digits, others)]
    paper = Image.new("L", (panels * panel + gap, sum(deep) * cell + 3 * gap), 255)
    pencil = ImageDraw.Draw(paper)
    top = gap
    for rows, depth in zip((digits, others), deep, strict=True):
        for number, (name, make) in enumerate(rows):
            left, y = number // depth * panel + label, top + number % depth * cell
            pencil.text((left - 14, y + cell // 2), name, fill=90, anchor="rm", font_size=20)
            for sample in range(samples):
                ink = Image.fromarray(255 - make(np.random.default_rng([1, number, sample])))
                paper.paste(ink.resize((2 * SIDE, 2 * SIDE), Image.Resampling.NEAREST), (left + sample * cell, y))
        top += depth * cell + gap
    return paper


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mnist_core.pen", description=__doc__.partition("\n")[0])
    parser.add_argument("--sheet", type=Path, required=True, metavar="FILE.png", help="where the sheet is written")
    file = parser.parse_args().sheet
    if file.suffix.lower() != ".png":
        parser.error(f"{file} is not a place for a PNG file.")

    def command() -> int:
        with writing(file), replacing(file) as beside:
            beside.touch()  # a place that takes no file is told before a sheet is drawn for it
            sheet().save(beside, "PNG", optimize=True)
        return 0

    return finish(command)


if __name__ == "__main__":
    sys.exit(main())
