"""Charts show the numbers they are given, on axes that do not move."""

import numpy as np
import pandas as pd
import pytest

from mnist_core.evaluate import answered_above, evaluate
from mnist_core.pictures import BELOW_AND_ABOVE
from mnist_core.words import percent
from pages.parts.charts import (
    ANSWER,
    MISTAKE,
    confusion_chart,
    difference_chart,
    history_chart,
    matrix_difference_chart,
    numbers_chart,
    probabilities_chart,
    sweep_chart,
)
from pages.parts.data_charts import HEIGHT, balance_chart, hills_chart, importance_chart, parallel_chart, search_chart
from pages.parts.error_charts import confidence_chart, map_chart, reliability_chart, threshold_chart


def test_bars_are_the_probabilities_and_only_the_answer_has_the_accent():
    probabilities = np.linspace(0, 0.2, 10)
    bars = probabilities_chart(probabilities, 9).data[0]
    np.testing.assert_array_equal(bars.y, probabilities)
    assert [place for place, colour in enumerate(bars.marker.color) if colour == ANSWER] == [9]


def test_the_axes_of_the_bars_do_not_depend_on_the_answer():
    blank, sure = probabilities_chart(np.zeros(10), None), probabilities_chart(np.eye(10)[3], 3)
    low, high = blank.layout.yaxis.range
    assert low == 0
    assert high > 1
    assert blank.layout.yaxis.range == sure.layout.yaxis.range
    assert blank.layout.height == sure.layout.height
    assert list(blank.data[0].x) == list(sure.data[0].x)


def test_a_bar_says_its_share_and_one_of_nothing_is_silent():
    words = probabilities_chart(np.array([0.996, 0.25, 0.004, *[0] * 7]), 0).data[0].text
    assert words == (">99%", "25%", *[""] * 8)


def test_history_is_drawn_as_wrong_answers_in_a_hundred():
    history = [{"epoch": 1, "train_accuracy": 0.9, "validation_accuracy": 0.95}]
    training, validation = history_chart(history).data
    assert training.y[0] == pytest.approx(10)
    assert validation.y[0] == pytest.approx(5)


def test_an_epoch_without_a_mistake_has_a_place_on_the_logarithmic_axis_and_is_called_none():
    (training, _) = history_chart([{"epoch": 1, "train_accuracy": 1.0, "validation_accuracy": 0.95}]).data
    assert training.y[0] > 0
    assert training.customdata[0] == 0


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
    chart = confusion_chart(matrix, pressable=True)
    _, cells, names = chart.data
    assert {tuple(place) for place in cells.customdata} == {(i, j) for i in range(10) for j in range(10)}
    assert all([y, x] == list(place) for x, y, place in zip(cells.x, cells.y, cells.customdata, strict=True))
    assert {tuple(place) for place in names.customdata} == {
        *((d, -1) for d in range(10)),
        *((-1, d) for d in range(10)),
    }
    told = {tuple(place): words for place, words in zip(names.customdata, names.hovertext, strict=True)}
    assert (told[3, -1], told[-1, 3]) == ("every 3 that was misread", "all that was misread as 3")
    bottom, top = chart.layout.yaxis.range
    assert bottom > 9
    assert top < -1, "the first row and the names of the columns are on top"


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


@pytest.mark.parametrize(("least", "ticks"), [(0.99, ".1%"), (0.9, ".0%")])
def test_no_two_ticks_of_the_share_answered_say_the_same(least, ticks):
    curve = pd.DataFrame({"answered": [1.0, least], "right": [0.99, 1.0], "threshold": [0.0, 0.9]})
    axis = threshold_chart(curve, curve.iloc[0]).layout.xaxis
    assert (axis.tickformat, axis.range[0]) == (ticks, pytest.approx(least - 0.02))


def test_an_answer_is_drawn_where_its_group_was_right_and_as_often():
    groups = pd.DataFrame({"confidence": [0.55, 0.95], "accuracy": [0.5, 0.9], "images": [20, 80]})
    even, model = reliability_chart(groups).data
    assert list(even.x) == list(even.y)
    assert list(zip(model.x, model.y, model.customdata, strict=True)) == [(0.55, 0.5, 20), (0.95, 0.9, 80)]


def test_right_and_wrong_answers_are_counted_each_on_its_own_and_one_alone_is_seen():
    chart = confidence_chart(np.array([0.97, 0.99, 1.0]), np.array([0.51]))
    right, wrong = ({round(x, 3): y for x, y in zip(bars.x, bars.y, strict=True) if y} for bars in chart.data)
    assert right == {0.975: 3}
    assert wrong == {0.525: 1}
    assert chart.data[1].marker.color == MISTAKE
    assert chart.layout.yaxis.range[0] < np.log10(1)


