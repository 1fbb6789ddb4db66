"""The reviewers' verdicts are those of cleanlab's list, and count where labels are corrected."""

import numpy as np
import pytest

from mnist_core.evaluate import accuracy, evaluate
from mnist_core.reviews import CORRECTED, NEITHER, UNDECIDED, corrected, opinion

# The label that MNIST itself has, from the same list.
ORIGINAL = {947: 8, 1621: 0, 1901: 9, 2462: 2, 2597: 5, 3558: 5, 5937: 5, 6651: 0, 6783: 1, 9729: 5}


def evaluation_of(labels, digits):
    return evaluate(np.asarray(labels), np.eye(10)[digits])


def test_the_list_corrects_the_labels_that_mnist_has(mnist_test):
    assert {index: int(mnist_test.labels[index]) for index in CORRECTED} == ORIGINAL


def test_a_corrected_label_turns_a_mistake_into_a_hit_and_a_hit_into_a_mistake():
    labels = np.ones(10_000, dtype=int)
    digits = np.ones(10_000, dtype=int)
    digits[947] = CORRECTED[947]
    found = accuracy(corrected(evaluation_of(labels, digits)))
    assert found.total == 10_000 - len(NEITHER | UNDECIDED)
    assert found.total - found.correct == len(CORRECTED) - 1


def test_images_without_an_agreed_label_are_left_out():
    table = corrected(evaluation_of(np.zeros(10_000, dtype=int), np.zeros(10_000, dtype=int)))
    assert not set(table["index"]) & (NEITHER | UNDECIDED)


@pytest.mark.parametrize(
    ("index", "words"),
    [(947, "a 9"), (3520, "neither the label nor the digit that a model"), (8527, "not agree"), (0, "")],
    ids=str,
)
def test_a_verdict_is_a_sentence_where_there_is_one(index, words):
    assert words in opinion(index)
    assert bool(opinion(index)) == bool(words)
