"""Augmentation changes an image as far as it was told and no further, and draws only from its own generator."""

from dataclasses import fields

import numpy as np
import pytest
import scipy.ndimage
import torch

from mnist_core.augment import Augmentation, _grown, augment
from mnist_core.data import load_embedded_digits
from mnist_core.preprocess import to_images

NOTHING = {field.name: 0.0 for field in fields(Augmentation)}


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return to_images(load_embedded_digits().images[:200])


@pytest.fixture(scope="module")
def bars() -> torch.Tensor:
    """200 times the same upright bar of 16 x 4 pixels, its middle in the middle of the image."""
    bars = torch.zeros(200, 28, 28)
    bars[:, 6:22, 12:16] = 1
    return bars


def varied(images: torch.Tensor, seed: int = 0, **limits: float) -> torch.Tensor:
    return augment(images, Augmentation(**{**NOTHING, **limits}), torch.Generator().manual_seed(seed))


def middles(images: torch.Tensor) -> np.ndarray:
    return np.array([scipy.ndimage.center_of_mass(image) for image in images.numpy()])


def leanings(images: torch.Tensor) -> np.ndarray:
    """The angle in degrees between the long axis of each image's ink and the vertical, from its second moments."""
    rows, columns = np.mgrid[:28, :28]
    angles = []
    for image, (row, column) in zip(images.numpy(), middles(images), strict=True):
        y, x = rows - row, columns - column
        angles.append(0.5 * np.arctan2(2 * (image * x * y).sum(), (image * (y * y - x * x)).sum()))
    return np.degrees(angles)


def test_images_keep_their_form_and_range(digits):
    out = augment(digits, Augmentation(), torch.Generator().manual_seed(1))
    assert (out.shape, out.dtype) == (digits.shape, torch.float32)
    assert out.min() >= 0
    assert out.max() <= 1
    assert out.amax(dim=(1, 2)).min() > 0.99, "the brightest ink stays white"
    assert (out - digits).abs().mean() > 0.02


def test_the_given_images_stay_as_they_are(digits):
    before = digits.clone()
    augment(digits, Augmentation(), torch.Generator().manual_seed(1))
    assert torch.equal(digits, before)


def test_a_generator_in_the_same_state_gives_the_same_images_and_one_in_another_state_does_not(digits):
    first, again = (augment(digits, Augmentation(), torch.Generator().manual_seed(1)) for _ in range(2))
    other = augment(digits, Augmentation(), torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_image_of_a_batch_is_changed_in_its_own_way(bars):
    out = augment(bars, Augmentation(), torch.Generator().manual_seed(1))
    assert len(torch.unique(out, dim=0)) == len(bars)


def test_nothing_is_drawn_from_the_random_stream_that_dropout_uses(digits):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    augment(digits, Augmentation(), torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_augmentation_is_almost_the_identity(digits):
    out = varied(digits)
    assert np.abs(middles(out) - middles(digits)).max() < 0.1
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98 for a, b in zip(out, digits, strict=True))


def test_blank_images_stay_blank(digits):
    out = augment(torch.zeros_like(digits), Augmentation(), torch.Generator().manual_seed(1))
    assert torch.equal(out, torch.zeros_like(digits))


def test_thicker_strokes_have_more_ink_and_thinner_ones_less(digits):
    plain, thicker, thinner = (
        varied(digits, **limits).sum((1, 2)) for limits in ({}, {"thicker": 2}, {"thinner": 0.9})
    )
    # About half the images draw the other direction, whose limit is 0 here: they stay as they were.
    assert (thicker >= plain - 1e-3).all()
    assert (thinner <= plain + 1e-3).all()
    assert 0.3 < (thicker > 1.05 * plain).float().mean() < 0.7
    assert 0.3 < (thinner < 0.97 * plain).float().mean() < 0.7


def test_a_stroke_gains_or_loses_as_many_pixels_as_was_said(bars):
    def width(images):
        return images[:, 13].sum(1)  # of ink in a row through the middle

    plain = width(varied(bars))
    assert plain == pytest.approx(4, abs=0.01)
    thicker, thinner = width(varied(bars, thicker=2.0)), width(varied(bars, thinner=0.9))
    assert thicker.max() == pytest.approx(6, abs=0.1)
    assert thinner.min() == pytest.approx(3.1, abs=0.1)


def test_a_shift_moves_the_ink_as_far_as_was_said_and_no_further(bars):
    moved = middles(varied(bars, shift=1.5)) - middles(bars)
    assert np.abs(moved).max() <= 1.5 + 0.01
    assert moved.max(axis=0) == pytest.approx([1.5, 1.5], abs=0.1)
    assert moved.min(axis=0) == pytest.approx([-1.5, -1.5], abs=0.1)


def test_a_rotation_turns_the_ink_as_far_as_was_said_and_leaves_it_in_its_place(bars):
    turned = varied(bars, rotation=12.0)
    angles = leanings(turned)
    assert np.abs(angles).max() <= 12.3
    assert (angles.min(), angles.max()) == pytest.approx((-12, 12), abs=0.8)
    assert np.abs(middles(turned) - middles(bars)).max() < 0.05


def test_a_shear_leans_the_ink_and_keeps_its_height(bars):
    sheared = varied(bars, shear=0.2)
    angles = leanings(sheared)
    limit = np.degrees(np.arctan(0.2))
    assert (angles.min(), angles.max()) == pytest.approx((-limit, limit), abs=1)
    heights = (sheared.amax(2) > 0.5).sum(1)
    assert set(heights.tolist()) == {16}


def test_a_scale_changes_height_and_width_each_on_its_own(bars):
    scaled = varied(bars, scale=0.12)
    heights, widths = scaled[:, :, 13].sum(1).numpy() / 16, scaled[:, 13].sum(1).numpy() / 4
    for sizes in (heights, widths):
        assert (sizes.min(), sizes.max()) == pytest.approx((0.88, 1.12), abs=0.02)
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.2


def test_bending_moves_ink_smoothly_and_no_further_than_told(bars):
    bent = varied(bars, bend=2.0)
    assert (bent != bars).any(dim=(1, 2)).all()
    outlines = bars[0].numpy() > 0
    reach = scipy.ndimage.distance_transform_edt(~outlines)
    inside = scipy.ndimage.distance_transform_edt(outlines)
    # Between the five places a side that are moved the spline may swing over by a quarter.
    assert not (bent > 0.01)[:, reach > 2 * 1.25 * np.sqrt(2) + 1].any()
    assert (bent > 0.5)[:, inside > 2 * 1.25 * np.sqrt(2) + 1].all()


def test_a_hole_is_a_square_of_at_most_the_side_told_in_every_second_image():
    full = torch.ones(2000, 28, 28)
    holes = varied(full, hole=9.0) == 0
    rubbed = holes.flatten(1).sum(dim=1)
    assert 0.4 < (rubbed > 0).float().mean() < 0.55
    assert rubbed.max() <= 100
    assert holes.any(dim=1).sum(dim=1).max() <= 10


def test_growing_is_the_maximum_of_a_neighbourhood():
    fine = torch.randn(3, 1, 56, 56, generator=torch.Generator().manual_seed(0))
    assert torch.equal(_grown(fine), torch.nn.functional.max_pool2d(fine, 3, stride=1, padding=1))
