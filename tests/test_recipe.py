"""Holds what a recipe adds to its data, and how it changes images in the course of a run."""

import numpy as np
import pytest
import torch

from mnist_core import train
from mnist_core.augment import Augmentation
from mnist_core.data import Labelled, Splits, load_embedded_digits
from mnist_core.pen import coarse_scan, written_digits
from mnist_core.train import RECIPES, Recipe, Run, fit, with_own_pen


@pytest.fixture(scope="module")
def data() -> Labelled:
    images, labels = load_embedded_digits()
    return Labelled(images[:200], labels[:200])


def test_a_recipe_without_a_pen_leaves_the_data_as_they_are(data):
    images, labels = with_own_pen(data, Recipe("mlp", epochs=1))
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(labels, data.labels)


def test_the_pen_adds_its_digits_scans_of_both_and_what_is_no_digit_under_the_label_ten(data):
    images, labels = with_own_pen(data, Recipe("mlp", epochs=1, written=30, scanned=230, others=20))
    assert len(images) == len(labels) == 200 + 30 + 230 + 20
    np.testing.assert_array_equal(images[200:230], written_digits(30, seed=1)[0])
    # Every digit once more, in another order, with its own label.
    assert sorted(labels[230:460]) == sorted(labels[:230])
    assert (labels[460:] == 10).all()


def test_the_same_seed_adds_the_same_scans_and_another_seed_others(data):
    def scans(seed: int) -> np.ndarray:
        return with_own_pen(data, Recipe("mlp", epochs=1, seed=seed, scanned=40)).images[200:]

    np.testing.assert_array_equal(scans(1), scans(1))
    assert (scans(1) != scans(2)).any()


def test_a_coarse_scan_fills_the_box_of_the_house_and_is_smoother_than_its_image():
    def roughness(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image.astype(float), n=2, axis=1)).mean())

    images, _, _ = written_digits(60, seed=4)
    rng = np.random.default_rng(0)
    scans = [coarse_scan(image, rng) for image in images]
    for scan in scans:
        rows, columns = (np.flatnonzero(scan.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert (scan.dtype, scan.max()) == (np.uint8, 255)
    assert np.mean([roughness(scan) for scan in scans]) < 0.6 * np.mean([roughness(image) for image in images])
    alike = [np.corrcoef(scan.ravel(), image.ravel())[0, 1] for scan, image in zip(scans, images, strict=True)]
    assert np.median(alike) > 0.8


def test_changes_are_as_many_times_as_strong_as_told():
    half = RECIPES["house"].augmentation.times(0.5)
    assert (half.rotation, half.thicker, half.hole) == (5, 0.75, 2)
    assert Augmentation().times(1) == Augmentation()


def test_changes_shrink_to_nothing_over_the_last_share_of_a_run(data, monkeypatch):
    strengths = []
    monkeypatch.setattr(
        train, "augment", lambda images, augmentation, generator: strengths.append(augmentation.rotation) or images
    )
    augmentation = Augmentation(rotation=10)
    recipe = Recipe("mlp", epochs=5, batch_size=100, augmentation=augmentation, fade=0.4)
    run = Run.start(recipe, "embedded", torch.device("cpu"))
    list(fit(run, Splits(train=data, validation=data, test=data)))
    assert strengths[::2] == pytest.approx([10, 10, 10, 10, 5])
    strengths.clear()
    run = Run.start(Recipe("mlp", epochs=2, batch_size=100, augmentation=augmentation), "embedded", torch.device("cpu"))
    list(fit(run, Splits(train=data, validation=data, test=data)))
    assert strengths == [10] * 4
