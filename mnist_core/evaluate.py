"""Labels and logits -> the evaluation table, and all that is reduced from it. No model is ever needed here."""

import math
from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from mnist_core.architectures import DIGITS
from mnist_core.checkpoints import Score
from mnist_core.verdicts import softmax


def evaluate(labels: np.ndarray, logits: np.ndarray) -> pd.DataFrame:
    """The evaluation: one row an image, in the order of the data.

    confidence is the answer's probability and margin its lead over the next digit's, 0 where two share the top;
    loss is the cross-entropy against the label, rank the label's place among the ten: 1 where the answer is right
    and nowhere else. Of digits that tie the lower one is the answer.
    """
    labels = np.asarray(labels, dtype=np.int64)
    logits = np.asarray(logits, dtype=np.float64)
    if logits.shape != (len(labels), DIGITS):
        raise ValueError(f"{len(labels)} labels need {len(labels)} x {DIGITS} logits, not {logits.shape}.")
    if not np.isin(labels, range(DIGITS)).all():
        raise ValueError("A label is one of the digits 0 to 9.")
    probabilities = softmax(logits)
    ordered = np.sort(probabilities, axis=1)
    row = np.arange(len(labels))
    digit = logits.argmax(axis=1)
    # Logits rank the label, not probabilities: two that underflow to the same 0 would tie.
    own = logits[row, labels][:, None]
    rank = 1 + ((logits > own) | ((logits == own) & (np.arange(DIGITS) < labels[:, None]))).sum(axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "index": row,
            "label": labels,
            "digit": digit,
            "confidence": probabilities[row, digit],
            "margin": ordered[:, -1] - ordered[:, -2],
            "loss": np.log(np.exp(shifted).sum(axis=1)) - shifted[row, labels],
            "rank": rank,
        }
    )


def score(correct: int, total: int) -> Score:
    """The accuracy with its 95 % Wilson interval."""
    if total < 1:
        raise ValueError("An accuracy needs at least one image.")
    z = 1.959963984540054
    share = correct / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # Rounding must not push a bound past 0, 1 or the share itself.
    low, high = max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))
    return Score(int(correct), int(total), share, low, high)


def accuracy(evaluation: pd.DataFrame) -> Score:
    return score(int((evaluation["digit"] == evaluation["label"]).sum()), len(evaluation))


def confusion_matrix(evaluation: pd.DataFrame) -> np.ndarray:
    """Counts: row is the label, column the answer."""
    matrix = np.zeros((DIGITS, DIGITS), dtype=np.int64)
    np.add.at(matrix, (evaluation["label"].to_numpy(), evaluation["digit"].to_numpy()), 1)
    return matrix


