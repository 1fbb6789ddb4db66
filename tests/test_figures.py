"""The average images that are shipped are those of MNIST's training set."""

import numpy as np
import pytest

from mnist_core.data import Labelled, load_mnist, mnist_is_here
from mnist_core.figures import average_images, load_averages


def test_an_average_is_the_mean_of_one_digits_images():
    images = np.zeros((20, 28, 28), dtype=np.uint8)
    images[3], images[13] = 255, 51
    averages = average_images(Labelled(images, np.arange(20) % 10))
    assert averages.shape == (10, 28, 28)
    assert np.allclose(averages[3], (1 + 0.2) / 2)
    assert not averages[[0, 1, 2, 4, 5, 6, 7, 8, 9]].any()


def test_the_shipped_averages_are_ten_images():
    averages = load_averages()
    assert averages.shape == (10, 28, 28)
    assert averages.dtype == np.float32
    assert averages.min() >= 0
    assert averages.max() <= 1


@pytest.mark.skipif(not mnist_is_here(), reason="MNIST is not on this disk")
def test_the_shipped_averages_are_those_of_the_training_images():
    assert np.abs(load_averages() - average_images(load_mnist("train"))).max() < 0.0006
