"""What a model is worth by three things together: MNIST, what people draw with a pen, and what is no digit at all.

    python -m benchmarks.quality --pen FOLDER [--every 10] [--model house] [--only digits others changed]

Each row says what was measured, the bar and the figure. The pen data is described in benchmarks/pen.py. Digits are
drawn on the canvas at 35 to 85 % of it, anywhere on it, with every stroke width; what is no digit (capital letters and
symbols that do not look like a digit) likewise, with one of 16 pixels. Everything goes the one way from ink to logits.
With --every 1 the whole takes a quarter of an hour on two cores.
"""

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from benchmarks.pen import (
    WIDTHS,
    PenDigit,
    add_pen_argument,
    canvas_of,
    ensure_pen,
    form,
    place_anywhere,
    read_pen_digits,
    read_pen_others,
)
from benchmarks.processes import two_processes
from benchmarks.tables import Tables, percent
from mnist_core.checkpoints import Limits, load_answers, load_checkpoint
from mnist_core.classifier import infer
from mnist_core.command import add_checkpoints
from mnist_core.data import load_mnist
from mnist_core.evaluate import accuracy, calibration_error, evaluate, reliability
from mnist_core.labelled import read_scans
from mnist_core.preprocess import Pipeline, to_tensor
from mnist_core.strokes import CANVAS_SIDE, render
from mnist_core.verdicts import evidence, judge, softmax

HOUSE = Pipeline()


class Answers(NamedTuple):
    """Of some ink: the logits, and where there was any ink at all."""

    logits: np.ndarray
    found: np.ndarray

    def right(self, labels: np.ndarray) -> np.ndarray:
        return (self.logits.argmax(axis=1) == labels) & self.found

    def verdicts(self, limits: Limits | None) -> np.ndarray:
        said = np.array([judgement.verdict for judgement in judge(self.logits, limits)])
        return np.where(self.found, said, "blank")


def image_of(ink: np.ndarray) -> np.ndarray:
    return HOUSE.run(ink).image


def from_canvas(numbered: tuple[int, PenDigit], width: float) -> np.ndarray:
    return image_of(canvas_of(numbered, width))


# Ink that nobody has written ------------------------------------------------------------------------------------


def blank(rng: np.random.Generator) -> np.ndarray:
    return np.full((CANVAS_SIDE, CANVAS_SIDE), rng.integers(0, 256), dtype=np.uint8)


def noise(rng: np.random.Generator) -> np.ndarray:
    fine = rng.random((int(rng.integers(28, 281)),) * 2)
    kinds = (fine, fine > rng.uniform(0.3, 0.97), ndimage.gaussian_filter(fine, rng.uniform(1, 8)))
    chosen = kinds[rng.integers(len(kinds))].astype(float)
    return np.uint8(255 * (chosen - chosen.min()) / max(np.ptp(chosen), 1e-9))


def all_ink(rng: np.random.Generator) -> np.ndarray:
    """A paper painted black but for a frame of some width."""
    canvas = np.full((CANVAS_SIDE, CANVAS_SIDE), 255, dtype=np.uint8)
    frame = int(rng.integers(1, 100))
    canvas[frame:-frame, frame:-frame] = 0
    return canvas


def scribble(rng: np.random.Generator) -> np.ndarray:
    """A hand that runs over the paper and back, a dozen turns and more."""
    turns = np.cumsum(rng.normal(0, 60, (rng.integers(18, 45), 2)), axis=0)
    turns += rng.normal(0, 45, turns.shape)
    path = np.stack([np.interp(np.linspace(0, len(turns) - 1, 300), range(len(turns)), side) for side in turns.T], 1)
    smooth = ndimage.gaussian_filter1d(path, 2, axis=0)
    width = float(rng.choice(WIDTHS))
    return render(place_anywhere([smooth], rng, width), width, finer=2)


NOTHING = {"blank": blank, "noise": noise, "full black": all_ink, "scribbles": scribble}


def of_nothing(number: int, kind: str) -> np.ndarray:
    return image_of(NOTHING[kind](np.random.default_rng([number, len(kind)])))


# What happens to ink on its way ---------------------------------------------------------------------------------

LARGE = 112  # pixels a side of an MNIST image before it is changed


