"""The predict command: pictures in, a line each out.

    python -m mnist_core.predict seven.png drawings/ --top 3
    curl -s https://example.org/seven.png | python -m mnist_core.predict - --json

Exit status: 0 where every picture was read, 1 where one was not (stderr names it), 2 for wrong usage.
"""

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from mnist_core.architectures import DIGITS
from mnist_core.checkpoints import Card
from mnist_core.classifier import DigitClassifier, Prediction
from mnist_core.command import CommandError, Faults, add_checkpoints, finish, load_classifier, writing
from mnist_core.ink import Ink, InkError, files_in, is_picture
from mnist_core.pictures import step_png
from mnist_core.preprocess import STAGE_NAMES, Trace
from mnist_core.words import percent, printable

STDIN = "-"
BATCH = 64


# What goes in -------------------------------------------------------------------------------------------------


def find_pictures(paths: list[str], faults: Faults) -> Iterator[str]:
    """Every file that is named or lies in a folder that is, however deep, in the order of their names."""
    for path in paths:
        if path == STDIN or not os.path.isdir(path):
            yield path
            continue
        empty, before = True, faults.count
        for file in files_in(path, faults.tell):
            if is_picture(file):
                empty = False
                yield file
        if empty and faults.count == before:  # else nobody knows
            faults.tell(path, "This folder holds no picture (PNG, JPEG, WebP, BMP, GIF or TIFF).")


def read(path: str) -> Ink:
    if path == STDIN:
        if not (content := sys.stdin.buffer.read() if sys.stdin else b""):
            raise InkError("Nothing came in on standard input.")
        return content
    return path


class Answer(NamedTuple):
    path: str
    prediction: Prediction


def answer(
    classifier: DigitClassifier, paths: list[str], faults: Faults, stages: "Stages | None"
) -> Iterator[list[Answer]]:
    """The answers in batches, so that thousands of files take no more memory than a few."""
    names: list[str] = []
    traces: list[Trace] = []
    with tqdm(paths, unit=" pictures", disable=None if len(paths) > BATCH else True) as bar:
        for path in bar:
            try:
                trace = classifier.pipeline.run(read(path))
            except InkError as error:
                faults.tell(path, str(error))
                continue
            try:
                if stages:
                    stages.save(path, trace)
            except CommandError:
                yield list(map(Answer, names, classifier.judge(traces)))  # what was found until here
                raise
            names.append(path)
            traces.append(trace.without_the_way())
            if len(names) == BATCH:
                yield list(map(Answer, names, classifier.judge(traces)))
                names, traces = [], []
        if names:
            yield list(map(Answer, names, classifier.judge(traces)))


# What comes out -----------------------------------------------------------------------------------------------


class Table:
    def __init__(self, card: Card, top: int | None):
        self.more = (top or 1) - 1
        following = f"{'then':{10 * self.more}}" if self.more else ""
        self.head = [f"digit  confidence  {'verdict':11}  {following}file"]

    def line(self, path: str, prediction: Prediction) -> str:
        digit, sure = "-", "-"
        if prediction.digit is not None:
            digit, sure = str(prediction.digit), percent(prediction.confidence)
        likeliest = prediction.top(self.more + 1) if prediction.digit is not None else []
        following = [f"{other} {percent(share):6}" for other, share in likeliest[1:]]
        listed = f"{'  '.join(following):{10 * self.more}}"
        why = f" ({prediction.reason})" if prediction.reason else ""
        return f"{digit:>5}  {sure:>10}  {prediction.verdict:11}  {listed}{printable(path)}{why}"


class Csv:
    def __init__(self, card: Card, top: int | None):
        self.top = top or 1
        more = [f"{name}_{place}" for place in range(2, self.top + 1) for name in ("digit", "confidence")]
        self.head = [self._row(["file", "digit", "confidence", "verdict", "reason", *more])]

    def line(self, path: str, prediction: Prediction) -> str:
        likeliest = prediction.top(self.top) if prediction.digit is not None else []
        cells = [cell for digit, share in likeliest for cell in (digit, f"{share:.6f}")]
        cells += [""] * (2 * self.top - len(cells))
        return self._row([path, *cells[:2], prediction.verdict, prediction.reason, *cells[2:]])

    @staticmethod
    def _row(cells: list) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        return line.getvalue()[:-1]


