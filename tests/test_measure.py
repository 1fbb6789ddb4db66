"""What is measured of an image is what a ruler would say of it, and scipy of its moments."""

import numpy as np
import pytest
from scipy import ndimage

from mnist_core.measure import MEASURES, histogram, measure, slant
from mnist_core.strokes import render


def ring(width: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 80)
    return drawn([[(14 + 8 * np.cos(a), 14 + 8 * np.sin(a)) for a in angles]], width)


def drawn(strokes: list, width: float) -> np.ndarray:
    return 1 - render(strokes, width, 28, 8)[..., 0] / np.float32(255)


@pytest.mark.parametrize("width", [2.0, 3.0, 4.0])
def test_the_thickness_of_a_ring_is_its_pens(width):
    found = measure(ring(width)[None]).iloc[0]
    assert found["thickness"] == pytest.approx(width, abs=0.12)
    assert found["ink"] == pytest.approx(2 * np.pi * 8 * width, rel=0.06)
    assert list(found[["width", "height"]]) == pytest.approx([16 + width] * 2, abs=1.01)


def test_width_and_height_reach_from_the_first_to_the_last_ink_of_more_than_half_strength():
    bar = np.zeros((28, 28))
    bar[5:15, 10:14] = 1
    bar[4, 10:14], bar[5:15, 14] = 0.6, 0.4
    bar[8], bar[:, 12] = 0, 0
    assert list(measure(bar[None]).iloc[0][["width", "height"]]) == [4, 11]


@pytest.mark.parametrize("lean", [-8, -3, 0, 5])
def test_the_slant_of_a_line_is_its_angle(lean):
    line = drawn([[(14 - lean / 2, 23), (14 + lean / 2, 5)]], 1.5)
    assert slant(line[None])[0] == pytest.approx(np.degrees(np.arctan(lean / 18)), abs=1)


def test_a_sheared_image_has_its_shear_as_slant():
    upright = ring(2.5)
    shear = 0.25  # columns a row
    middle = 13.5
    bent = ndimage.affine_transform(upright, [[1, 0], [shear, 1]], offset=[0, -shear * middle], order=1)
    assert slant(bent[None])[0] == pytest.approx(np.degrees(np.arctan(shear)), abs=1.5)


def test_bytes_and_shares_measure_the_same_and_a_blank_image_is_no_number():
    images = np.stack([ring(2), np.zeros((28, 28), dtype=np.float32)])
    shares, whole = measure(images), measure(np.uint8(np.round(images * 255)))
    assert np.allclose(shares.iloc[0], whole.iloc[0], rtol=0.01)
    assert shares.iloc[1].isna().sum() == len(MEASURES) - 1
    assert shares["ink"][1] == 0
    assert len(measure(images[:0])) == 0


def test_a_histogram_counts_everything_once_and_what_lies_beyond_the_chart_at_its_end():
    low, high = MEASURES["slant"][2]
    counts = histogram(np.array([-500.0, low, (low + high) / 2 + 0.1, 1e9, np.nan]), "slant")
    assert {bin: count for bin, count in enumerate(counts) if count} == {0: 2, 30: 1, 59: 1}
