"""Charts show the numbers they are given, on axes that do not move."""

import numpy as np
import pytest

from pages.parts.charts import ANSWER, MISTAKE, confusion_chart, history_chart, percent, probabilities_chart


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
