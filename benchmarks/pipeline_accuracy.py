"""What the way from ink to image is worth: the accuracy of every shipped model on ink that went through it.

    python -m benchmarks.pipeline_accuracy --pen FOLDER [--every 10] [--only mnist pen places photographs print]

mnist        MNIST's test images enlarged ten times, by repeating pixels and smoothly: how far from the original
             they come back, and the accuracy that costs
pen          digits written with a pen, drawn on the canvas at 35 to 85 % of it, anywhere, with every stroke width;
             beside the house's pipeline the two shortcuts, the whole canvas shrunk and the box centred
places       every third of the same digits by size and by place on the canvas: both should be flat
photographs  every thirtieth of them on paper, in synthetic photographs
print        digits of all typefaces under --fonts, black on white, as on a screenshot

The pen digits are described in benchmarks/pen.py; --every 1 takes all of them. Ink goes through the pipeline once for
all models, in two processes; the whole takes about 6 minutes on two cores, pen with --every 1 alone 20.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from benchmarks.pen import WIDTHS, PenDigit, add_pen_argument, canvas_of, ensure_pen, read_pen_digits
from benchmarks.photographs import SCENES, photograph
from benchmarks.processes import Each, two_processes
from benchmarks.tables import Tables, percent
from mnist_core.architectures import DIGITS, SIDE
from mnist_core.checkpoints import list_checkpoints, load_checkpoint
from mnist_core.classifier import infer
from mnist_core.command import add_checkpoints
from mnist_core.data import load_mnist
from mnist_core.preprocess import BOXED, NAIVE, Pipeline, to_images, to_tensor
from mnist_core.strokes import CANVAS_SIDE, place_within, render

WAYS = {"pipeline": Pipeline(), "box centred": BOXED, "whole canvas": NAIVE}
SIZES = (0.2, 0.35, 0.5, 0.65, 0.85, 1.0)
PLACES = {
    f"{row} {column}".strip(): (x, y)
    for y, row in ((0, "top"), (0.5, ""), (1, "bottom"))
    for x, column in ((0, "left"), (0.5, "middle"), (1, "right"))
}
Models = dict[str, nn.Module]
TABLES = Tables()


def enlarged(image: np.ndarray, smoothly: bool) -> np.ndarray:
    side = 10 * SIDE
    filter = Image.Resampling.BICUBIC if smoothly else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image).resize((side, side), filter))


def from_enlarged(image: np.ndarray, smoothly: bool) -> np.ndarray:
    return WAYS["pipeline"].run(enlarged(image, smoothly)).image


def from_canvas(numbered: tuple[int, PenDigit], width: float) -> np.ndarray:
    """One image for each of the ways, from the same canvas."""
    canvas = canvas_of(numbered, width)
    return np.stack([way.run(canvas).image for way in WAYS.values()])


def from_place(digit: PenDigit, size: float, place: tuple[float, float], width: float = 16) -> np.ndarray:
    return WAYS["pipeline"].run(render(place_within(digit.strokes, size * CANVAS_SIDE, place, width), width)).image


def from_photograph(numbered: tuple[int, PenDigit], scene: str) -> np.ndarray:
    number, digit = numbered
    return WAYS["pipeline"].run(photograph(digit.strokes, np.random.default_rng(number), **SCENES[scene])).image


def printed(typeface: Path) -> list[Image.Image]:
    """The ten digits, black on white; none where the typeface lacks them and draws the same box for each."""
    font = ImageFont.truetype(typeface, 220)
    if len({bytes(font.getmask(str(digit))) for digit in range(DIGITS)}) < DIGITS:
        return []
    pages = [Image.new("L", (400, 400), 255) for _ in range(DIGITS)]
    for digit, page in enumerate(pages):
        ImageDraw.Draw(page).text((200, 200), str(digit), 0, font, "mm")
    return pages


def from_print(page: Image.Image) -> np.ndarray:
    return WAYS["pipeline"].run(page).image


def accuracies(models: Models, images: np.ndarray, labels: np.ndarray) -> Iterator[float]:
    """Of each model; where the pipeline found nothing, no answer is the right one."""
    found = images.any(axis=(1, 2))
    for model in models.values():
        yield float(((infer(model, to_tensor(images)).argmax(axis=1) == labels) & found).mean())


def show_mnist(models: Models, each: Each) -> None:
    images, labels = load_mnist("test")
    TABLES.head("MNIST test, enlarged ten times", ["mean difference", *models])
    before = np.array(list(accuracies(models, to_images(images).numpy(), labels)))
    TABLES.row("as it is: accuracy", ["0", *percent(before)])
    for name, smoothly in (("repeated", False), ("smooth", True)):
        back = each(partial(from_enlarged, smoothly=smoothly), images)
        points = 100 * (before - np.array(list(accuracies(models, back, labels))))
        difference = np.abs(back - images / np.float32(255)).mean()
        TABLES.row(f"{name}: points lost", [f"{difference:.5f}", *(f"{point:.2f}" for point in points)])


def show_pen(models: Models, each: Each, digits: list[PenDigit], labels: np.ndarray) -> None:
    TABLES.head(
        f"{len(digits):,} pen digits on the canvas, by stroke width", [f"{n}, {way}" for n in models for way in WAYS]
    )
    totals = []
    for width in WIDTHS:
        images = each(partial(from_canvas, width=width), list(enumerate(digits)))
        shares = np.array([list(accuracies(models, images[:, way], labels)) for way in range(len(WAYS))]).T.ravel()
        totals.append(shares)
        TABLES.row(f"{width} pixels", percent(shares))
    TABLES.row("all", percent(np.mean(totals, axis=0)))


def show_places(models: Models, each: Each, digits: list[PenDigit], labels: np.ndarray) -> None:
    TABLES.head(f"{len(digits):,} pen digits by size and place, strokes of 16 pixels", models)
    for size in SIZES:
        images = each(partial(from_place, size=size, place=PLACES["middle"]), digits)
        TABLES.row(f"{size:.0%} of the canvas", percent(accuracies(models, images, labels)))
    for name, place in PLACES.items():
        images = each(partial(from_place, size=0.35, place=place), digits)
        TABLES.row(f"35 %, {name}", percent(accuracies(models, images, labels)))


def show_photographs(models: Models, each: Each, digits: list[PenDigit], labels: np.ndarray) -> None:
    TABLES.head(f"{len(digits):,} pen digits in synthetic photographs", models)
    clean = each(partial(from_place, size=0.5, place=PLACES["middle"], width=8), digits)
    TABLES.row("a clean canvas", percent(accuracies(models, clean, labels)))
    for scene in SCENES:
        images = each(partial(from_photograph, scene=scene), list(enumerate(digits)))
        TABLES.row(scene, percent(accuracies(models, images, labels)))


def show_print(models: Models, each: Each, folder: Path) -> None:
    pages = [page for path in sorted(folder.rglob("*.[to]tf")) for page in printed(path)]
    if not pages:
        print(f"\nThere are no typefaces in {folder}. Name a folder with --fonts.")
        return
    labels = np.arange(len(pages)) % DIGITS
    images = each(from_print, pages)
    TABLES.head(f"The digits of {len(pages) // DIGITS} typefaces", models)
    for digit in range(DIGITS):
        TABLES.row(str(digit), percent(accuracies(models, images[labels == digit], labels[labels == digit])))
    TABLES.row("all", percent(accuracies(models, images, labels)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("mnist", "pen", "places", "photographs", "print")
    add_pen_argument(parser)
    parser.add_argument("--every", type=int, default=10, metavar="N", help="take every N-th pen digit (default: 10)")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART", help=", ".join(parts))
    fonts = Path("/usr/share/fonts")
    parser.add_argument("--fonts", type=Path, default=fonts, metavar="FOLDER", help=f"for print (default: {fonts})")
    add_checkpoints(parser)
    options = parser.parse_args()
    if {*options.only} - {"mnist", "print"}:
        ensure_pen(parser, options)
    cards, _ = list_checkpoints(options.checkpoints)
    models = {card.name: load_checkpoint(card.name, options.checkpoints)[0] for card in cards}
    with two_processes() as each:
        if "mnist" in options.only:
            show_mnist(models, each)
        if "print" in options.only:
            show_print(models, each, options.fonts)
        # Size, place and photographs are measured many times over, so fewer digits do.
        for part, show, every in (
            ("pen", show_pen, options.every),
            ("places", show_places, 3 * options.every),
            ("photographs", show_photographs, 30 * options.every),
        ):
            if part in options.only:
                digits = read_pen_digits(options.pen, every)
                show(models, each, digits, np.array([digit.label for digit in digits]))


if __name__ == "__main__":
    main()