def test_the_grid_of_numbers_holds_greys_and_tensor_and_leaves_the_paper_empty():
    image, tensor = np.zeros((28, 28)), np.arange(784.0).reshape(28, 28)
    image[3, 4], image[5, 6] = 1, 0.4
    chart = numbers_chart(image, tensor)
    (grid,) = chart.data
    written = {(row, column): grid.text[row][column] for row in range(28) for column in range(28)}
    assert {place: text for place, text in written.items() if text} == {(3, 4): "255", (5, 6): "102"}
    np.testing.assert_array_equal(grid.customdata, tensor)
    assert chart.layout.yaxis.autorange == "reversed"


def test_more_ink_than_the_average_is_ochre_and_less_is_teal():
    difference = np.zeros((28, 28))
    difference[3, 4], difference[5, 6] = 1, -0.4
    (drawn,) = difference_chart(difference).data
    assert (drawn.z[3][4], drawn.z[5][6], drawn.zmin, drawn.zmax) == (255, -102, -255, 255)
    assert [colour for _, colour in drawn.colorscale] == [f"rgb{colour}" for colour in BELOW_AND_ABOVE]


def test_a_curve_is_named_where_it_is_highest_unless_it_stays_low():
    probabilities = np.zeros((3, 10))
    probabilities[:, 4], probabilities[:, 7] = (0.2, 0.9, 0.8), (0, 0.1, 0.2)
    chart = sweep_chart(np.array([-1.0, 0.0, 1.0]), probabilities, 0.5, "°")
    assert chart.data[4].text == ("", "4", "")
    assert not any(chart.data[7].text)
    assert chart.layout.shapes[0].x0 == chart.layout.shapes[0].x1 == 0.5


def test_the_balance_shows_shares_and_tells_counts():
    shares, counts = np.full(10, 0.1), np.full(10, 6)
    shares[3], counts[3] = 0.2, 12
    one, other = balance_chart({"one": shares, "other": shares[::-1]}, {"one": counts, "other": counts[::-1]}).data
    assert (one.name, one.y[3], one.customdata[3]) == ("one", 0.2, 12)
    assert (other.name, other.y[6], other.customdata[6]) == ("other", 0.2, 12)


def test_every_digit_has_its_hill_on_its_own_row_and_the_other_set_is_dotted_above():
    counts, beside = np.ones((10, 4)), np.zeros((10, 4))
    counts[3] = 0, 0, 8, 0
    beside[5] = 1, 2, 1, 0
    *hills, other = hills_chart(counts, (0, 4), "Ink", beside).data
    assert len(hills) == 10
    np.testing.assert_allclose(hills[3].y, [3, 3, 3, 3 - HEIGHT, 3, 3])
    np.testing.assert_allclose(hills[3].x, [0, 0.5, 1.5, 2.5, 3.5, 4])
    np.testing.assert_allclose(hills[4].y[1:-1], 4 - HEIGHT / 4)
    assert other.line.dash == "dot"
    assert (other.y.min(), other.y.max()) == (5 - HEIGHT, 5)


def test_a_mark_beyond_the_chart_stands_at_its_end_and_says_its_own_value():
    marks = hills_chart(np.ones((10, 4)), (0, 4), "Ink", points=[(7, 2.5), (1, 99.0)]).data[-1]
    assert list(marks.x) == [2.5, 4]
    assert (marks.text, marks.customdata) == (("7", "1"), (2.5, 99.0))
    assert [round(y) for y in marks.y] == [7, 1]


def test_the_best_so_far_is_the_best_of_those_that_came_to_their_end():
    ended, early, best = search_chart(np.arange(4), np.array([3.0, 1.0, 2.0, 4.0]), np.array([1, 0, 1, 1], bool)).data
    assert (list(ended.x), list(early.x)) == ([0, 2, 3], [1])
    assert list(best.y) == [3, 3, 2, 2]


def test_the_knob_that_mattered_most_is_on_top():
    (bars,) = importance_chart({"dropout": 0.7, "weight_decay": 0.1, "width": 0.2}).data
    assert list(zip(bars.y, bars.x, strict=True)) == [("weight decay", 0.1), ("width", 0.2), ("dropout", 0.7)]


def test_the_better_a_trial_the_more_ochre_and_a_rate_is_shown_by_its_logarithm():
    columns = {"learning_rate": np.array([1e-4, 1e-2, 1e-3]), "dropout": np.array([0.1, 0.2, 0.3])}
    (lines,) = parallel_chart(columns, np.array([0.97, 0.99, 0.98])).data
    rate, dropout, accuracy = lines.dimensions
    np.testing.assert_allclose(rate["values"], [-4, -2, -3])
    assert rate.ticktext[0::2] == ("0.0001", "0.001", "0.01")
    assert list(dropout["values"]) == [0.1, 0.2, 0.3]
    assert list(accuracy["values"]) == [0.97, 0.99, 0.98]
    assert list(lines.line.color) == [0, 2, 1]
