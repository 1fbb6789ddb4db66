"""What the commands share: a model by its name, sentences instead of tracebacks, and a quiet end."""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from mnist_core.checkpoints import CHECKPOINTS, CheckpointError
from mnist_core.classifier import DigitClassifier
from mnist_core.data import DataUnavailable
from mnist_core.words import printable

STOPPED = 128  # and the number of the signal is what a shell reports of a command that one has ended
NOBODY_READS = STOPPED + 13  # SIGPIPE, for which Windows has no name


class CommandError(Exception):
    """What a command cannot do; the message says why, in a sentence."""


@contextmanager
def writing(what: object, advice: str = "") -> Iterator[None]:
    """Where the disk refuses `what`, a sentence says so."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{what} cannot be written: {error.strerror}. {advice}".rstrip()) from None


class Faults:
    """What could not be used, told by name on stderr as soon as it is met while the rest goes on."""

    def __init__(self):
        self.count = 0

    def tell(self, name: str, sentence: str) -> None:
        self.count += 1
        tqdm.write(f"{printable(name)}: {printable(sentence)}", file=sys.stderr)


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    told = "where models lie (default: checkpoints/)"
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, metavar="FOLDER", help=told)


def load_classifier(parser: argparse.ArgumentParser, name: str | None, folder: Path) -> DigitClassifier:
    """A model that does not exist is wrong usage; one that is broken is not."""
    try:
        return DigitClassifier.load(name, folder)
    except CheckpointError:
        names = sorted(path.stem for path in folder.glob("*.json"))
        if name is None or name in names:
            raise
        there = f"there are {', '.join(names)}" if names else f"there is none in {folder}"
        parser.error(f"There is no model called {name!r}; {there}.")


def finish(command: Callable[[], int]) -> int:
    """The exit status of a command, which never ends in a traceback."""
    # What is printed to a stderr that is closed goes to stdout, among the answers.
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, it stays open to the end
    if sys.stdout is None:
        print("The answers cannot be written: standard output is closed. Leave it open.", file=sys.stderr)
        return 1
    # What Pillow finds odd in a picture is no affair of who asks what it shows; the sentences say what matters.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack letters that a file's name has
        status = command()
        print(end="", flush=True)
        return status
    except KeyboardInterrupt:
        return STOPPED + signal.SIGINT
    except (CommandError, CheckpointError, DataUnavailable) as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is not None:
            print(f"{printable(str(error.filename))} cannot be used: {error.strerror}.", file=sys.stderr)
            return 1
        discard_output()
        if isinstance(error, BrokenPipeError):
            return NOBODY_READS
        print(f"The answers cannot be written: {error.strerror}.", file=sys.stderr)
        return 1


def discard_output() -> None:
    """Nobody reads any more, or the disk is full: what is in the buffer would be complained of at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
