"""Where a network puts the images: a map of the test set, and for each of its images the nearest training images.

    python -m mnist_core.neighbours [NAME ...]

computes both for the checkpoints named, or for all that have none yet, and writes NAME.map.npz beside the weights,
tied to them by their hash: some 0.2 MB each. On two CPU cores it takes about three minutes a checkpoint and needs
MNIST. The space is the network's last but one layer, from which the ten digits are told apart by straight lines.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from mnist_core.checkpoints import CHECKPOINTS, Card, CheckpointError, list_checkpoints, load_arrays, save_arrays
from mnist_core.classifier import infer
from mnist_core.command import CommandError, add_checkpoints, finish, load_classifier, writing
from mnist_core.data import Labelled, load_mnist
from mnist_core.preprocess import to_tensor

NEIGHBOURS = 8


@dataclass(frozen=True)
class Landscape:
    """N test images as one network sees them."""

    places: np.ndarray = field(repr=False)  # float32, N x 2; only who is beside whom means something
    neighbours: np.ndarray = field(repr=False)  # N x 8 numbers of training images, the nearest first
    labels: np.ndarray = field(repr=False)  # N x 8, their labels


def embed(model: nn.Sequential, tensors: Tensor) -> np.ndarray:
    """What the last layer is given for N x 1 x 28 x 28 tensors: N x features."""
    return infer(nn.Sequential(*list(model)[:-1]), tensors)


def nearest(points: np.ndarray, among: np.ndarray, count: int = NEIGHBOURS) -> tuple[np.ndarray, np.ndarray]:
    """For each point its distances to the rows of `among` that lie nearest to it, and which they are, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=count, algorithm="brute").fit(among).kneighbors(points)


def project(points: np.ndarray) -> np.ndarray:
    """N x features -> N x 2, with neighbours kept together."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if points.shape[1] > 50:
        points = PCA(50, random_state=0).fit_transform(points)
    places = TSNE(init="pca", random_state=0, max_iter=600).fit_transform(points)
    return places / np.abs(places).max()


def explore(model: nn.Sequential, train: Labelled, test: Labelled) -> Landscape:
    """The whole computation for one network."""
    there, here = (embed(model, to_tensor(labelled.images)) for labelled in (train, test))
    _, neighbours = nearest(here, there)
    return Landscape(project(here), neighbours, train.labels[neighbours])


def save_landscape(landscape: Landscape, card: Card, folder: Path = CHECKPOINTS) -> Path:
    path = Path(folder) / f"{card.name}.map.npz"
    save_arrays(
        path,
        places=landscape.places.astype(np.float16),
        neighbours=landscape.neighbours.astype(np.uint16),
        labels=landscape.labels.astype(np.uint8),
        sha256=card.sha256,
    )
    return path


def load_landscape(card: Card, folder: Path = CHECKPOINTS) -> Landscape:
    path = Path(folder) / f"{card.name}.map.npz"
    if not path.exists():
        raise CheckpointError(f"{path.name} is missing. `python -m mnist_core.neighbours` computes it.")
    places, neighbours, labels = load_arrays(path, card, "places", "neighbours", "labels")
    shapes = (places.shape, neighbours.shape, labels.shape)
    n = card.test.total
    if shapes != ((n, 2), (n, NEIGHBOURS), (n, NEIGHBOURS)):
        raise CheckpointError(f"{path.name} does not describe each of the {n} test images.")
    return Landscape(places.astype(np.float32), neighbours.astype(np.int64), labels.astype(np.int64))


def is_lacking(card: Card, folder: Path = CHECKPOINTS) -> bool:
    try:
        load_landscape(card, folder)
    except CheckpointError:
        return True
    return False


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mnist_core.neighbours", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="checkpoints (default: all that have no map yet)")
    add_checkpoints(parser)
    options = parser.parse_args(arguments)
    return finish(lambda: draw_maps(parser, options.names, options.checkpoints))


def draw_maps(parser: argparse.ArgumentParser, names: list[str], folder: Path) -> int:
    found, errors = list_checkpoints(folder)
    for error in errors:
        print(error, file=sys.stderr)
    cards = [card for card in found if card.data == "mnist"]
    if not (cards or names):
        raise CommandError(f"There is no checkpoint of MNIST in {folder}.")
    names = names or [card.name for card in cards if is_lacking(card, folder)]
    if not names:
        print("Every checkpoint has its map.")
        return 0
    classifiers = [load_classifier(parser, name, folder) for name in names]
    if strange := [each.card.name for each in classifiers if each.card.data != "mnist"]:
        raise CommandError(f"A map is one of MNIST, which {', '.join(strange)} was not trained on.")
    train, test = load_mnist("train"), load_mnist("test")
    for classifier in classifiers:
        landscape = explore(classifier.model, train, test)
        with writing("The map"):
            path = save_landscape(landscape, classifier.card, folder)
        print(f"{path.name}: {len(test.labels):,} images, {path.stat().st_size / 1000:.0f} KB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
