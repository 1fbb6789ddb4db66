"""Holds the drawing of strokes against lengths and places that can be worked out by hand."""

import numpy as np
import pytest
from scipy import ndimage

from mnist_core.strokes import CANVAS_SIDE, curve, evenly, place, place_within, render, soften


def ink_of(canvas: np.ndarray) -> np.ndarray:
    return 1 - canvas[..., 0] / 255


def test_placing_brings_the_longer_side_to_its_size_and_keeps_the_shape():
    (stroke,) = place([[(5, 5), (9, 13)]], 100, (140, 60))
    np.testing.assert_allclose(stroke, [(115, 10), (165, 110)])


def test_strokes_are_placed_together():
    one, other = place([[(0, 0), (2, 0)], [(1, 4)]], 40, (50, 50))
    np.testing.assert_allclose(one, [(40, 30), (60, 30)])
    np.testing.assert_allclose(other, [(50, 70)])


def test_a_dot_alone_is_placed_in_the_middle():
    np.testing.assert_allclose(place([[(3, 8)]], 100, (10, 20)), [[(10, 20)]])


@pytest.mark.parametrize("where", [(0, 0), (0.5, 0.3), (1, 1)])
def test_placed_within_a_canvas_a_stroke_stays_on_it_with_its_width(where):
    (stroke,) = place_within([[(5, 5), (9, 13)]], 100, where, width=20)
    low, high = stroke.min(axis=0) - 10, CANVAS_SIDE - (stroke.max(axis=0) + 10)
    np.testing.assert_allclose(low / (low + high), where, atol=1e-12)
    assert np.ptp(stroke, axis=0).max() == pytest.approx(100)


def test_a_canvas_is_black_ink_on_white_as_a_browser_sends_it():
    canvas = render([[(40, 140), (240, 140)]], 20)
    assert canvas.shape == (CANVAS_SIDE, CANVAS_SIDE, 4)
    assert canvas.dtype == np.uint8
    assert (canvas[..., 3] == 255).all()
    assert (canvas[..., 0] == canvas[..., 1]).all()
    assert canvas[0, 0, 0] == 255
    assert canvas[140, 140, 0] == 0


@pytest.mark.parametrize("width", [4, 7, 16, 40])
def test_a_line_has_its_width_and_round_ends(width):
    ink = ink_of(render([[(60, 140), (220, 140)]], width))
    assert ink[:, 140].sum() == pytest.approx(width, abs=0.6)
    assert ink.sum() == pytest.approx(160 * width + np.pi * width**2 / 4, rel=0.05)


@pytest.mark.parametrize("width", [4, 16, 40])
def test_a_dot_is_a_disc_of_the_width_of_the_pen(width):
    ink = ink_of(render([[(100, 180)]], width))
    assert ink.sum() == pytest.approx(np.pi * width**2 / 4, rel=0.2)
    # A pixel's centre lies half a pixel to the right and below its corner.
    np.testing.assert_allclose(np.array(ndimage.center_of_mass(ink)) + 0.5, (180, 100), atol=0.3)


def test_a_bend_has_no_notch():
    ink = ink_of(render([[(60, 200), (140, 80), (220, 200)]], 30))
    assert ink[80 - 12, 140] == 1
    assert ndimage.label(ink > 0.5)[1] == 1


def test_ink_beyond_the_canvas_is_cut_off():
    ink = ink_of(render([[(-50, 100), (400, 100)]], 10))
    assert ink[100].min() == 1
    assert not render([], 10)[..., 0].min() < 255


POINTS = np.array([(0, 0), (30, 50), (60, 10), (90, 80), (40, 100)], dtype=float)


def distance(line: np.ndarray, point: np.ndarray) -> float:
    return np.hypot(*(line - point).T).min()


@pytest.mark.parametrize("sharp", [(0, 0, 0, 0, 0), (0, 1, 0, 1, 0), (1, 1, 1, 1, 1)])
def test_a_curve_goes_through_all_its_points(sharp):
    line = curve(POINTS, np.array(sharp, dtype=bool))
    assert max(distance(line, point) for point in POINTS) < 1e-9
    np.testing.assert_allclose(line[[0, -1]], POINTS[[0, -1]])


def test_a_curve_turns_at_once_only_where_it_is_sharp():
    def sharpest_turn(sharp: list[bool]) -> float:
        way = np.diff(curve(POINTS[:3], np.array(sharp), steps=32), axis=0)
        angles = np.unwrap(np.arctan2(*way.T))
        return np.abs(np.diff(angles)).max()

    before, after = np.diff(POINTS[:3], axis=0)
    angle = np.arccos(before @ after / np.hypot(*before) / np.hypot(*after))
    assert sharpest_turn([False, True, False]) == pytest.approx(angle)
    assert sharpest_turn([False, False, False]) < angle / 2


def test_two_points_are_joined_by_a_straight_line():
    line = curve(POINTS[:2], np.zeros(2, dtype=bool))
    np.testing.assert_allclose(line[:, 1], line[:, 0] * 5 / 3, atol=1e-9)


def test_a_line_in_even_points_keeps_its_ends_and_its_length():
    line = evenly(POINTS, 2.5)
    steps = np.hypot(*np.diff(line, axis=0).T)
    np.testing.assert_allclose(line[[0, -1]], POINTS[[0, -1]])
    assert steps.max() < 2.7
    assert steps.sum() == pytest.approx(np.hypot(*np.diff(POINTS, axis=0).T).sum(), rel=0.02)


@pytest.mark.parametrize("reach", [0, 1, 4, 20])
def test_softening_cuts_corners_and_keeps_ends_and_straight_lines(reach):
    bent = evenly(np.array([(0, 0), (30, 40), (60, 0)], dtype=float), 2.5)
    soft = soften(bent, reach)
    np.testing.assert_allclose(soft[[0, -1]], bent[[0, -1]], atol=1e-9)
    assert (distance(soft, np.array([30, 40])) > 0.5) == (reach > 0)
    straight = evenly(np.array([(0, 0), (60, 100)]), 2.5)
    np.testing.assert_allclose(soften(straight, reach), straight, atol=1e-9)
