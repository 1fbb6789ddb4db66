"""A line around points: a link brings the same images back, and nonsense in a link brings none."""

import math

import numpy as np
import plotly.graph_objects as go
import pytest

from pages.parts import loaders, state
from pages.parts.lasso import MOST, catch, fenced, fill, inside, is_written, read, simplify, write


def wobbly_ring(corners: int) -> np.ndarray:
    angles = np.linspace(0, 2 * math.pi, corners, endpoint=False)
    reach = 0.6 + 0.1 * np.sin(5 * angles)
    return np.column_stack([reach * np.cos(angles), reach * np.sin(angles)])


@pytest.fixture(scope="module")
def places() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (10_000, 2))


def times_around(place: np.ndarray, line: np.ndarray) -> int:
    """How often a line winds around a place: the sum of the angles under which its sides are seen."""
    seen = line - place
    angles = np.arctan2(seen[:, 1], seen[:, 0])
    turns = (np.roll(angles, -1) - angles + math.pi) % (2 * math.pi) - math.pi
    return round(turns.sum() / (2 * math.pi))


def test_what_lies_inside_is_what_the_line_winds_around(places):
    line = wobbly_ring(30)
    expected = [times_around(place, line) != 0 for place in places[:2000]]
    assert inside(places[:2000], line).tolist() == expected


def test_a_star_that_crosses_itself_has_a_hollow_middle_as_plotlys_lasso_has():
    angles = np.arange(5) * 4 * math.pi / 5
    star = np.column_stack([np.cos(angles), np.sin(angles)])
    assert inside(np.array([[0.0, 0.0], [0.7, 0.0], [0.95, 0.5]]), star).tolist() == [False, True, False]


def test_a_line_of_few_corners_catches_what_the_hand_drew_around(places):
    drawn = wobbly_ring(400)
    few = simplify(drawn)
    assert len(few) == MOST
    assert (inside(places, few) != inside(places, drawn)).mean() < 0.005


def test_what_is_written_in_an_address_is_read_back_and_needs_no_more_than_it_bears(places):
    text = write([wobbly_ring(400), 0.2 * wobbly_ring(50) + 0.5])
    assert is_written(text)
    assert len(text) < 1000
    ring, small = read(text)
    assert catch(text, places) == {*np.flatnonzero(inside(places, ring) | inside(places, small)).tolist()}
    assert write(read(text)) == text


def test_of_many_lines_the_first_ten_are_written_with_all_corners_among_them():
    rings = [wobbly_ring(400) / (1 + number) for number in range(12)]
    lines = read(write(rings))
    assert len(lines) == 10
    assert sum(map(len, lines)) <= MOST
    np.testing.assert_allclose(lines[9], simplify(rings[9], 3), atol=0.001)


def test_what_two_lines_go_around_is_caught_once_and_not_let_go_again():
    text = "0,0_0.4,0_0.4,0.4_0,0.4__0.2,0_0.6,0_0.6,0.4_0.2,0.4"
    assert catch(text, np.array([[0.1, 0.2], [0.3, 0.2], [0.5, 0.2], [0.7, 0.2]])) == {0, 1, 2}


@pytest.mark.parametrize(("drawn_on", "fences"), [("house", True), ("mlp", False), (None, True)])
def test_a_line_fences_only_on_the_map_that_it_was_drawn_on(drawn_on, fences, monkeypatch):
    address = {"lasso": "0,0_0.4,0_0.4,0.4_0,0.4"} | ({"map": drawn_on} if drawn_on else {})
    monkeypatch.setattr(state.st, "query_params", address)
    assert fenced("house", np.array([[0.1, 0.2], [0.5, 0.2]])) == ({0} if fences else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2",
        "0,0_1,1",
        "0,0_1,1_1",
        "0,0_1,1_nan,inf",
        "0,0_1,1_1e9,0",
        "<b>",
        "0,0_0,1_1,1__",
        "_".join(["0,0"] * 41),
        "٠,٠_١,١_١,٠",
    ],
)
def test_nonsense_in_an_address_is_no_line(text):
    assert not is_written(text)


def test_a_map_with_a_line_on_it_is_drawn_once_for_each_map_and_line(places):
    one, other = (go.Figure(go.Scatter(x=x, y=y)) for x, y in (places[:9].T, places[9:18].T))
    ring, small = wobbly_ring(30), 0.2 * wobbly_ring(50)
    drawn = loaders.outlined_figure(one, [ring])
    assert loaders.outlined_figure(one, [ring.copy()]) is drawn
    (selection,) = drawn.layout.selections
    corners = [corner.split(",") for corner in selection.path.strip("MZ").split("L")]
    np.testing.assert_array_equal(np.array(corners, dtype=float), ring)
    assert len(loaders.outlined_figure(one, [ring, small]).layout.selections) == 2
    assert loaders.outlined_figure(one, [small]).layout.selections != drawn.layout.selections
    assert loaders.outlined_figure(other, [ring]).data == other.data
    assert not one.layout.selections


@pytest.mark.parametrize("lines", [[], [np.zeros((2, 2))], [np.full((5, 2), 1e9)]])
def test_what_goes_around_nothing_is_not_written(lines):
    assert write(lines) == ""


def test_places_of_any_kind_fill_the_map_and_keep_their_shape():
    filled = fill(np.array([[100.0, 7.0], [300.0, 7.0], [200.0, 57.0]]))
    np.testing.assert_allclose(filled, [[-1, -0.25], [1, -0.25], [0, 0.25]])
