"""A verdict follows from the logits and the limits alone: what is unlike all digits is turned away, what may be two
digits names both, and the limits keep the promises that they were fitted for."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnist_core.checkpoints import Limits
from mnist_core.classifier import DigitClassifier, Prediction, infer
from mnist_core.pen import written_digits, written_others
from mnist_core.preprocess import to_tensor
from mnist_core.verdicts import ACCEPTED, COVERAGE, ENOUGH, KNOWN, evidence, fit_limits, fit_temperature, judge, softmax

LIMITS = Limits(digit=4.0, perhaps=1.0, candidate=0.2)


def logits_of(**digits: float) -> np.ndarray:
    """One row; digits are named d0 to d9, the others lie far below."""
    row = np.full(10, -10.0)
    for name, value in digits.items():
        row[int(name[1])] = value
    return row[None]


@pytest.mark.parametrize(
    ("logits", "verdict", "candidates"),
    [
        (logits_of(d7=9), "digit", (7,)),
        (logits_of(d4=8, d9=8.5), "unsure", (9, 4)),
        (logits_of(d7=3), "unsure", (7,)),
        (logits_of(d7=0.5), "not a digit", ()),
        (np.full((1, 10), 6.0), "unsure", (0, 1)),
    ],
    ids=["one digit", "two digits", "a strange digit", "no digit", "all ten alike"],
)
def test_a_verdict_says_what_the_logits_show(logits, verdict, candidates):
    assert judge(logits, LIMITS) == [(verdict, candidates)]


def test_a_model_without_limits_takes_everything_for_a_digit():
    assert judge(logits_of(d3=-5), None) == [("digit", (3,))]


@given(st.lists(st.floats(-1e4, 1e4), min_size=10, max_size=10))
def test_the_likeliest_digit_comes_first_whatever_the_logits(row):
    logits = np.array([row])
    verdict, candidates = judge(logits, LIMITS)[0]
    assert (verdict == "not a digit") == (not candidates)
    if candidates:
        assert logits[0, candidates[0]] == logits.max()
        assert len(set(candidates)) == len(candidates)


def digits_that_are_sometimes_doubtful(rng, count=4000, sharpness=4.0):
    """Labels drawn from the very probabilities that the logits state: calibrated by construction."""
    logits = rng.normal(0, sharpness, (count, 10))
    labels = (softmax(logits).cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return labels, logits


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_multiplied_in_is_found(factor):
    labels, logits = digits_that_are_sometimes_doubtful(np.random.default_rng(1))
    assert fit_temperature(labels, logits * factor) == pytest.approx(factor, rel=0.1)


def test_the_candidates_hold_the_label_as_often_as_was_promised():
    rng = np.random.default_rng(2)
    labels, changed = digits_that_are_sometimes_doubtful(rng)
    clear = np.where(np.arange(10) == labels[:, None], 12.0, 0.0)
    limits = fit_limits(labels, clear, changed, rng.normal(-3, 1, (500, 10)))
    new_labels, new = digits_that_are_sometimes_doubtful(rng)
    held = softmax(new)[np.arange(len(new)), new_labels] >= limits.candidate
    assert held.mean() == pytest.approx(COVERAGE, abs=0.006)
    assert limits.rates["others"]["not a digit"] > 0.99
    assert limits.rates["digits"] == {"digit": 1.0, "unsure": 0.0, "not a digit": 0.0}


def test_as_many_digits_as_was_promised_are_sure_and_hardly_one_is_turned_away():
    labels, logits = digits_that_are_sometimes_doubtful(np.random.default_rng(3))
    limits = fit_limits(labels, logits, logits, logits)
    assert limits.perhaps < limits.digit
    for limit, share in ((limits.digit, ACCEPTED), (limits.perhaps, KNOWN)):
        assert (evidence(logits) >= limit).mean() == pytest.approx(share, abs=2 / len(labels))


def test_of_199_changed_digits_one_may_lack_its_label_so_that_with_the_next_it_is_two_of_200():
    labels, changed = digits_that_are_sometimes_doubtful(np.random.default_rng(4), count=199)
    limits = fit_limits(labels, changed, changed, changed)
    assert (softmax(changed)[np.arange(199), labels] < limits.candidate).sum() == 1


def test_of_a_few_digits_each_has_its_label_among_the_candidates():
    labels, changed = digits_that_are_sometimes_doubtful(np.random.default_rng(4), count=50)
    limits = fit_limits(labels, changed, changed, changed)
    assert limits.candidate == softmax(changed)[np.arange(50), labels].min()


def test_where_hardly_a_digit_is_doubtful_two_can_still_be_candidates():
    labels = np.arange(400) % 10
    clear = 12.0 * np.eye(10)[labels]
    limits = fit_limits(labels, clear, clear, clear)
    assert limits.candidate == ENOUGH
    seven_or_one = np.log([[1e-9, 0.36, *[1e-9] * 5, 0.64, 1e-9, 1e-9]]) + 30
    assert judge(seven_or_one, limits) == [("unsure", (7, 1))]


def test_a_digit_whose_share_is_the_limit_itself_is_a_candidate():
    limits = Limits(digit=4.0, perhaps=1.0, candidate=0.1)
    assert judge(np.full((1, 10), 6.0), limits) == [("unsure", tuple(range(10)))]


@pytest.mark.parametrize(
    "wrong",
    [
        {"perhaps": 5.0},
        {"candidate": 0.0},
        {"candidate": 1.0},
        {"temperature": 0.0},
        {"digit": float("nan")},
        {"digit": "4"},
        {"rates": 3},
    ],
)
def test_limits_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="limit|rates"):
        Limits(**{"digit": 4.0, "perhaps": 1.0, "candidate": 0.2, **wrong})


class TheSame(torch.nn.Module):
    """A network that gives the same logits for all ink."""

    def __init__(self, logits: np.ndarray):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.from_numpy(logits).float())

    def forward(self, tensors: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(tensors), -1)


@pytest.mark.parametrize(
    ("logits", "verdict", "digit", "in_words", "reason"),
    [
        (logits_of(d7=9), "digit", 7, "7, sure", ""),
        (logits_of(d4=8, d9=8.5), "unsure", 9, "9 or 4", "It looks much like a 9 and like a 4."),
        (logits_of(d8=3), "unsure", 8, "8, perhaps", "It comes nearest to an 8, but few people write one like this."),
        (
            logits_of(d8=0),
            "not a digit",
            None,
            "No digit that I know",
            "It is unlike all ten digits; an 8 comes nearest.",
        ),
    ],
    ids=["one digit", "two digits", "a strange digit", "no digit"],
)
def test_a_prediction_says_its_verdict_in_words_and_why(logits, verdict, digit, in_words, reason):
    card = SimpleNamespace(limits=LIMITS)
    ink = np.zeros((60, 60), dtype=np.uint8)
    ink[10:50, 25:35] = 255
    said = DigitClassifier(TheSame(logits), card).predict(ink)
    assert (said.verdict, said.digit, said.in_words, said.reason) == (verdict, digit, in_words, reason)
    assert said.probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "in_words"),
    [(0.9, 0.1, "7, sure"), (0.89, 0.11, "7 or 1"), (0.8, 0.1, "7 or 1"), (0.8, 0.09, "7, perhaps")],
)
def test_a_digit_is_said_as_surely_as_its_shares_allow(first, second, in_words):
    shares = np.full(10, (1 - first - second) / 8)
    shares[7], shares[1] = first, second
    assert Prediction("digit", shares, np.zeros((28, 28))).in_words == in_words


def test_an_answer_for_a_program_tells_the_time_of_the_pipeline_and_of_the_network_together():
    said = Prediction(
        "digit", np.eye(10)[7], np.zeros((28, 28)), preprocess_milliseconds=1.5, network_milliseconds=2.25
    )
    assert said.as_json("house")["milliseconds"] == 3.75


def test_the_model_of_the_house_turns_away_what_its_own_pen_writes_and_knows_its_digits():
    classifier = DigitClassifier.load("house")
    digits, labels, _ = written_digits(150, seed=77)
    others, _ = written_others(150, seed=77)
    logits = [infer(classifier.model, to_tensor(images)) for images in (digits, others)]
    said = [[judgement.verdict for judgement in judge(rows, classifier.card.limits)] for rows in logits]
    assert (logits[0].argmax(axis=1) == labels).mean() > 0.94
    assert said[0].count("digit") > 140
    assert said[1].count("digit") < 8
