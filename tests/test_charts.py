"""Charts show the numbers they are given, on axes that do not move."""

import numpy as np
import pytest

from mnist_core.evaluate import answered_above, evaluate
from mnist_core.words import percent
from pages.parts.charts import (
    ANSWER,
    MISTAKE,
    confusion_chart,
    history_chart,
    matrix_difference_chart,
    probabilities_chart,
)
from pages.parts.error_charts import map_chart, threshold_chart


def test_bars_are_the_probabilities_and_only_the_answer_has_the_accent():
    probabilities = np.linspace(0, 0.2, 10)
    bars = probabilities_chart(probabilities, 9).data[0]
    np.testing.assert_array_equal(bars.y, probabilities)
    assert [place for place, colour in enumerate(bars.marker.color) if colour == ANSWER] == [9]


def test_the_axes_of_the_bars_do_not_depend_on_the_answer():
    blank, sure = probabilities_chart(np.zeros(10), None), probabilities_chart(np.eye(10)[3], 3)
    assert blank.layout.yaxis.range == sure.layout.yaxis.range
    assert blank.layout.height == sure.layout.height
    assert list(blank.data[0].x) == list(sure.data[0].x)


def test_history_is_drawn_as_wrong_answers_in_a_hundred():
    history = [{"epoch": 1, "train_accuracy": 0.9, "validation_accuracy": 0.95}]
    training, validation = history_chart(history).data
    assert training.y[0] == pytest.approx(10)
    assert validation.y[0] == pytest.approx(5)


def test_one_mistake_stays_visible_beside_a_thousand_hits():
    matrix = np.diag(np.full(10, 1000))
    matrix[3, 5], matrix[4, 9] = 1, 100
    drawn = confusion_chart(matrix).data[0]
    assert drawn.z[3][5] >= 0.35
    assert drawn.z[4][9] == drawn.zmax
    assert drawn.z[0][1] == 0
    assert drawn.colorscale[-1][1] == MISTAKE
    assert drawn.hovertext[3][5] == "1 drawn as 3 and read as 5"


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, "100%"), (0.9999, ">99.9%"), (0.5, "50.0%"), (0.0001, "<0.1%"), (0.0, "0.0%"), (0.987, "98.7%")],
)
def test_a_share_is_never_rounded_to_certainty(share, words):
    assert percent(share) == words


def test_everything_that_can_be_clicked_says_which_label_and_answer_it_stands_for():
    matrix = np.arange(100).reshape(10, 10)
    _, cells, names = confusion_chart(matrix, pressable=True).data
    assert {tuple(place) for place in cells.customdata} == {(i, j) for i in range(10) for j in range(10)}
    assert all([y, x] == list(place) for x, y, place in zip(cells.x, cells.y, cells.customdata, strict=True))
    assert {tuple(place) for place in names.customdata} == {
        *((d, -1) for d in range(10)),
        *((-1, d) for d in range(10)),
    }


def test_the_cells_of_a_matrix_hold_counts_or_shares_and_the_diagonal_can_be_left_out():
    matrix = np.diag(np.full(10, 90))
    matrix[2, 7] = 10
    written = {(note.y, note.x): note.text for note in confusion_chart(matrix).layout.annotations}
    assert written == {(d, d): "90" for d in range(10)} | {(2, 7): "10"}
    shares = {
        (note.y, note.x): note.text for note in confusion_chart(matrix, "label", diagonal=False).layout.annotations
    }
    assert shares == {(2, 7): "10"}
    of_answer = {(n.y, n.x): n.text for n in confusion_chart(matrix, "answer").layout.annotations}
    assert (of_answer[2, 7], of_answer[2, 2]) == ("10", "100")


def test_a_difference_of_matrices_is_signed_and_named():
    difference = np.zeros((10, 10), dtype=int)
    difference[1, 7], difference[4, 9] = 3, -1
    drawn = matrix_difference_chart(difference, ("one", "two"))
    assert {note.text for note in drawn.layout.annotations} == {"+3", "-1"}
    assert drawn.data[0].z[1][7] == 1
    assert drawn.data[0].z[4][9] <= -0.35
    assert drawn.data[0].hovertext[4][9] == "4 read as 9: 1 fewer by two than by one"


def test_the_map_has_a_point_for_each_image_and_only_mistakes_are_red():
    labels, logits = np.array([0, 1, 2, 2]), np.eye(10)[[0, 7, 2, 2]]
    evaluation = evaluate(labels, logits)
    places = np.linspace(-1, 1, 8).reshape(4, 2)
    right, wrong = map_chart(places, evaluation, "right or wrong").data
    assert [point[0] for point in wrong.customdata] == [1]
    assert wrong.marker.color == MISTAKE
    assert right.marker.color not in (MISTAKE, ANSWER)
    by_label = map_chart(places, evaluation, "label").data
    assert sorted(point[0] for trace in by_label for point in trace.customdata) == [0, 1, 2, 3]
    assert len(by_label[2].x) == 2


def test_the_threshold_marker_lies_on_the_curve():
    rng = np.random.default_rng(0)
    evaluation = evaluate(rng.integers(0, 10, 300), 3 * rng.normal(size=(300, 10)))
    curve = answered_above(evaluation, np.linspace(0, 0.9, 10))
    line, marker = threshold_chart(curve, curve.iloc[4]).data
    assert (marker.x[0], marker.y[0]) == (line.x[4], line.y[4])
    assert line.y[0] == pytest.approx(100 * (evaluation["label"] != evaluation["digit"]).mean())
