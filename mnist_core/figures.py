"""MNIST in numbers, which pages show also where MNIST itself is not at hand: `python -m mnist_core.figures`.

Computed in some five minutes on one CPU core and shipped beside this file, over which the command writes: the average
digits of the 60,000 training images (averages.npz), and of all 70,000 what the data page shows (figures.npz). The page
joins the images where MNIST is.
"""

import argparse
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from mnist_core.architectures import DIGITS
from mnist_core.checkpoints import save_arrays
from mnist_core.command import add_checkpoints, finish, load_classifier, writing
from mnist_core.data import Labelled, load_mnist
from mnist_core.measure import MEASURES, histogram, measure
from mnist_core.neighbours import embed, nearest
from mnist_core.preprocess import to_images, to_tensor

AVERAGES = Path(__file__).with_name("averages.npz")
FIGURES = Path(__file__).with_name("figures.npz")
ENDS, TWINS = 40, 10  # images kept of the most and the least typical of a digit, and its pairs of near-duplicates
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Figures:
    """MNIST in numbers. Training images come before test images wherever both are meant."""

    labels: np.ndarray = field(repr=False)  # 70,000
    places: np.ndarray = field(repr=False)  # 70,000 x 2, on the two main axes of the training images
    explained: np.ndarray = field(repr=False)  # the share of all variance on each of these two
    spreads: np.ndarray = field(repr=False)  # 10 x 28 x 28, the standard deviation of each pixel
    histograms: np.ndarray = field(repr=False)  # measures x 2 halves x 10 digits x bins
    quantiles: np.ndarray = field(repr=False)  # measures x 10 digits x QUANTILES, of the training images
    typical: np.ndarray = field(repr=False)  # 10 x ENDS numbers of training images, the most typical first
    odd: np.ndarray = field(repr=False)  # 10 x ENDS, the least typical first
    typical_distances: np.ndarray = field(repr=False)
    odd_distances: np.ndarray = field(repr=False)
    network: str  # in whose space the distances are
    twins: np.ndarray = field(repr=False)  # 10 x TWINS pairs: a test image and the training image nearest to it
    twin_distances: np.ndarray = field(repr=False)
    same: int  # test images that are a training image, pixel by pixel
    training: int  # how many of all are training images


def average_images(labelled: Labelled) -> np.ndarray:
    """The mean of all images of each digit, 10 x 28 x 28 in [0, 1]."""
    return _of_each(labelled, np.mean)


def spread_images(labelled: Labelled) -> np.ndarray:
    """How far the images of each digit differ, pixel by pixel: their standard deviation."""
    return _of_each(labelled, np.std)


def _of_each(labelled: Labelled, reduce) -> np.ndarray:
    images = to_images(labelled.images).numpy()
    each = [images[labelled.labels == digit] for digit in range(DIGITS)]
    # A digit that is not there has no ink.
    return np.stack([reduce(own if len(own) else np.zeros_like(images[:1]), axis=0, dtype=np.float64) for own in each])


def ends(features: np.ndarray, labels: np.ndarray, count: int = ENDS) -> tuple[np.ndarray, ...]:
    """For each digit its most and its least typical images with their distances to the middle of the digit."""
    rows = []
    for digit in range(DIGITS):
        numbers = np.flatnonzero(labels == digit)
        own = features[numbers].astype(np.float64)
        distances = np.linalg.norm(own - own.mean(axis=0), axis=1)
        order = np.argsort(distances, kind="stable")
        near, far = order[:count], order[::-1][:count]
        rows.append((numbers[near], distances[near], numbers[far], distances[far]))
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