class Json:
    """The same object as POST /api/predict answers with, and the file before it."""

    def __init__(self, card: Card, top: int | None):
        self.card, self.top, self.head = card, top or 3, []

    def line(self, path: str, prediction: Prediction) -> str:
        return json.dumps({"file": path, **prediction.as_json(self.card.name, self.top)})


class Stages:
    """A folder of PNG files for each picture, one a stage."""

    def __init__(self, folder: Path, several: bool):
        self.folder, self.several = folder, several
        self.taken: set[str] = set()

    def save(self, path: str, trace: Trace) -> None:
        folder = self.folder / self._name(path) if self.several else self.folder
        files = [folder / f"{number}_{name}.png" for number, name in enumerate(STAGE_NAMES, 1)]
        if any(file.exists() and os.path.exists(path) and file.samefile(path) for file in files):
            raise CommandError(f"{path} itself would be written over. Choose another folder with --stages.")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for file in files[len(trace.steps) :]:  # of other ink, which may have gone further
                file.unlink(missing_ok=True)
            for file, step in zip(files, trace.steps, strict=False):
                file.write_bytes(step_png(step))

    def _name(self, path: str) -> str:
        """The file's own name, with a number where another of that name came before."""
        own = "stdin" if path == STDIN else Path(path).name
        name, number = own, 1
        while name.casefold() in self.taken:
            number += 1
            name = f"{own} ({number})"
        self.taken.add(name.casefold())
        return name


# The command --------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.predict",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Read the digits in pictures: files, folders of files, or a picture on standard input (-).",
        epilog="examples:\n"
        "  python -m mnist_core.predict seven.png\n"
        "  python -m mnist_core.predict drawings/ --csv > answers.csv\n"
        "  python -m mnist_core.predict - --json < seven.png\n"
        "  python -m mnist_core.predict seven.png --stages steps/\n\n"
        "A picture that cannot be read is named on stderr and the rest goes on; the exit status is then 1.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder, or - for standard input")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const=Json, help="an object a line")
    form.add_argument("--csv", dest="form", action="store_const", const=Csv, help="rows below a line of names")
    parser.add_argument("--top", type=_places, metavar="K", help="the K likeliest digits (default: 1; of --json: 3)")
    parser.add_argument("--model", metavar="NAME", help="which model answers (default: the house's own choice)")
    parser.add_argument("--stages", type=_folder, metavar="DIR", help="write what each stage made of the ink, as PNG")
    add_checkpoints(parser)
    parser.set_defaults(form=Table)
    return parser


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a folder has a name")
    return Path(text)


def _places(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= DIGITS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {DIGITS}")
    return int(text)


def predict(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if "" in options.paths:
        parser.error("A PATH is empty.")
    if STDIN in options.paths and sys.stdin and sys.stdin.isatty():
        parser.error("- stands for a picture on standard input, and there is only a terminal.")
    classifier = load_classifier(parser, options.model, options.checkpoints)
    faults = Faults()
    paths = list(find_pictures(options.paths, faults))
    if options.stages:
        _ensure_apart(parser, options.stages, options.paths, paths)
    stages = Stages(options.stages, len(paths) > 1) if options.stages else None
    form = options.form(classifier.card, options.top)
    lines = form.head
    for batch in answer(classifier, paths, faults, stages):
        lines += [form.line(*each) for each in batch]
        if lines:
            with tqdm.external_write_mode():
                print(*lines, sep="\n", flush=True)
        lines = []
    if lines and options.form is Csv:
        print(*lines)  # a program that reads on wants the names of the columns, rows or none
    return 1 if faults.count else 0


def _ensure_apart(parser: argparse.ArgumentParser, stages: Path, asked: list[str], pictures: list[str]) -> None:
    """Stages must not be read as drawings the next time, nor be written over drawings that are yet to be read."""

    def lies_in(path: str | Path, folder: str | Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))

    if inside := next((path for path in asked if os.path.isdir(path) and lies_in(stages, path)), None):
        parser.error(f"--stages {stages} lies in {printable(inside)}, which is read. Choose a folder elsewhere.")
    if len(pictures) > 1 and (held := next((p for p in pictures if p != STDIN and lies_in(p, stages)), None)):
        parser.error(f"--stages {stages} holds {printable(held)}, which is read. Choose a folder elsewhere.")


def main(arguments: list[str] | None = None) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    return finish(lambda: predict(parser, options))


if __name__ == "__main__":
    sys.exit(main())
