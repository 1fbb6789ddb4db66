"""Every number of an evaluation, against scikit-learn and scipy and in the corners where such numbers break."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
from PIL import Image
from sklearn.calibration import calibration_curve

from mnist_core.checkpoints import list_checkpoints, load_answers, load_checkpoint
from mnist_core.classifier import infer
from mnist_core.evaluate import (
    ORDERS,
    Answers,
    accuracy,
    answered_above,
    calibration_error,
    choose,
    compare,
    confused_pairs,
    confusion_matrix,
    evaluate,
    in_words,
    main,
    mistakes,
    per_digit,
    read_numbers,
    reliability,
    report,
    score,
    shares,
    suspects,
)
from mnist_core.labelled import read_folder
from mnist_core.preprocess import to_tensor
from mnist_core.verdicts import judge
from tests.inks import SEVEN


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


# Trust, pairs, two models, choosing ---------------------------------------------------------------------------


def test_the_reliability_groups_are_scikit_learns(answers):
    evaluation = evaluate(*answers)
    right = evaluation["digit"] == evaluation["label"]
    accuracies, confidences = calibration_curve(right, evaluation["confidence"], n_bins=10)
    groups = reliability(evaluation, bins=10)
    np.testing.assert_allclose(groups["accuracy"], accuracies)
    np.testing.assert_allclose(groups["confidence"], confidences)
    assert groups["images"].sum() == len(evaluation)


def test_an_answer_on_the_edge_of_two_groups_belongs_to_the_lower_one():
    halves = np.full((1, 10), -1_000.0)
    halves[0, [3, 4]] = 0
    (group,) = reliability(evaluate([3], halves)).itertuples()
    assert (group.confidence, group.low, group.high) == (0.5, pytest.approx(0.4), 0.5)


def test_the_calibration_error_is_the_mean_gap_over_the_images(answers):
    evaluation = evaluate(*answers)
    right = (evaluation["digit"] == evaluation["label"]).to_numpy(dtype=float)
    confidence = evaluation["confidence"].to_numpy()
    place = np.ceil(confidence * 10)
    gaps = [abs(right[place == p].sum() - confidence[place == p].sum()) for p in np.unique(place)]
    assert calibration_error(reliability(evaluation)) == pytest.approx(sum(gaps) / len(evaluation))


def test_a_model_that_is_as_sure_as_it_is_right_has_no_calibration_error():
    logits = np.log(np.tile([0.75] + [0.25 / 9] * 9, (4, 1)))
    assert calibration_error(reliability(evaluate([0, 0, 0, 1], logits))) == pytest.approx(0, abs=1e-12)


def test_what_is_answered_above_a_threshold_is_counted(answers):
    evaluation = evaluate(*answers)
    for row in answered_above(evaluation, [0, 0.3, 0.5, 0.9]).itertuples():
        sure = evaluation[evaluation["confidence"] >= row.threshold]
        assert row.answered == pytest.approx(len(sure) / len(evaluation))
        assert row.right == pytest.approx(sklearn.metrics.accuracy_score(sure["label"], sure["digit"]))


def test_above_every_confidence_nothing_is_answered_and_nothing_is_wrong(answers):
    (row,) = answered_above(evaluate(*answers), [1.1]).itertuples()
    assert (row.answered, row.right) == (0, 1)


def test_shares_are_scikit_learns_normalised_matrices(answers):
    labels, logits = answers
    matrix = confusion_matrix(evaluate(labels, logits))
    for of, normalize in (("label", "true"), ("answer", "pred")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = sklearn.metrics.confusion_matrix(labels, logits.argmax(1), labels=range(10), normalize=normalize)
        np.testing.assert_allclose(shares(matrix, of), expected)


def test_confused_pairs_are_all_mistakes_the_most_frequent_first(answers):
    matrix = confusion_matrix(evaluate(*answers))
    pairs = confused_pairs(matrix)
    assert sum(count for *_, count in pairs) == matrix.sum() - matrix.trace()
    assert [count for *_, count in pairs] == sorted((count for *_, count in pairs), reverse=True)
    assert all(label != digit and matrix[label, digit] == count for label, digit, count in pairs)


def test_what_ties_stays_in_order():
    pairs = confused_pairs(np.ones((10, 10), dtype=int) - np.eye(10, dtype=int))
    assert pairs == sorted(pairs)
    logits = np.tile(np.eye(10)[1], (30, 1))
    assert list(suspects(evaluate(np.zeros(30, dtype=int), logits))["index"]) == list(range(30))


def test_suspects_are_the_mistakes_with_the_least_likely_labels_first(answers):
    labels, logits = answers
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    found = suspects(evaluate(labels, logits))
    of_label = probabilities[found["index"], found["label"]]
    assert (np.diff(of_label) >= -1e-12).all()
    assert len(found) == (labels != logits.argmax(1)).sum()


def test_two_models_are_compared_by_scipys_exact_test(answers):
    labels, logits = answers
    other = logits + np.random.default_rng(1).normal(size=logits.shape)
    first, second = evaluate(labels, logits), evaluate(labels, other)
    found = compare(first, second)
    wrong, wrong_too = logits.argmax(1) != labels, other.argmax(1) != labels
    np.testing.assert_array_equal(found.fixed, np.flatnonzero(wrong & ~wrong_too))
    np.testing.assert_array_equal(found.new, np.flatnonzero(~wrong & wrong_too))
    np.testing.assert_array_equal(found.shared, np.flatnonzero(wrong & wrong_too))
    expected = scipy.stats.binomtest(len(found.fixed), len(found.fixed) + len(found.new)).pvalue
    assert found.p == pytest.approx(expected, rel=1e-9)


def test_a_model_is_no_better_than_itself_and_only_compared_on_the_same_images(answers):
    labels, logits = answers
    evaluation = evaluate(labels, logits)
    same = compare(evaluation, evaluation)
    assert (len(same.fixed), len(same.new), same.p) == (0, 0, 1.0)
    with pytest.raises(ValueError, match="same images"):
        compare(evaluation, evaluate((labels + 1) % 10, logits))


def test_chosen_images_are_all_that_fit_and_in_the_order_asked_for(answers):
    evaluation = evaluate(*answers)
    chosen = choose(evaluation, label=4, digit=9, right=False, confidence=(0.2, 0.6), order="surest first")
    by_hand = evaluation.query("label == 4 and digit == 9 and 0.2 <= confidence <= 0.6")
    assert set(chosen["index"]) == set(by_hand["index"])
    assert len(chosen) > 1
    assert chosen["confidence"].is_monotonic_decreasing
    assert list(choose(evaluation, numbers={5, 2, 9_999})["index"]) == [2, 5]
    assert len(choose(evaluation, right=True)) + len(choose(evaluation, right=False)) == len(evaluation)


def test_an_answer_that_is_as_sure_as_a_limit_is_within_it():
    evaluation = evaluate([3, 3], [[0, 0, 0, 2_000, 0, 0, 0, 0, 0, 0], [0] * 10])
    assert list(evaluation["confidence"]) == [1, 0.1]
    assert list(choose(evaluation)["index"]) == [0, 1]
    assert list(choose(evaluation, confidence=(0.1, 0.5))["index"]) == [1]


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_sorts_by_its_column_and_loses_nothing(answers, order):
    column, ascending = ORDERS[order]
    chosen = choose(evaluate(*answers), order=order)
    assert len(chosen) == 2_000
    assert chosen[column].is_monotonic_increasing if ascending else chosen[column].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("947", {947}),
        ("1, 3-5", {1, 3, 4, 5}),
        ("0-99999999", set(range(10_000))),
        (" , ", None),
        ("7-3", {3, 4, 5, 6, 7}),
    ],
)
def test_numbers_are_read_from_what_a_visitor_writes(text, numbers):
    assert read_numbers(text, 10_000) == numbers


@pytest.mark.parametrize("text", ["x", "-3", "1-", "9" * 4000, "1.5", "٣x"])
def test_what_is_no_number_is_named(text):
    with pytest.raises(ValueError, match="no image number"):
        read_numbers(text, 10_000)


# The command --------------------------------------------------------------------------------------------------


@pytest.fixture
def own_digits(tmp_path) -> Path:
    """A folder of six labelled pictures, one of which is broken."""
    folder = tmp_path / "own"
    for name in ("7/a.png", "7/b.png", "deep/7/c.png", "1/d.png", "1/e.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(SEVEN).save(folder / name)
    (folder / "7" / "cut.png").write_bytes(b"cut")
    return folder


def test_the_command_tells_the_figures_of_a_folder_and_what_it_left_out(save_untrained, own_digits, tmp_path, capsys):
    save_untrained("small")
    assert main(["small", "--json", str(own_digits), "--checkpoints", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("7/cut.png: ")
    figures = json.loads(told.out)
    pictures = read_folder(own_digits)
    model = load_checkpoint("small", tmp_path)[0]
    expected = evaluate(pictures.labels, infer(model, to_tensor(pictures.images)))
    assert figures["images"] == 5
    assert figures["accuracy"] == accuracy(expected).accuracy
    assert figures["calibration_error"] == pytest.approx(calibration_error(reliability(expected)))
    assert figures["matrix"] == confusion_matrix(expected).tolist()
    assert {row["image"] for row in figures["surest_mistakes"]} <= {*pictures.names}
    (own_digits / "7" / "cut.png").unlink()
    assert main(["small", str(own_digits), "--checkpoints", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{expected['digit'].eq(expected['label']).mean():.2%} right" in out
    assert f"{100 * figures['calibration_error']:.2f} points expected calibration error" in out


def test_labelled_pictures_that_could_not_be_read_stand_in_the_figures(save_untrained, own_digits, tmp_path, capsys):
    save_untrained("small")
    Image.new("L", (50, 50), 255).save(own_digits / "1" / "blank.png")
    Image.new("L", (50, 50), 255).save(own_digits / "nobody's.png")  # of no label
    assert main(["small", "--json", str(own_digits), "--checkpoints", str(tmp_path)]) == 1
    figures = json.loads(capsys.readouterr().out)
    right = figures["images"] - figures["mistakes"]
    assert (figures["images"], figures["unread"], figures["accuracy_with_unread"]) == (5, 2, right / 7)
    line = f"2 of 7 pictures could not be read and are not counted; {right / 7:.2%} of all were read right."
    assert main(["small", str(own_digits), "--checkpoints", str(tmp_path)]) == 1
    assert line in capsys.readouterr().out.splitlines()
    for name in ("7/cut.png", "1/blank.png"):
        (own_digits / name).unlink()
    main(["small", "--json", str(own_digits), "--checkpoints", str(tmp_path)])
    assert "unread" not in json.loads(capsys.readouterr().out)
    main(["small", str(own_digits), "--checkpoints", str(tmp_path)])
    assert "could not be read" not in capsys.readouterr().out


def test_the_share_of_all_counts_what_was_not_read_as_not_right():
    labels = np.arange(10).repeat(3) % 10
    answers = Answers("made up", labels, np.eye(10)[labels], None, 30)
    figures = report(SimpleNamespace(name="small", limits=None), answers, 10)
    assert (figures["accuracy"], figures["accuracy_with_unread"]) == (1, 0.5)
    line = "30 of 60 pictures could not be read and are not counted; 50.00% of all were read right."
    assert line in in_words(figures)


def test_the_command_tells_the_accuracy_of_the_card_for_what_the_model_was_tested_on(capsys):
    card = list_checkpoints()[0][0]
    assert main([card.name, "--json", "--mistakes", "3"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["accuracy"], figures["low"], figures["high"]) == (card.test.accuracy, card.test.low, card.test.high)
    assert figures["accuracy_by_corrected_labels"] > 0.9
    assert len(figures["surest_mistakes"]) == 3
    verdicts = [judgement.verdict for judgement in judge(load_answers(card)[1], card.limits)]
    told = {"unsure": verdicts.count("unsure") / 10_000, "not a digit": verdicts.count("not a digit") / 10_000}
    assert 0 < told["not a digit"] < told["unsure"]
    assert {verdict: figures["verdicts"][verdict] for verdict in told} == told
    assert main([card.name]) == 0
    line = f"{told['not a digit']:.2%} turned away as no digit and {told['unsure']:.2%} unsure"
    out = capsys.readouterr().out
    assert line in out
    assert len(out.partition("surest mistakes")[2].splitlines()) == 2 + 10


def test_the_most_frequent_confusions_and_the_surest_mistakes_are_listed_ten_each(answers):
    evaluation = evaluate(*answers)
    lines = in_words(report(SimpleNamespace(name="small", limits=None), Answers("made up", *answers), 10)).splitlines()
    first = lines.index("most often confused") + 1
    pairs = confused_pairs(confusion_matrix(evaluation))[:10]
    assert lines[first : first + 11] == [*(f"{label} read as {digit}: {count}" for label, digit, count in pairs), ""]
    surest = lines[lines.index("surest mistakes") + 2 :]
    assert [int(line.split()[-1]) for line in surest] == list(mistakes(evaluation)["index"][:10])


@pytest.mark.parametrize(("what", "corrected"), [("MNIST's test images", True), ("a folder of mine", False)])
def test_only_the_labels_of_mnist_are_corrected_however_many_images_there_are(what, corrected):
    labels = np.zeros(10_000, dtype=int)
    figures = report(SimpleNamespace(name="small", limits=None), Answers(what, labels, np.eye(10)[labels]), 10)
    assert ("accuracy_by_corrected_labels" in figures) == corrected


def test_the_command_asks_about_the_scans_where_it_is_told_to(save_untrained, tmp_path, capsys):
    save_untrained("small")
    assert main(["small", "--data", "embedded", "--json", "--checkpoints", str(tmp_path)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["data"], figures["images"]) == ("the digits inside scikit-learn", 1_797)


def test_the_images_that_a_model_of_the_scans_was_tested_on_keep_their_numbers(save_untrained, tmp_path, capsys):
    card = save_untrained("scans", data="embedded")
    assert main([card.name, "--data", "embedded", "--json", "--checkpoints", str(tmp_path)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert "not trained on" in figures["data"]
    assert all(1_400 <= mistake["image"] < 1_450 for mistake in figures["surest_mistakes"])


def test_the_command_tells_what_it_cannot_use(save_untrained, tmp_path, capsys):
    save_untrained("small")
    (tmp_path / "empty").mkdir()
    for folder, told in (("nowhere", "There is no folder"), ("empty", "folders named 0 to 9")):
        assert main(["small", str(tmp_path / folder), "--checkpoints", str(tmp_path)]) == 1
        assert told in capsys.readouterr().err
    for wrong in (
        ["nix"],
        [""],
        ["small", ""],
        ["small", "--mistakes", "-1"],
        ["small", "--data", "x"],
        ["small", "folder", "--data", "mnist"],
    ):
        with pytest.raises(SystemExit) as end:
            main([*wrong, "--checkpoints", str(tmp_path)])
        assert end.value.code == 2
