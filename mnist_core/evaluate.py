"""Labels and logits -> the evaluation table, and all that is reduced from it. No model is ever needed here."""

import math

import numpy as np
import pandas as pd

from mnist_core.architectures import DIGITS
from mnist_core.checkpoints import Score


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


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
