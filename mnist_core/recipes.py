"""What decides how a network is trained: the recipes of those that are shipped, and a recipe in a file.

python -m mnist_core.train --architecture NAME repeats the shipped checkpoint of that name. Its card says what it
reached and in what time, on one or two busy CPU cores:

    mlp             99.04 % of the test set   13 minutes
    simple_cnn      98.91 %                    8 minutes
    batchnorm_cnn   99.60 %                   25 minutes
    wide_cnn        99.55 %                   11 minutes
    mnistnet        99.46 %                   26 minutes, on two threads
    house           99.70 %                   60 minutes, on two threads

Another number of threads rounds sums differently, and its weights differ a little.
"""

import argparse
import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mnist_core.architectures import build
from mnist_core.augment import Augmentation

MOST_WRITTEN = 1_000_000  # images, of 784 bytes, that our own pen is asked for
MOST = dict.fromkeys(("written", "others", "scanned"), MOST_WRITTEN)
MOST |= {"learning_rate": 1e3, "each_pass": 1, "alone": 1, "average": math.nextafter(1, 0)}


@dataclass(frozen=True)
class Recipe:
    """All that decides what the weights will be, beside the data and the machine."""

    architecture: str
    epochs: int
    batch_size: int = 128
    learning_rate: float = 2e-3  # the peak of the schedule
    weight_decay: float = 0.01
    seed: int = 1
    arguments: dict = field(default_factory=dict)
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    written: int = 0  # digits of our own pen beside the data
    others: int = 0  # things of our own pen that are no digit
    scanned: int = 0  # digits of the data and of our own pen that are added once more, as a coarse scan leaves them
    each_pass: float = 1.0  # the share of all that is added which one pass sees, drawn anew for each
    alone: float = 0.0  # the first share of the run, which sees the data alone, nothing of our own pen
    second_peak: float = 1.0  # of the learning rate after it, as a share of the first peak
    joined: Augmentation | None = None  # how images are changed then, where not as before
    keep: float = 0.0  # how much staying with what the data alone have taught counts then, beside the labels
    average: float = 0.0  # what the moving average of the weights keeps a step; it is shipped instead of the last ones

    @property
    def epochs_alone(self) -> int:
        """How many see the data alone; the last one always sees all."""
        return min(round(self.alone * self.epochs), self.epochs - 1)

    def rate(self, done: float) -> float:
        """The learning rate when so many epochs are done: half of a cycle with the data alone, then a whole one."""
        alone = self.epochs_alone
        if alone and done <= alone:
            return self.learning_rate * one_cycle(done / (2 * alone))
        return self.learning_rate * self.second_peak * one_cycle((done - alone) / (self.epochs - alone))


RECIPES = {
    recipe.architecture: recipe
    for recipe in (
        Recipe("mlp", epochs=30),
        Recipe("simple_cnn", epochs=12),
        Recipe("batchnorm_cnn", epochs=8, learning_rate=4e-3),
        Recipe("wide_cnn", epochs=6, learning_rate=1e-3),
        Recipe("mnistnet", epochs=12, learning_rate=3e-3),
        Recipe(
            "house",
            epochs=56,
            learning_rate=4e-3,
            weight_decay=0.02,
            seed=2,
            written=70_000,
            others=60_000,
            scanned=16_000,
            each_pass=0.12,
            alone=0.36,
            second_peak=0.5,
            joined=Augmentation(bend=0.8, hole=3),
            keep=2.0,
            average=0.999,
        ),
    )
}


def usual_name(architecture: str, data: str, tuned: bool) -> str:
    """What a checkpoint is called unless it is told otherwise: only shipped recipes and data take shipped names."""
    return architecture + ("_tuned" if tuned else "") + ("_embedded" if data == "embedded" else "")


def one_cycle(done: float) -> float:
    """Up over the first fifth, down to nothing along a cosine: the share of the peak when `done` is done."""
    warm_up = 0.2
    return done / warm_up if done < warm_up else 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def read_recipe(text: str) -> Recipe:
    """The recipe in a JSON file that has the fields of Recipe; those it leaves out are as usual."""
    place = Path(text).name
    try:
        found = json.loads(Path(text).read_text(encoding="utf-8"))
        changes = {"augmentation": found.get("augmentation", {}), "joined": found.get("joined")}
        for kind, values in ((Recipe, found), *((Augmentation, limits or {}) for limits in changes.values())):
            if unknown := values.keys() - {entry.name for entry in fields(kind)}:
                raise argparse.ArgumentTypeError(f"{place} asks for what no recipe has: {', '.join(sorted(unknown))}")
        bent = {name: None if limits is None else Augmentation(**limits) for name, limits in changes.items()}
        recipe = Recipe(**found | bent)
        build(recipe.architecture, **recipe.arguments)
        _ensure_numbers(recipe)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{place} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, RecursionError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(f"{place} is no recipe: {error}") from None
    return recipe


def _ensure_numbers(recipe: Recipe) -> None:
    """Raises a ValueError, with the name of the field, at a number that no training could begin or end with."""
    numbers = [(entry.name, getattr(recipe, entry.name), entry.type) for entry in fields(recipe)]
    for part, changes in (("augmentation", recipe.augmentation), ("joined", recipe.joined)):
        numbers += [(f"{part}, {name}", limit, float) for name, limit in asdict(changes).items()] if changes else []
    for name, number, kind in numbers:
        if kind not in (int, float):
            continue
        try:
            if not isinstance(number, int | float):
                raise ValueError(f"{number!r} is {'text, ' * isinstance(number, str)}not a number")
            if kind is int:
                (at_least_one if name in ("epochs", "batch_size") else not_negative)(str(number))
            elif name == "learning_rate":
                positive(str(number))
            if not (0 <= number < math.inf and number <= MOST.get(name, math.inf)):
                raise ValueError(f"{number} is out of bounds")
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise ValueError(f"{name}: {error}") from None


def at_least_one(text: str) -> int:
    if not text.isdecimal() or (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return value


def not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1e30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, or far too large a one")
    return value
