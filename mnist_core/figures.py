"""Figures about MNIST that pages show where MNIST itself is not at hand: `python -m mnist_core.figures`.

Computed from the 60,000 training images and shipped beside this file, 20 KB: the average image of each digit.
"""

from pathlib import Path

import numpy as np

from mnist_core.data import Labelled, load_mnist
from mnist_core.preprocess import to_images

AVERAGES = Path(__file__).with_name("averages.npz")


def average_images(labelled: Labelled) -> np.ndarray:
    """The mean of all images of each digit, 10 x 28 x 28 in [0, 1]."""
    images = to_images(labelled.images).numpy()
    return np.stack([images[labelled.labels == digit].mean(axis=0, dtype=np.float64) for digit in range(10)])


def load_averages(path: Path = AVERAGES) -> np.ndarray:
    with np.load(path, allow_pickle=False) as file:
        return file["averages"].astype(np.float32)


def main() -> None:
    averages = average_images(load_mnist("train"))
    np.savez_compressed(AVERAGES, averages=averages.astype(np.float16))
    print(f"Average images of the ten digits, {AVERAGES.stat().st_size / 1000:.0f} KB, in {AVERAGES}.")


if __name__ == "__main__":
    main()
