"""How long an answer takes, on one thread: canvas pixels to verdict, for every model and stage.

    python -m benchmarks.pipeline_speed [--runs 300]

The bar is a median of 5 ms for the default model. Below it the same for a photograph of 12 megapixels, as the bytes of
a JPEG. Under a minute; what else the machine does shows in the last column.
"""

import argparse
import io
import time
from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image

from mnist_core.checkpoints import list_checkpoints
from mnist_core.classifier import DigitClassifier
from mnist_core.command import add_checkpoints
from mnist_core.ink import Ink
from mnist_core.preprocess import STAGE_NAMES
from mnist_core.strokes import place, render
from tests.inks import THREE_STROKES


def photograph_of_12_megapixels() -> bytes:
    height, width = 3000, 4000
    canvas = render(place(THREE_STROKES, 160, (140, 140)), 8)[..., 0]
    paper = np.asarray(Image.fromarray(canvas).resize((width, height), Image.Resampling.BICUBIC)) * np.float32(0.8) + 30
    light = np.linspace(1, 0.6, width, dtype=np.float32)
    grain = np.random.default_rng(0).normal(0, 4, (height, width)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(np.uint8((paper * light + grain).clip(0, 255))).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


def show_row(name: str, milliseconds: Iterable[float]) -> None:
    milliseconds = list(milliseconds)
    print(f"| {name} | {np.median(milliseconds):.2f} | {np.percentile(milliseconds, 95):.2f} |", flush=True)


def show_ink(title: str, ink: Ink, classifiers: list[DigitClassifier], runs: int) -> None:
    print(f"\n| {title} | median ms | 95 % within |\n| --- | ---: | ---: |")
    for classifier in classifiers:
        for _ in range(10):
            classifier.predict(ink)
        predictions, times = [], []
        for _ in range(runs):
            started = time.perf_counter()
            predictions.append(classifier.predict(ink))
            times.append(1000 * (time.perf_counter() - started))
        show_row(f"{classifier.card.name}: ink to answer", times)
        show_row(f"{classifier.card.name}: the network alone", [p.network_milliseconds for p in predictions])
    traces = [classifiers[0].pipeline.run(ink) for _ in range(runs)]
    show_row("all stages", [trace.milliseconds for trace in traces])
    for name in STAGE_NAMES:
        show_row(f"stage {name}", [trace[name].milliseconds for trace in traces])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="answers a model (default: 300)")
    add_checkpoints(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cards, _ = list_checkpoints(options.checkpoints)
    classifiers = [DigitClassifier.load(card.name, options.checkpoints) for card in cards]
    canvas = render(place(THREE_STROKES, 180, (130, 150)), 16)
    show_ink("canvas of 280 x 280", canvas, classifiers, options.runs)
    show_ink("photograph of 12 megapixels", photograph_of_12_megapixels(), classifiers[:1], max(1, options.runs // 15))


if __name__ == "__main__":
    main()
