"""Save, load and list checkpoints.

A checkpoint is three files side by side: NAME.safetensors (the weights), NAME.json (the card, from which
the model is rebuilt) and NAME.answers.npz (the labels of the test set and the logits on it, tied to the weights
by their hash). What mnist_core/neighbours.py adds stands there.
Nothing is ever unpickled, and every file is written beside its place and then moved onto it.
"""

import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_origin

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from mnist_core.architectures import ARCHITECTURES, DIGITS, build, parameter_count

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
# What opens when nothing is asked for, in order of preference; the first that is there.
PREFERRED = ("house", "batchnorm_cnn", "mnistnet", "wide_cnn", "simple_cnn", "mlp")
TEST_IMAGES = 10_000  # that MNIST has


class CheckpointError(Exception):
    """A checkpoint that cannot be used; the message names the file and the reason."""


LONGEST_NAME = 80
MOST_BYTES = 200  # in a name, of the 255 that a file system has for a file's
TAKEN = (".resume", ".recipe")  # what else is called NAME and lies beside a checkpoint or a study


def ensure_name(name: str) -> None:
    """A name is part of each file's name, and never a way out of the folder."""
    if not (isinstance(name, str) and len(name) <= LONGEST_NAME and re.fullmatch(r"[\w-][\w.-]*", name)):
        raise CheckpointError(f"{name!r} is not the name of a checkpoint: letters, digits, '-', '_' and '.' are.")
    if len(name.encode()) > MOST_BYTES:
        raise CheckpointError(f"{name!r} is not the name of a checkpoint: it takes more than {MOST_BYTES} bytes.")
    if taken := next((ending for ending in TAKEN if name.endswith(ending)), ""):
        raise CheckpointError(f"{name!r} is not the name of a checkpoint: {taken} is the ending of other files.")


@dataclass(frozen=True)
class Score:
    """An accuracy with its 95 % Wilson interval, and what it was counted on."""

    correct: int
    total: int
    accuracy: float
    low: float
    high: float

    def __post_init__(self):
        if not (type(self.correct) is type(self.total) is int and 0 <= self.correct <= self.total > 0):
            raise ValueError("counts more right answers than there are images, or none at all")
        if not 0 <= self.low <= self.accuracy <= self.high <= 1:
            raise ValueError("has an accuracy outside its own interval")


@dataclass(frozen=True)
class Limits:
    """Where a model stops being sure, and how often it did on the validation images that these were fitted on."""

    digit: float  # the evidence from which on it is a digit
    perhaps: float  # the evidence from which on it may be one
    candidate: float  # the probability from which on a digit is a candidate
    temperature: float = 1.0  # what the logits were divided by, already part of the weights
    rates: dict = field(default_factory=dict)  # shares of each verdict, by what was looked at

    def __post_init__(self):
        numbers = (self.digit, self.perhaps, self.candidate, self.temperature)
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise ValueError("has a limit that is no number")
        if not (self.perhaps <= self.digit and 0 < self.candidate < 1 and self.temperature > 0):
            raise ValueError("has limits that contradict each other")
        if not isinstance(self.rates, dict):
            raise ValueError("has rates of the wrong type")


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself."""

    name: str
    architecture: str
    arguments: dict
    parameters: int
    sha256: str
    recipe: dict
    data: str
    history: list[dict]
    validation: Score
    test: Score
    versions: dict = field(default_factory=dict)
    seconds: float = 0.0
    limits: Limits | None = None  # only of models that have learned what is no digit

    @classmethod
    def from_json(cls, text: str) -> "Card":
        try:
            values = json.loads(text)
        except RecursionError:
            raise ValueError("is nested too deeply") from None
        if not isinstance(values, dict):
            raise ValueError("is not an object")
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"has unknown entries: {', '.join(sorted(unknown))}")
        try:
            parts = {"validation": Score(**values["validation"]), "test": Score(**values["test"])}
            if values.get("limits") is not None:
                parts["limits"] = Limits(**values["limits"])
            card = cls(**{**values, **parts})
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"misses or mistypes an entry ({error})") from None
        if not isinstance(card.architecture, str) or card.architecture not in ARCHITECTURES:
            raise ValueError(f"names an unknown architecture, {card.architecture!r}")
        for entry in fields(cls):
            if entry.name == "limits":
                continue
            kind = get_origin(entry.type) or entry.type
            if not isinstance(getattr(card, entry.name), int | float if kind is float else kind):
                raise ValueError(f"has an entry of the wrong type: {entry.name}")
        if not all(_is_charted(row) for row in card.history):
            raise ValueError("has an entry of the wrong type: history")
        return card

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


def _is_charted(row: Any) -> bool:
    """Whether an epoch says in numbers what a chart of the training shows."""
    wanted = ("epoch", "train_accuracy", "validation_accuracy")
    return isinstance(row, dict) and all(isinstance(row.get(name), int | float) for name in wanted)


def save_checkpoint(
    card: Card, model: nn.Module, labels: np.ndarray, logits: np.ndarray, folder: Path = CHECKPOINTS
) -> Card:
    """Write weights, answers and card: all of them before the first takes its place, so that a full disk costs no
    checkpoint that was there, and the card last, so that none describes what is not there."""
    ensure_name(card.name)
    weights = save_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    card = replace(card, sha256=hashlib.sha256(weights).hexdigest())
    folder = Path(folder)
    answers = {"labels": labels.astype(np.uint8), "logits": logits.astype(np.float32)}
    with ExitStack() as stack:  # what is entered last takes its place first
        for ending, write in (
            (".json", lambda path: path.write_bytes(card.to_json().encode())),
            (".answers.npz", lambda path: _write_arrays(path, **answers, sha256=card.sha256)),
            (".safetensors", lambda path: path.write_bytes(weights)),
        ):
            write(stack.enter_context(replacing(folder / f"{card.name}{ending}")))
    return card


def load_checkpoint(name: str, folder: Path = CHECKPOINTS) -> tuple[nn.Module, Card]:
    """The model, rebuilt from its card and ready to answer, and the card."""
    card, weights = _read(name, Path(folder))
    file = f"{name}.safetensors"
    try:
        with torch.device("meta"):  # no memory for weights that are replaced at once, however many a card asks for
            model = build(card.architecture, **card.arguments)
        tensors = load_tensors(weights)
        if any(tensors[name].dtype != tensor.dtype for name, tensor in model.state_dict().items() if name in tensors):
            raise ValueError("the numbers are of another kind")
        model.load_state_dict(tensors, assign=True)
    except (SafetensorError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{file} does not fit the architecture on its card: {reason}") from None
    if parameter_count(model) != card.parameters:
        raise CheckpointError(f"{name}.json promises {card.parameters:,} parameters, not {parameter_count(model):,}.")
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise CheckpointError(f"{file} holds weights that are no numbers.")
    return model.eval(), card


def load_answers(card: Card, folder: Path = CHECKPOINTS) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the test set and the logits that this very checkpoint gave on it, N x 10."""
    path = Path(folder) / f"{card.name}.answers.npz"
    labels, logits = load_arrays(path, card, "labels", "logits")
    if logits.shape != (card.test.total, DIGITS) or logits.dtype != np.float32:
        wanted = f"{card.test.total} x {DIGITS} numbers of float32"
        raise CheckpointError(f"{path.name} holds {logits.shape} of {logits.dtype} instead of {wanted}.")
    if card.data == "mnist" and card.test.total != TEST_IMAGES:
        raise CheckpointError(f"{path.name} holds answers to {card.test.total:,} images; MNIST has {TEST_IMAGES:,}.")
    if labels.shape != (card.test.total,) or labels.dtype != np.uint8 or labels.max() >= DIGITS:
        raise CheckpointError(f"{path.name} does not hold a label for each of its {card.test.total} answers.")
    return labels, logits


