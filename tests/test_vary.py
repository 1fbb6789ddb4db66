"""The stress bench varies an image as it says, all positions at once, and leaves it alone where nothing is turned."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mnist_core.vary import DIALS, steady_range, vary


@pytest.fixture(scope="module")
def bar() -> np.ndarray:
    """A bar from the middle upwards."""
    bar = np.zeros((28, 28), dtype=np.float32)
    bar[4:14, 13:15] = 1
    return bar


def centre(image: torch.Tensor) -> tuple[float, float]:
    """Of mass, in pixels, right and down of the top left corner."""
    y, x = ndimage.center_of_mass(image.numpy())
    return x + 0.5, y + 0.5


@pytest.mark.parametrize("along", DIALS)
def test_at_rest_the_image_is_the_very_image(along, bar):
    positions = DIALS[along].positions
    at_rest = int(np.flatnonzero(positions == DIALS[along].usual)[0])
    images = vary(bar, {}, along)
    assert images.shape == (len(positions), 28, 28)
    assert np.array_equal(images[at_rest].numpy(), bar)
    assert np.array_equal(vary(bar, {})[0].numpy(), bar)


@pytest.mark.parametrize("along", DIALS)
def test_one_position_of_the_batch_is_the_image_varied_alone(along, bar):
    others = {"rotation": 10.0, "contrast": 0.8} if along not in ("rotation", "contrast") else {"size": 1.1}
    images = vary(bar, others, along)
    for place in (0, len(images) // 3, len(images) - 1):
        alone = vary(bar, {**others, along: DIALS[along].positions[place]})
        assert torch.allclose(images[place], alone[0], atol=1e-5)


@pytest.mark.parametrize("along", DIALS)
def test_every_position_differs_from_the_next_and_stays_in_range(along, bar):
    soft = ndimage.gaussian_filter(bar, 0.7) / 2
    images = vary(soft, {}, along)
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images[1:] - images[:-1]).abs().amax(dim=(1, 2)).min() > 0


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"rotation": 90}, (19, 14)),
        ({"right": 4}, (18, 9)),
        ({"down": -3}, (14, 6)),
        ({"slant": 0.5}, (16.5, 9)),
        ({"size": 0.5}, (14, 11.5)),
    ],
)
def test_a_bar_goes_where_the_dial_says(values, place, bar):
    assert centre(vary(bar, values)[0]) == pytest.approx(place, abs=0.1)


def test_a_thicker_pen_has_more_ink_and_a_thinner_one_less(bar):
    ink = vary(bar, {}, "pen").sum(dim=(1, 2))
    assert ink[0] < bar.sum() < ink[-1]


def test_the_noise_is_the_same_each_time(bar):
    assert torch.equal(vary(bar, {"noise": 0.5}), vary(bar, {"noise": 0.5}))


def test_noise_is_as_strong_as_the_dial_says():
    grey = np.full((28, 28), 0.5, dtype=np.float32)
    grain = vary(grey, {"noise": 0.1})[0] - 0.5
    assert float(grain.std()) == pytest.approx(0.1, rel=0.1)


def test_paler_ink_does_not_soften_the_noise():
    grey = np.full((28, 28), 0.9, dtype=np.float32)
    grain = vary(grey, {"noise": 0.1, "contrast": 0.5})[0] - 0.45
    assert float(grain.std()) == pytest.approx(0.1, rel=0.1)


def test_contrast_is_a_factor_of_all_ink(bar):
    np.testing.assert_array_equal(vary(bar / 4, {"contrast": 3})[0].numpy(), bar * 0.75)
    np.testing.assert_array_equal(vary(bar, {"contrast": 3})[0].numpy(), bar)


@pytest.mark.parametrize("dial", DIALS.values(), ids=DIALS)
def test_a_dial_goes_from_end_to_end_by_its_step(dial):
    assert (dial.positions[0], dial.positions[-1]) == (dial.low, dial.high)
    np.testing.assert_allclose(np.diff(dial.positions), dial.step)


def test_an_unknown_dial_is_named(bar):
    with pytest.raises(ValueError, match="loudness"):
        vary(bar, {"loudness": 11})


@pytest.mark.parametrize(
    ("digits", "here", "expected"),
    [([7, 7, 7], 1, (0, 2)), ([2, 7, 7, 1, 7], 2, (1, 2)), ([2, 7, 1], 1, (1, 1)), ([7, 2, 2], 2, (1, 2))],
)
def test_the_answer_is_steady_up_to_its_next_change(digits, here, expected):
    assert steady_range(np.array(digits), here) == expected
