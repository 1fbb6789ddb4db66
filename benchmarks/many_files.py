"""The predict command over folders of more and more pictures: files a second, and whether its memory stays flat.

    python -m benchmarks.many_files [--counts 300 3000]

Pictures of 280 x 280 as a canvas gives them, drawn into a folder that is gone afterwards. The time is that of the whole
command, with the seconds in which PyTorch starts taken off: those of a command with one picture.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_core.strokes import place, render
from tests.inks import ONE_STROKES, SEVEN_STROKES, THREE_STROKES

FORMS = {
    "seven": SEVEN_STROKES,
    "one": ONE_STROKES,
    "three": THREE_STROKES,
}


def draw(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        strokes = list(FORMS.values())[number % len(FORMS)]
        picture = render(place(strokes, rng.uniform(120, 220), (140, 140)), rng.uniform(8, 28))
        Image.fromarray(picture).save(folder / f"{number:06}.png")


def run(folder: Path) -> tuple[float, float]:
    """Seconds and the most megabytes in memory."""
    started = time.perf_counter()
    arguments = [sys.executable, "-m", "mnist_core.predict", str(folder), "--csv"]
    command = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    if command.returncode:
        raise SystemExit(f"The command ended with {command.returncode}.")
    return time.perf_counter() - started, usage.ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[300, 3000], metavar="N", help="default: 300 3000")
    options = parser.parse_args()
    print("| files | files a second | most memory, MB |\n| ---: | ---: | ---: |")
    idle = 0.0
    for count in [1, *options.counts]:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), count)
            seconds, megabytes = run(Path(folder))
        idle = idle or seconds
        print(f"| {count:,} | {'' if count == 1 else round(count / (seconds - idle))} | {megabytes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
