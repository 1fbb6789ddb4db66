"""What each ingredient of the house's recipe is worth: short runs with one changed, on validation and pen digits.

    python -m benchmarks.ablations --pen FOLDER --out FILE.json [--images 12000] [--epochs 12] [--every 10]

Each run takes the first --images training images and as large a share of our own pen's as the recipe does, and 4 to
11 minutes on one busy core. So short a run averages its weights over a tenth of the recipe's steps.
What is done stands in the file and is not done again, so a stopped run can be started again.
The test set is not touched.
"""

import argparse
import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.pen import add_pen_argument, ensure_pen, read_pen_digits, read_pen_others
from benchmarks.quality import from_canvas
from benchmarks.tables import Tables
from mnist_core.augment import Augmentation
from mnist_core.checkpoints import write_atomically
from mnist_core.classifier import infer
from mnist_core.data import Labelled, Splits
from mnist_core.labelled import load_splits, read_scans
from mnist_core.preprocess import to_tensor
from mnist_core.recipes import RECIPES, Recipe
from mnist_core.train import Run, fit
from mnist_core.verdicts import evidence
from mnist_core.words import counted

WIDTH = 16
HOUSE = RECIPES["house"]


def changed(**limits: float) -> dict[str, Augmentation]:
    return {name: replace(getattr(HOUSE, name), **limits) for name in ("augmentation", "joined")}


VARIATIONS: dict[str, dict] = {
    "the whole recipe": {},
    "without our own pen's digits": {"written": 0},
    "without what is no digit": {"others": 0},
    "without coarse scans": {"scanned": 0},
    "MNIST alone": {"written": 0, "others": 0, "scanned": 0, "alone": 0.0, "second_peak": 1.0, "joined": None},
    "our own pen, bending and holes from the beginning": {"alone": 0.0, "second_peak": 1.0},
    "without keeping to what MNIST alone taught": {"keep": 0.0},
    "without thinner and thicker strokes": changed(thinner=0, thicker=0),
    "without turning, scaling, shearing, shifting": changed(rotation=0, scale=0, shear=0, shift=0),
    "without any change of the images": {"augmentation": None, "joined": None},
    "without bending": changed(bend=0),
    "without holes": changed(hole=0),
    "bending and holes from the beginning": {"augmentation": HOUSE.joined},
    "without averaging the weights": {"average": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_pen_argument(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the figures are kept")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the printed table there for the models page")
    parser.add_argument("--images", type=int, default=12_000, metavar="N", help="training images (default: 12000)")
    parser.add_argument("--epochs", type=int, default=12, metavar="N", help="passes over them (default: 12)")
    parser.add_argument("--every", type=int, default=10, metavar="N", help="take every N-th drawing (default: 10)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(VARIATIONS),
        default=list(VARIATIONS),
        metavar="VARIATION",
        help="some of: " + ", ".join(f"'{name}'" for name in VARIATIONS),
    )
    options = parser.parse_args()
    ensure_pen(parser, options)
    splits = load_splits("mnist")
    share = options.images / len(splits.train.images)
    splits = splits._replace(train=Labelled(*(array[: options.images] for array in splits.train)))
    drawn = partial(from_canvas, width=WIDTH)
    digits, others = read_pen_digits(options.pen, options.every), read_pen_others(options.pen, options.every)
    labels = np.array([digit.label for digit in digits])
    images, strange = (np.stack([drawn(numbered) for numbered in enumerate(some)]) for some in (digits, others))
    scans = read_scans()
    settings = {name: getattr(options, name) for name in ("images", "epochs", "every")} | {"recipe": asdict(HOUSE)}
    kept = json.loads(options.out.read_text()) if options.out.exists() else {"settings": settings, "rows": {}}
    if kept["settings"] != json.loads(json.dumps(settings)):
        parser.error(f"{options.out} holds runs of other settings or of another recipe. Name another file with --out.")
    rows = kept["rows"]
    for name in options.only:
        if name in rows:
            continue
        smaller = {
            "written": int(HOUSE.written * share),
            "others": int(HOUSE.others * share),
            "scanned": int(HOUSE.scanned * share),
            "epochs": options.epochs,
            "average": 1 - 10 * (1 - HOUSE.average),
        }
        rows[name] = measure(
            replace(HOUSE, **{**smaller, **VARIATIONS[name]}), splits, Labelled(images, labels), scans, strange
        )
        write_atomically(options.out, json.dumps(kept, indent=1).encode())
        print(name, rows[name], flush=True)
    tables = Tables("python -m benchmarks.ablations --pen FOLDER --out FILE", recipe=settings["recipe"])
    tables.head(
        f"{options.images:,} training images, {options.epochs} epochs, {counted(torch.get_num_threads(), 'thread')}",
        [
            "MNIST validation",
            f"{len(labels):,} pen digits",
            "scikit-learn's digits",
            f"pen digits told from {len(strange):,} others, AUROC",
            "seconds",
        ],
    )
    for name in filter(rows.__contains__, VARIATIONS):
        row = rows[name]
        tables.row(
            name, [*(f"{row[key]:.2%}" for key in ("validation", "pen", "scans", "told")), f"{row['seconds']:.0f}"]
        )
    if options.table:
        tables.save(options.table)


def measure(recipe: Recipe, splits: Splits, pen: Labelled, scans: Labelled, strange: np.ndarray) -> dict[str, float]:
    run = Run.start(recipe, "mnist", torch.device("cpu"))
    *_, last = fit(run, splits)
    of_pen, of_scans, of_strange = (
        infer(run.learned, to_tensor(images)) for images in (pen.images, scans.images, strange)
    )
    proof = evidence(np.concatenate([of_pen, of_strange]))
    return {
        "validation": last["validation_accuracy"],
        "pen": float((of_pen.argmax(axis=1) == pen.labels).mean()),
        "scans": float((of_scans.argmax(axis=1) == scans.labels).mean()),
        "told": float(roc_auc_score(np.repeat([1, 0], [len(of_pen), len(of_strange)]), proof)),
        "seconds": sum(row["seconds"] for row in run.history),
    }


if __name__ == "__main__":
    main()