def closest_pairs(test: Labelled, train: Labelled, count: int = TWINS) -> tuple[np.ndarray, np.ndarray, int]:
    """Of each digit the test images that have the nearest training image: pairs, distances (root mean square of the
    difference of a pixel, 0 to 255) and how many of all test images are a training image."""
    here, there = (half.images.reshape(len(half.images), -1).astype(np.float32) for half in (test, train))
    (distance,), (twin,) = (found.T for found in nearest(here, there, 1))
    distance = distance / np.sqrt(here.shape[1])
    order = np.argsort(distance, kind="stable")
    kept = np.concatenate([order[test.labels[order] == digit][:count] for digit in range(DIGITS)])
    return np.stack([kept, twin[kept]], axis=1), distance[kept], int((distance == 0).sum())


def portray(train: Labelled, test: Labelled, features: np.ndarray, network: str) -> Figures:
    """All figures; `features` is where the network puts the training images."""
    from sklearn.decomposition import PCA

    pixels = [to_images(half.images).flatten(1).numpy() for half in (train, test)]
    axes = PCA(2, svd_solver="covariance_eigh").fit(pixels[0])
    tables = [measure(half.images).assign(label=half.labels) for half in (train, test)]
    counted = [
        [[histogram(table[name][table["label"] == d].to_numpy(), name) for d in range(DIGITS)] for table in tables]
        for name in MEASURES
    ]
    grouped = tables[0].groupby("label")
    typical, near, odd, far = ends(features, train.labels)
    twins, twin_distances, same = closest_pairs(test, train)
    return Figures(
        labels=np.concatenate([train.labels, test.labels]),
        places=np.concatenate([axes.transform(half) for half in pixels]),
        explained=axes.explained_variance_ratio_,
        spreads=spread_images(train),
        histograms=np.array(counted),
        quantiles=np.stack([grouped[name].quantile(QUANTILES).unstack().to_numpy() for name in MEASURES]),
        typical=typical,
        odd=odd,
        typical_distances=near,
        odd_distances=far,
        network=network,
        twins=twins,
        twin_distances=twin_distances,
        same=same,
        training=len(train.labels),
    )


def save_figures(figures: Figures, path: Path = FIGURES) -> None:
    kinds = {"labels": np.uint8, "histograms": np.uint16, "typical": np.uint16, "odd": np.uint16, "twins": np.uint16}
    arrays = {
        name: np.asarray(value).astype(kinds.get(name, np.float16)) if isinstance(value, np.ndarray) else value
        for name, value in asdict(figures).items()
    }
    save_arrays(path, **arrays)


def load_figures(path: Path = FIGURES) -> Figures:
    with np.load(path, allow_pickle=False) as file:
        found = {entry.name: file[entry.name] for entry in fields(Figures)}
    whole = ("labels", "histograms", "typical", "odd", "twins")
    arrays = {
        name: array.astype(np.int64 if name in whole else np.float32) for name, array in found.items() if array.ndim
    }
    numbers = {name: int(found[name]) for name in ("same", "training")}
    return Figures(**arrays, **numbers, network=str(found["network"]))


def load_averages(path: Path = AVERAGES) -> np.ndarray:
    with np.load(path, allow_pickle=False) as file:
        return file["averages"].astype(np.float32)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mnist_core.figures", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model",
        default="batchnorm_cnn",
        metavar="NAME",
        help="in whose space images are near or far (default: batchnorm_cnn)",
    )
    add_checkpoints(parser)
    options = parser.parse_args(arguments)

    def command() -> int:
        classifier = load_classifier(parser, options.model, options.checkpoints)
        train, test = load_mnist("train"), load_mnist("test")
        averages = average_images(train)
        figures = portray(train, test, embed(classifier.model, to_tensor(train.images)), classifier.card.name)
        with writing("The figures"):
            save_arrays(AVERAGES, averages=averages.astype(np.float16))
            save_figures(figures)
        print(f"Average images of the ten digits, {AVERAGES.stat().st_size / 1000:.0f} KB, in {AVERAGES.name}.")
        print(f"All that the data page shows, {FIGURES.stat().st_size / 1000:.0f} KB, in {FIGURES.name}.")
        print(f"Test images that are also training images: {figures.same}.")
        return 0

    return finish(command)


if __name__ == "__main__":
    sys.exit(main())