def per_digit(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 and support of each digit; 0 where a digit was never answered or never there."""
    matrix = confusion_matrix(evaluation)
    hits, answered, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    precision = hits / np.maximum(answered, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(answered + support, 1)
    return pd.DataFrame(
        {"digit": range(DIGITS), "precision": precision, "recall": recall, "f1": f1, "support": support}
    )


def mistakes(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers, the surest first."""
    wrong = evaluation[evaluation["digit"] != evaluation["label"]]
    return wrong.sort_values(["confidence", "index"], ascending=[False, True], ignore_index=True)


def suspects(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers, those first where the model gives the label the least chance: the labels to look at."""
    wrong = evaluation[evaluation["digit"] != evaluation["label"]]
    return wrong.sort_values(["loss", "index"], ascending=[False, True], ignore_index=True)


def confused_pairs(matrix: np.ndarray) -> list[tuple[int, int, int]]:
    """Label, answer and count of every kind of mistake that was made, the most frequent first."""
    pairs = [(i, j, int(matrix[i, j])) for i in range(DIGITS) for j in range(DIGITS) if i != j and matrix[i, j]]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))


def shares(matrix: np.ndarray, of: Literal["label", "answer"]) -> np.ndarray:
    """Counts as shares of their row (what became of a digit) or of their column (what an answer is worth)."""
    totals = matrix.sum(axis=1, keepdims=True) if of == "label" else matrix.sum(axis=0, keepdims=True)
    return matrix / np.maximum(totals, 1)


# Trust --------------------------------------------------------------------------------------------------------


def reliability(evaluation: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Answers grouped by their confidence: how sure they were, how often they were right. Empty groups are left out.

    A group holds the confidences above its `low` up to its `high`.
    """
    confidence = evaluation["confidence"].to_numpy()
    right = (evaluation["digit"] == evaluation["label"]).to_numpy()
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    return pd.DataFrame(
        {
            "low": edges[:-1][filled],
            "high": edges[1:][filled],
            "images": count[filled],
            "confidence": np.bincount(place, confidence, bins)[filled] / count[filled],
            "accuracy": np.bincount(place, right, bins)[filled] / count[filled],
        }
    )


def calibration_error(groups: pd.DataFrame) -> float:
    """The expected calibration error: how far confidence and accuracy lie apart, averaged over all images."""
    gap = (groups["confidence"] - groups["accuracy"]).abs()
    return float((gap * groups["images"]).sum() / groups["images"].sum())


def answered_above(evaluation: pd.DataFrame, thresholds: Sequence[float]) -> pd.DataFrame:
    """For each threshold: the share of images whose answer is at least so sure, and the share of those that is right.

    Where nothing is answered nothing is wrong: the share of right ones is 1 there.
    """
    order = np.argsort(evaluation["confidence"].to_numpy(), kind="stable")
    confidence = evaluation["confidence"].to_numpy()[order]
    right = (evaluation["digit"] == evaluation["label"]).to_numpy()[order]
    first = np.searchsorted(confidence, thresholds, side="left")
    answered = len(confidence) - first
    hits = np.append(right[::-1].cumsum()[::-1], 0)[first]
    return pd.DataFrame(
        {
            "threshold": np.asarray(thresholds, dtype=float),
            "answered": answered / len(confidence),
            "right": np.where(answered > 0, hits / np.maximum(answered, 1), 1.0),
        }
    )


# Two models ---------------------------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Two models on the same images: which mistakes of the first the second makes too, and which not."""

    fixed: np.ndarray  # wrong in the first only
    new: np.ndarray  # wrong in the second only
    shared: np.ndarray  # wrong in both
    p: float  # of a difference at least this large, were the two equally good


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """McNemar's exact test: of the images that only one of the two gets wrong, half should fall to each."""
    if not np.array_equal(first["label"], second["label"]):
        raise ValueError("Two models are compared on the same images.")
    one = (first["digit"] != first["label"]).to_numpy()
    other = (second["digit"] != second["label"]).to_numpy()
    fixed, new, shared = (np.flatnonzero(which) for which in (one & ~other, other & ~one, one & other))
    decided, fewer = len(fixed) + len(new), min(len(fixed), len(new))
    one_side = Fraction(sum(math.comb(decided, k) for k in range(fewer + 1)), 2**decided)
    return Comparison(fixed, new, shared, float(min(1, 2 * one_side)))


# Choosing images ----------------------------------------------------------------------------------------------

ORDERS = {
    "surest first": ("confidence", False),
    "least sure first": ("confidence", True),
    "largest loss first": ("loss", False),
    "narrowest margin first": ("margin", True),
    "by number": ("index", True),
}


def choose(
    evaluation: pd.DataFrame,
    label: int | None = None,
    digit: int | None = None,
    right: bool | None = None,
    confidence: tuple[float, float] = (0.0, 1.0),
    numbers: Collection[int] | None = None,
    order: str = "by number",
) -> pd.DataFrame:
    """The rows that are all that is asked for, in one of ORDERS; rows that tie stay in the order of the data."""
    low, high = confidence
    chosen = evaluation["confidence"].between(low, high)
    if label is not None:
        chosen &= evaluation["label"] == label
    if digit is not None:
        chosen &= evaluation["digit"] == digit
    if right is not None:
        chosen &= (evaluation["digit"] == evaluation["label"]) == right
    if numbers is not None:
        chosen &= evaluation["index"].isin(list(numbers))
    column, ascending = ORDERS[order]
    return evaluation[chosen].sort_values(column, ascending=ascending, kind="stable", ignore_index=True)


def read_numbers(text: str, below: int) -> set[int] | None:
    """The image numbers that a text such as "947, 1000-1010" asks for; None where it asks for nothing."""
    numbers: set[int] = set()
    for part in text.replace(",", " ").split():
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash) and max(len(first), len(last)) < 9):
            raise ValueError(f"{part!r} is no image number. Write numbers and ranges, such as 947 or 1000-1010.")
        numbers |= set(range(int(first), min(int(last or first) + 1, below)))
    return numbers if text.replace(",", " ").split() else None
