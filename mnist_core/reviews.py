"""What reviewers said of MNIST's test labels that are in doubt.

From "Pervasive label errors in test sets destabilize machine learning benchmarks" (Northcutt, Athalye, Mueller,
2021; cleanlab/label-errors, Apache-2.0): five people looked at each image whose label a model doubted.
"""

import numpy as np
import pandas as pd

CORRECTED = {947: 9, 1621: 6, 1901: 4, 2462: 0, 2597: 3, 3558: 0, 5937: 3, 6651: 6, 6783: 6, 9729: 6}
NEITHER = frozenset({2654, 3520, 9679})  # neither the label nor the model's guess
UNDECIDED = frozenset({2130, 8527})  # no answer had a majority


def opinion(index: int) -> str:
    """What the reviewers said of a test image, in a sentence; nothing where they were not asked or agreed with it."""
    if index in CORRECTED:
        return f"Reviewers read a {CORRECTED[index]}: the label is wrong."
    if index in NEITHER:
        return "Reviewers saw neither the label nor the digit that a model had guessed."
    return "Reviewers could not agree." if index in UNDECIDED else ""


def corrected(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The evaluation of the test set by the reviewers' labels; images without an agreed label are left out.

    Its columns are index, label and digit: margins and losses belong to the original labels.
    """
    labels = evaluation["index"].map(CORRECTED).fillna(evaluation["label"]).astype(np.int64)
    agreed = ~evaluation["index"].isin(NEITHER | UNDECIDED)
    return evaluation.assign(label=labels).loc[agreed, ["index", "label", "digit"]].reset_index(drop=True)
