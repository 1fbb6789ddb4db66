"""Labels and logits -> the evaluation table, and all that is reduced from it; only the command asks a model.

python -m mnist_core.evaluate batchnorm_cnn
python -m mnist_core.evaluate batchnorm_cnn my-digits/ --json
"""

import argparse
import json
import math
import sys
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import special
from tqdm import tqdm

from mnist_core.architectures import DIGITS
from mnist_core.checkpoints import TEST_IMAGES, Card, Score, load_answers
from mnist_core.classifier import DigitClassifier, infer
from mnist_core.command import CommandError, Faults, add_checkpoints, finish, load_classifier
from mnist_core.data import load_mnist
from mnist_core.labelled import FIRST_TEST_SCAN, ArchiveError, read_folder, read_scans
from mnist_core.preprocess import to_tensor
from mnist_core.reviews import corrected
from mnist_core.verdicts import judge, shares_of_verdicts, softmax
from mnist_core.words import as_code, percent, whole_number


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
    return pd.DataFrame(
        {
            "index": row,
            "label": labels,
            "digit": digit,
            "confidence": probabilities[row, digit],
            "margin": ordered[:, -1] - ordered[:, -2],
            "loss": -special.log_softmax(logits, axis=1)[row, labels],
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
    return choose(evaluation, right=False, order="surest first")


def suspects(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers, those first where the model gives the label the least chance: the labels to look at."""
    return choose(evaluation, right=False, order="largest loss first")


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
        ends = [whole_number(end) for end in part.split("-")]
        if None in ends or len(ends) > 2:
            raise ValueError(f"{as_code(part)} is no image number. Write numbers and ranges, such as 947 or 1000-1010.")
        numbers |= set(range(min(ends), min(max(ends) + 1, below)))
    return numbers if text.replace(",", " ").split() else None


# The command --------------------------------------------------------------------------------------------------

DATA = {"mnist": "MNIST's test images", "embedded": "the digits inside scikit-learn"}


class Answers(NamedTuple):
    """What a model said of labelled images."""

    what: str
    labels: np.ndarray
    logits: np.ndarray
    names: list[str] | list[int] | None = None  # of their files, or their numbers where these do not begin at 0
    unread: int = 0  # labelled pictures beside these, which are broken or blank


def ask(classifier: DigitClassifier, data: str, folder: Path) -> Answers:
    """The answers to one of the house's data sets; those to what a model was tested on lie beside its weights."""
    if classifier.card.data == data:
        kept = load_answers(classifier.card, folder)
        if data == "mnist":
            return Answers(f"{DATA[data]}, by the answers that lie beside it", *kept)
        numbers = [*range(FIRST_TEST_SCAN, FIRST_TEST_SCAN + len(kept[0]))]
        return Answers(f"those of {DATA[data]} that it was not trained on, by the answers beside it", *kept, numbers)
    labelled = load_mnist("test") if data == "mnist" else read_scans()
    return Answers(DATA[data], labelled.labels, infer(classifier.model, to_tensor(labelled.images)))


def ask_folder(classifier: DigitClassifier, folder: Path, faults: Faults) -> Answers:
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}.")
    try:
        with tqdm(total=100, unit="%", disable=None, desc="Through the pipeline") as bar:
            pictures = read_folder(folder, lambda share: bar.update(round(100 * share) - bar.n))
    except ArchiveError as error:
        raise CommandError(str(error)) from None
    for skipped in pictures.skipped:
        faults.tell(skipped.name, skipped.reason)
    if not pictures.names:
        told = "It needs folders named 0 to 9, or pictures and a CSV with the line `file,label` on top"
        raise CommandError(f"No labelled picture in {folder} can be used. {told}.")
    logits = infer(classifier.model, to_tensor(pictures.images))
    unread = sum(skipped.label is not None for skipped in pictures.skipped)
    return Answers(str(folder), pictures.labels, logits, pictures.names, unread)


def report(card: Card, answers: Answers, listed: int) -> dict:
    """Every figure of the errors page; of the single mistakes the surest."""
    evaluation = evaluate(answers.labels, answers.logits)
    score, matrix, groups = accuracy(evaluation), confusion_matrix(evaluation), reliability(evaluation)
    figures = {
        "model": card.name,
        "data": answers.what,
        "images": score.total,
        "mistakes": score.total - score.correct,
        "accuracy": score.accuracy,
        "low": score.low,
        "high": score.high,
        "calibration_error": calibration_error(groups),
        "digits": per_digit(evaluation).to_dict("records"),
        "confused": [dict(zip(("label", "digit", "images"), pair, strict=True)) for pair in confused_pairs(matrix)],
        "matrix": matrix.tolist(),
        "reliability": groups.to_dict("records"),
        "surest_mistakes": [
            {"image": answers.names[row["index"]] if answers.names else row["index"], **row}
            for row in mistakes(evaluation)
            .head(listed)[["index", "label", "digit", "confidence", "loss"]]
            .to_dict("records")
        ],
    }
    if answers.unread:
        figures["unread"] = answers.unread
        figures["accuracy_with_unread"] = score.correct / (score.total + answers.unread)
    if answers.what.startswith(DATA["mnist"]) and len(evaluation) == TEST_IMAGES:
        figures["accuracy_by_corrected_labels"] = accuracy(corrected(evaluation)).accuracy
    if card.limits:
        figures["verdicts"] = shares_of_verdicts(judge(answers.logits, card.limits))
    return figures


def in_words(figures: dict) -> str:
    interval = f"95% interval {figures['low']:.2%} to {figures['high']:.2%}"
    lines = [
        f"{figures['model']} on {figures['data']}",
        "",
        f"{figures['accuracy']:.2%} right ({interval})",
        f"{figures['mistakes']:,} wrong of {figures['images']:,}",
    ]
    if unread := figures.get("unread"):
        lines.append(
            f"{unread:,} of {figures['images'] + unread:,} pictures could not be read and are not counted; "
            f"{figures['accuracy_with_unread']:.2%} of all were read right."
        )
    if "accuracy_by_corrected_labels" in figures:
        lines.append(f"{figures['accuracy_by_corrected_labels']:.2%} by the labels that reviewers corrected")
    lines += [f"{100 * figures['calibration_error']:.2f} points expected calibration error"]
    if verdicts := figures.get("verdicts"):
        lines.append(
            f"{verdicts['not a digit']:.2%} turned away as no digit and {verdicts['unsure']:.2%} unsure, "
            "whose likeliest digit counts above all the same"
        )
    lines.append("")
    lines.append("digit  precision  recall      F1  images")
    for row in figures["digits"]:
        lines.append("{digit:5}  {precision:9.4f}  {recall:.4f}  {f1:.4f}  {support:6,}".format(**row))
    if figures["confused"]:
        lines += ["", "most often confused"]
        lines += ["{label} read as {digit}: {images:,}".format(**pair) for pair in figures["confused"][:10]]
    if figures["surest_mistakes"]:
        lines += ["", "surest mistakes", "label  digit  confidence     loss  image"]
    for row in figures["surest_mistakes"]:
        sure = percent(row["confidence"])
        lines.append("{label:5}  {digit:5}  {sure:>10}  {loss:7.2f}  {image}".format(**row, sure=sure))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.evaluate",
        description="How well a model reads labelled images: the figures of the errors page. The likeliest digit "
        "counts, also where the model is unsure or would turn an image away; how often that is stands beside. "
        "A 0 in a row of a digit that is not there says nothing. Status 1: a picture could not be read.",
    )
    parser.add_argument("name", metavar="NAME", help="the model")
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="pictures in folders named 0 to 9, or beside a CSV with the line file,label on top (default: --data)",
    )
    parser.add_argument(
        "--data",
        choices=list(DATA),
        help="MNIST's test images (default), or scikit-learn's digits; of a model trained on these, those kept aside",
    )
    parser.add_argument("--mistakes", type=int, default=10, metavar="N", help="how many to list (default: 10)")
    parser.add_argument("--json", action="store_true", help="every figure as one JSON object")
    add_checkpoints(parser)
    options = parser.parse_intermixed_args(arguments)  # the folder may follow options
    if options.mistakes < 0:
        parser.error("--mistakes takes a number from 0 on.")
    if options.folder == "":
        parser.error("The FOLDER is empty.")
    if options.folder and options.data:
        parser.error("Name a folder or --data, not both.")

    def command() -> int:
        classifier, faults = load_classifier(parser, options.name, options.checkpoints), Faults()
        if options.folder:
            answers = ask_folder(classifier, Path(options.folder), faults)
        else:
            answers = ask(classifier, options.data or "mnist", options.checkpoints)
        figures = report(classifier.card, answers, options.mistakes)
        print(json.dumps(figures) if options.json else in_words(figures))
        return 1 if faults.count else 0

    return finish(command)


if __name__ == "__main__":
    sys.exit(main())
