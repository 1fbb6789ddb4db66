"""Every number of an evaluation, against scikit-learn and scipy and in the corners where such numbers break."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics

from mnist_core.evaluate import accuracy, confusion_matrix, evaluate, mistakes, per_digit, score, softmax


@pytest.fixture(scope="module")
def answers():
    """Labels and logits of a mediocre model: right about two times in three, and never an 8."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, 2_000)
    logits = rng.normal(size=(2_000, 10)).astype(np.float32)
    logits[np.arange(2_000), labels] += 2
    logits[:, 8] = -9
    return labels, logits


def test_accuracy_is_scikit_learns(answers):
    labels, logits = answers
    evaluation = evaluate(labels, logits)
    found = accuracy(evaluation)
    assert found.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, logits.argmax(1)), abs=1e-12)
    assert (found.correct, found.total) == (int((labels == logits.argmax(1)).sum()), 2_000)
    assert 0.4 < found.accuracy < 0.9


def test_the_confusion_matrix_is_scikit_learns(answers):
    labels, logits = answers
    expected = sklearn.metrics.confusion_matrix(labels, logits.argmax(1), labels=range(10))
    np.testing.assert_array_equal(confusion_matrix(evaluate(labels, logits)), expected)


def test_precision_recall_f1_and_support_are_scikit_learns_with_a_digit_never_answered_and_one_never_there(answers):
    labels, logits = answers[0].copy(), answers[1]
    labels[labels == 3] = 5
    table = per_digit(evaluate(labels, logits))
    expected = sklearn.metrics.precision_recall_fscore_support(
        labels, logits.argmax(1), labels=range(10), zero_division=0.0
    )
    for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(table[name], column, atol=1e-12, err_msg=name)
    assert list(table["digit"]) == list(range(10))
    assert table.loc[8, ["precision", "recall", "f1"]].eq(0).all()
    assert table.loc[3, "support"] == 0


def test_the_loss_is_scikit_learns_log_loss(answers):
    labels, logits = answers
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    evaluation = evaluate(labels, logits)
    assert evaluation["loss"].mean() == pytest.approx(sklearn.metrics.log_loss(labels, probabilities, labels=range(10)))


def test_confidence_and_margin_are_read_off_scipys_softmax(answers):
    labels, logits = answers
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(softmax(logits), probabilities, rtol=1e-6)
    ordered = -np.sort(-probabilities, axis=1)
    evaluation = evaluate(labels, logits)
    np.testing.assert_allclose(evaluation["confidence"], ordered[:, 0], rtol=1e-9)
    np.testing.assert_allclose(evaluation["margin"], ordered[:, 0] - ordered[:, 1], atol=1e-12)


def test_the_rank_is_the_labels_place_and_the_top_three_are_scikit_learns(answers):
    labels, logits = answers
    rank = evaluate(labels, logits)["rank"]
    expected = scipy.stats.rankdata(-logits, axis=1)[np.arange(len(labels)), labels]
    np.testing.assert_array_equal(rank, expected)
    share = sklearn.metrics.top_k_accuracy_score(labels, logits, k=3, labels=range(10))
    assert (rank <= 3).mean() == pytest.approx(share)


def test_the_table_has_one_row_an_image_in_the_order_of_the_data(answers):
    labels, logits = answers
    evaluation = evaluate(labels, logits)
    assert list(evaluation.columns) == ["index", "label", "digit", "confidence", "margin", "loss", "rank"]
    np.testing.assert_array_equal(evaluation["index"], np.arange(2_000))
    np.testing.assert_array_equal(evaluation["label"], labels)


@pytest.mark.parametrize(
    ("correct", "total"), [(0, 1), (1, 1), (1, 2), (0, 7), (3, 10), (9_839, 10_000), (10_000, 10_000)]
)
def test_the_interval_is_scipys_wilson_interval(correct, total):
    expected = scipy.stats.binomtest(correct, total).proportion_ci(confidence_level=0.95, method="wilson")
    found = score(correct, total)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_never_leaves_its_accuracy_or_the_unit_range_behind():
    for total in range(1, 200):
        for correct in (0, 1, total // 2, total - 1, total):
            found = score(correct, total)
            assert 0 <= found.low <= found.accuracy <= found.high <= 1


def test_an_accuracy_of_no_images_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        score(0, 0)


def test_logits_far_apart_give_finite_losses_and_honest_ranks():
    logits = np.zeros((2, 10), dtype=np.float32)
    logits[:, 4] = 2_000
    logits[:, 7] = -3_000  # both 0 and 7 underflow to the probability 0
    evaluation = evaluate(np.array([7, 4]), logits)
    np.testing.assert_allclose(evaluation["loss"], [5_000, 0], atol=1e-9)
    np.testing.assert_array_equal(evaluation["rank"], [10, 1])
    np.testing.assert_array_equal(evaluation["confidence"], [1, 1])


def test_of_digits_that_tie_the_lower_one_is_the_answer_and_only_a_right_answer_has_rank_1():
    evaluation = evaluate(np.array([2, 6, 9]), np.zeros((3, 10)) + np.eye(10)[2] + np.eye(10)[6])
    np.testing.assert_array_equal(evaluation["digit"], [2, 2, 2])
    np.testing.assert_array_equal(evaluation["rank"], [1, 2, 10])
    np.testing.assert_allclose(evaluation["margin"], 0, atol=1e-15)


def test_one_image_is_enough():
    evaluation = evaluate([3], [[0, 0, 0, 5, 0, 0, 0, 0, 0, 0]])
    assert accuracy(evaluation).accuracy == 1
    assert confusion_matrix(evaluation).sum() == confusion_matrix(evaluation)[3, 3] == 1
    assert mistakes(evaluation).empty


def test_mistakes_are_the_wrong_answers_the_surest_first(answers):
    labels, logits = answers
    wrong = mistakes(evaluate(labels, logits))
    assert set(wrong["index"]) == set(np.flatnonzero(labels != logits.argmax(1)))
    assert wrong["confidence"].is_monotonic_decreasing
    assert list(wrong.index) == list(range(len(wrong)))


def test_mistakes_of_equal_confidence_stay_in_the_order_of_the_data():
    logits = np.tile(np.eye(10)[1], (30, 1))
    assert list(mistakes(evaluate(np.zeros(30, dtype=int), logits))["index"]) == list(range(30))


@pytest.mark.parametrize("shape", [(3, 9), (2, 10), (30,)])
def test_logits_that_do_not_fit_the_labels_are_refused(shape):
    with pytest.raises(ValueError, match="3 labels need 3 x 10 logits"):
        evaluate(np.zeros(3, dtype=int), np.zeros(shape))


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_that_is_no_digit_is_refused(label):
    with pytest.raises(ValueError, match="0 to 9"):
        evaluate([label], np.zeros((1, 10)))
