"""The sets of images that the data page looks at: MNIST's two halves, the scanned digits, the visitor's drawings.

Every image of MNIST has one number: those of the training images come first, then the test images.
"""

from dataclasses import dataclass, field

import numpy as np

from mnist_core.data import Labelled
from mnist_core.figures import Figures
from mnist_core.pictures import png, read_png
from mnist_core.words import with_article
from pages.parts import loaders, state
from pages.parts.gallery import Picture, Words
from pages.parts.pictures import data_address, placeholder

TRAINING, TEST, SCANS, DRAWINGS = "Training images", "Test images", "Scanned digits", "Your drawings"
SETS = [TRAINING, TEST, SCANS, DRAWINGS]
FIRST_SCAN, FIRST_DRAWING = 100_000, 200_000


@dataclass(frozen=True)
class Holding:
    """One set of images with their labels; the images are None where MNIST is not at hand."""

    name: str
    labels: np.ndarray = field(repr=False)
    images: np.ndarray | None = field(repr=False)
    first: int = 0  # the number of its first image

    def picture(self, number: int, caption: str | None = None) -> Picture:
        row = number - self.first
        label = int(self.labels[row])
        if self.images is None:
            content, end = placeholder(f"{label}?"), " (the image is not at hand)"
        else:
            content, end = png(self.images[row] / 255, 6), ""
        words = f"{self.called(number)}, {with_article(label)}{end}."
        return Picture(number, data_address(content), (Words(caption or str(label)),), words)

    def has(self, number: int) -> bool:
        return 0 <= number - self.first < len(self.labels)

    def called(self, number: int) -> str:
        place = number - self.first + (self.name == DRAWINGS)  # nobody draws a zeroth
        return f"{self.name.removesuffix('s')} {place:,}"


def holding(name: str, figures: Figures) -> Holding:
    if name == TRAINING:
        return Holding(name, figures.labels[: figures.training], loaders.training_images())
    if name == TEST:
        return Holding(name, figures.labels[figures.training :], loaders.mnist_test_images(), figures.training)
    if name == SCANS:
        scans = loaders.scans()
        return Holding(name, scans.labels, scans.images, FIRST_SCAN)
    drawings = own_images()
    return Holding(name, drawings.labels, drawings.images, FIRST_DRAWING)


def holding_of(number: int, figures: Figures) -> Holding | None:
    """The set that a number belongs to; None where no image has it."""
    name = TRAINING if number < figures.training else TEST
    if number >= FIRST_SCAN:
        name = SCANS if number < FIRST_DRAWING else DRAWINGS
    found = holding(name, figures)
    return found if found.has(number) else None


def own_images() -> Labelled:
    """What the visitor drew and judged in this visit."""
    drawings = state.own_drawings()
    images = np.zeros((len(drawings), 28, 28), dtype=np.uint8)
    for image, drawing in zip(images, drawings, strict=True):
        image[:] = read_png(drawing.picture)
    return Labelled(images, np.array([drawing.label for drawing in drawings], dtype=np.int64))