def list_checkpoints(folder: Path = CHECKPOINTS) -> tuple[list[Card], list[CheckpointError]]:
    """The cards of all usable checkpoints, the preferred ones first, and an error for each that is not."""
    cards, errors = [], []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            cards.append(load_checkpoint(path.stem, path.parent)[1])
        except CheckpointError as error:
            errors.append(error)
    order = {name: place for place, name in enumerate(PREFERRED)}
    return sorted(cards, key=lambda card: (order.get(card.name, len(order)), card.name)), errors


def preferred_checkpoint(folder: Path = CHECKPOINTS) -> str:
    """The name of the one to take unasked. One that is preferred is not passed over where it is broken: nobody would
    know that another answers."""
    there = {path.stem for path in Path(folder).glob("*.json")}
    if preferred := [name for name in PREFERRED if name in there]:
        return preferred[0]
    cards, errors = list_checkpoints(folder)
    if not cards:
        place = "" if Path(folder) == CHECKPOINTS else f" in {folder}"  # the house's own is no affair of its visitors
        told = f"There is no checkpoint{place}. Train one: python -m mnist_core.train --architecture mlp."
        raise errors[0] if errors else CheckpointError(told)
    return cards[0].name


def _read(name: str, folder: Path) -> tuple[Card, bytes]:
    ensure_name(name)
    card_path, weights_path = folder / f"{name}.json", folder / f"{name}.safetensors"
    for path in (card_path, weights_path):
        if not path.is_file():
            raise CheckpointError(f"{path.name} is missing.")
    try:
        card = Card.from_json(card_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{card_path.name} is not the card of a checkpoint: {error}.") from None
    except OSError as error:
        raise CheckpointError(f"{card_path.name} cannot be read: {error.strerror}.") from None
    if card.name != name:
        raise CheckpointError(f"{card_path.name} is the card of {card.name!r}.")
    try:
        weights = weights_path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{weights_path.name} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(weights).hexdigest() != card.sha256:
        raise CheckpointError(
            f"{weights_path.name} is not the file its card describes: it was cut, altered or mixed up."
        )
    return card, weights


def save_arrays(path: Path, **arrays: np.ndarray | str | int) -> None:
    with replacing(path) as beside:
        _write_arrays(beside, **arrays)


def _write_arrays(path: Path, **arrays: np.ndarray | str | int) -> None:
    with open(path, "wb") as file:  # of a path numpy would change the ending
        np.savez_compressed(file, **arrays)


def load_arrays(path: Path, card: Card, *names: str) -> list[np.ndarray]:
    """What was computed with this very checkpoint and saved with the `sha256` of its weights."""
    try:
        # Given a path, numpy leaves the files open that are no whole archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays, sha256 = [archive[name] for name in names], str(archive["sha256"])
    except FileNotFoundError:
        raise CheckpointError(f"{path.name} is missing.") from None
    except Exception as error:  # zipfile, zlib and numpy each have their own way to say "broken"
        raise CheckpointError(f"{path.name} is broken: {type(error).__name__}.") from None
    if sha256 != card.sha256:
        raise CheckpointError(f"{path.name} belongs to other weights than {card.name}.safetensors.")
    return arrays


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, moved onto it when the block ends well and gone when it does not."""
    # Not tempfile's: its files are for their owner only, whatever the umask says.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