def moved(ink: np.ndarray, matrix: np.ndarray, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Around the middle; `matrix` says where each new pixel comes from, rows first."""
    middle = np.array([LARGE / 2, LARGE / 2])
    return ndimage.affine_transform(ink, matrix, middle - matrix @ (middle + shift), order=1)


def turned(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = np.deg2rad(rng.choice([-1, 1]) * rng.uniform(15, 30))
    return moved(ink, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def dotted(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:LARGE, :LARGE] // 6
    return ink * ((rows + columns) % 2 | (rng.random(ink.shape) < 0.2))


def with_line(ink: np.ndarray, rng: np.random.Generator, zigzag: bool = True) -> np.ndarray:
    """A thin zigzag through the picture, or stripes over all of it, half as bright as the ink."""
    rows, columns = np.mgrid[:LARGE, :LARGE]
    if zigzag:
        line = LARGE / 2 + 12 * (np.abs((columns + rng.integers(20)) % 20 - 10) - 5) / 5 + rng.uniform(-20, 20)
        return np.maximum(ink, 0.5 * (np.abs(rows - line) < 1.5))
    return np.maximum(ink, 0.3 * ((rows + rng.integers(16)) % 16 < 2))


def fogged(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cloud = ndimage.gaussian_filter(rng.random(ink.shape), 14)
    cloud = (cloud - cloud.min()) / np.ptp(cloud)
    return 0.5 * ink + 0.35 * cloud


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "shift": lambda ink, rng: moved(ink, np.eye(2), tuple(rng.uniform(-14, 14, 2))),
    "rotation, 15 to 30 degrees": turned,
    "scale, half to 1.2 times": lambda ink, rng: moved(ink, np.eye(2) / rng.uniform(0.5, 1.2)),
    "shear": lambda ink, rng: moved(ink, np.array([[1, 0], [rng.uniform(-0.4, 0.4), 1]])),
    "blur": lambda ink, rng: ndimage.gaussian_filter(ink, rng.uniform(2, 5)),
    "noise": lambda ink, rng: ink + rng.normal(0, 0.15, ink.shape),
    "dotted": dotted,
    "zigzag": with_line,
    "stripes": partial(with_line, zigzag=False),
    "fog": fogged,
    "low contrast": lambda ink, rng: 0.5 + 0.12 * ink,
}


def from_changed(numbered: tuple[int, np.ndarray], change: str) -> np.ndarray:
    number, image = numbered
    smooth = Image.fromarray(image).resize((LARGE, LARGE), Image.Resampling.BICUBIC).filter(ImageFilter.SMOOTH)
    ink = np.asarray(smooth, dtype=float) / 255
    changed = CHANGES[change](ink, np.random.default_rng([number, len(change)]))
    return image_of(np.uint8(255 * changed.clip(0, 1)))


# Tables ---------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("digits", "others", "changed")
    add_pen_argument(parser)
    parser.add_argument("--every", type=int, default=10, metavar="N", help="take every N-th drawing (default: 10)")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument("--model", default="house", metavar="NAME", help="default: house")
    add_checkpoints(parser)
    parser.add_argument("--table", metavar="FILE", help="write the printed tables there for the models page")
    options = parser.parse_args()
    ensure_pen(parser, options)
    torch.set_num_threads(1)
    model, card = load_checkpoint(options.model, options.checkpoints)
    limits = card.limits
    another = f" --model {card.name}" if card.name != "house" else ""
    command = f"python -m benchmarks.quality --every {options.every} --pen FOLDER{another}"
    tables = Tables(command, model=card.name, sha256=card.sha256)

    def answers_to(images: np.ndarray) -> Answers:
        return Answers(infer(model, to_tensor(images)), images.any(axis=(1, 2)))

    def show(what: str, bar: str, share: float, more: str = "") -> None:
        tables.row(what, [bar, f"{share:.2%}" + more])

    with two_processes() as images_of:

        def each(function: Callable, items: Iterable) -> Answers:
            return answers_to(images_of(function, items))

        digits = read_pen_digits(options.pen, options.every)
        pen = [each(partial(from_canvas, width=width), list(enumerate(digits))) for width in WIDTHS]
        drawn = Answers(*(np.concatenate(arrays) for arrays in zip(*pen, strict=True)))
        labels = np.array([digit.label for digit in digits])
        all_labels = np.tile(labels, len(WIDTHS))
        test_labels, test_logits = load_answers(card, options.checkpoints)
        test = Answers(test_logits, np.ones(len(test_logits), dtype=bool))

        tables.head(
            f"{card.name}, {len(digits):,} pen digits with {len(WIDTHS)} stroke widths", ["aimed at", "measured"]
        )
        if "digits" in options.only:
            score = accuracy(evaluate(test_labels, test_logits))
            show("MNIST test", "99.70%", score.accuracy, f" ({score.low:.2%} to {score.high:.2%})")
            show("pen digits", "98.50%", drawn.right(all_labels).mean())
            worst = min((answers.right(labels).mean(), width) for answers, width in zip(pen, WIDTHS, strict=True))
            show("pen digits, worst stroke width", "", worst[0], f" at {worst[1]}")
            small = read_scans()
            show("scikit-learn's digits", "98.00%", answers_to(small.images).right(small.labels).mean())
            for name, (answers, truth), bar in (
                ("calibration error, MNIST test", (test, test_labels), "0.20 points"),
                ("calibration error, pen digits", (drawn, all_labels), "1.50 points"),
            ):
                error = calibration_error(reliability(evaluate(truth, answers.logits)))
                tables.row(name, [bar, f"{100 * error:.2f} points"])
        if "others" in options.only:
            drawings = read_pen_others(options.pen, options.every)
            numbered = list(enumerate(drawings))
            others = each(partial(from_canvas, width=16), numbered)
            sets = {"MNIST test": test, "pen digits": drawn, "others": others}
            truth = np.repeat([1, 0], [len(drawn.logits), len(others.logits)])
            for name, of in {
                "evidence": evidence,
                "largest logit": lambda logits: logits.max(axis=1),
                "confidence": lambda logits: softmax(logits).max(axis=1),
            }.items():
                proof = np.concatenate([of(drawn.logits), of(others.logits)])
                bar = "97.00%" if name == "evidence" else ""
                show(f"pen digits told from others by {name}, AUROC", bar, roc_auc_score(truth, proof))
            limit = min(np.quantile(evidence(drawn.logits), 0.02), np.quantile(evidence(test.logits), 0.005))
            show(
                "others turned away where 98% of pen digits and 99.5% of MNIST's are accepted",
                "75.00%",
                (evidence(others.logits) < limit).mean(),
            )
            if limits:
                for name, answers in sets.items():
                    accepted = (answers.verdicts(limits) == "digit").mean()
                    show(f"called a digit by the card's limits: {name}", "", accepted)
                sure = drawn.verdicts(limits) == "digit"
                right = drawn.right(all_labels)[sure].mean()
                show("pen digits that are called a digit: read right", "99.00%", right, f", {sure.mean():.2%} of all")
            for kind in NOTHING:
                answers = each(partial(of_nothing, kind=kind), range(3000 // options.every))
                show(f"not called a digit: {kind}", "99.00%", (answers.verdicts(limits) != "digit").mean())
        if "changed" in options.only:
            images, truth = load_mnist("test")
            rows = slice(None, None, options.every)
            changed = {
                name: each(partial(from_changed, change=name), list(enumerate(images[rows]))).right(truth[rows]).mean()
                for name in CHANGES
            }
            show("MNIST test, changed: mean", "97.00%", np.mean(list(changed.values())))
            show("MNIST test, changed: worst", "88.00%", min(changed.values()), f", {min(changed, key=changed.get)}")
            tables.head("MNIST test, changed before the pipeline", ["aimed at", "read right"])
            for name, share in changed.items():
                show(name, "", share)
    if "digits" in options.only:
        show_forms(tables, digits, np.mean([answers.right(labels) for answers in pen], axis=0))
    if options.table:
        tables.save(options.table)


def show_forms(tables: Tables, digits: list[PenDigit], right: np.ndarray) -> None:
    for title, name_of in (("source", lambda digit: digit.source), ("form", form)):
        names = np.array([name_of(digit) for digit in digits])
        tables.head(f"Pen digits by {title}", ["digits", "read right"])
        for name in sorted(set(names)):
            tables.row(name, [f"{(names == name).sum():,}", *percent([right[names == name].mean()])])


if __name__ == "__main__":
    main()
