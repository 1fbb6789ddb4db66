"""Train a network by a recipe and write its checkpoint."""

import argparse
import copy
import json
import math
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from mnist_core.architectures import ARCHITECTURES, DIGITS, HouseNet, build, parameter_count
from mnist_core.augment import Augmentation, augment
from mnist_core.checkpoints import (
    CHECKPOINTS,
    Card,
    CheckpointError,
    Limits,
    ensure_name,
    save_checkpoint,
    write_atomically,
)
from mnist_core.classifier import infer
from mnist_core.command import NOBODY_READS, STOPPED, discard_output, finish, writing
from mnist_core.data import DataUnavailable, Labelled, Splits
from mnist_core.evaluate import accuracy, evaluate
from mnist_core.labelled import load_splits
from mnist_core.pen import coarse_scan, written_digits, written_others
from mnist_core.preprocess import to_images, to_tensor
from mnist_core.recipes import RECIPES, Recipe, at_least_one, not_negative, positive, read_recipe, usual_name
from mnist_core.verdicts import fit_limits, fit_temperature

HELD_WRITTEN = 5_000  # digits, and things that are none, of our own pen that are kept aside for the limits
GO_ON = "Make room and go on with --resume."


class TrainingError(Exception):
    """A run that cannot start or go on; the message says why and what to do."""


Saved = tuple[dict[str, Tensor], list[dict]]  # tensors by name, and the history


@dataclass
class Run:
    """What a run has reached; saved after each epoch, so that it can be resumed from there."""

    recipe: Recipe
    data: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None = None
    teacher: nn.Module | None = None  # what had been learned from the data alone, where the recipe keeps to it
    history: list[dict] = field(default_factory=list)

    @classmethod
    def start(cls, recipe: Recipe, data: str, device: torch.device) -> "Run":
        torch.manual_seed(_seed(recipe.seed))
        model = build(recipe.architecture, **recipe.arguments).to(device, memory_format=torch.channels_last)
        # Decay pulls weights towards 0; biases and the scales of batch normalisation have no reason to go there.
        decayed = [p for p in model.parameters() if p.ndim > 1]
        free = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
        average = None
        if recipe.average:
            follow = get_ema_multi_avg_fn(recipe.average)
            average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
        return cls(recipe, data, model, torch.optim.AdamW(groups, lr=recipe.learning_rate), average)

    @property
    def learned(self) -> nn.Module:
        """What has been learned so far, as it would be shipped."""
        return self.average.module if self.average else self.model

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, parameter in enumerate(self._parameters()):
            for name, tensor in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{index}.{name}"] = tensor
        for part, model in self._beside():
            tensors |= {f"{part}{name}": tensor for name, tensor in model.state_dict().items()}
        notes = {"settings": json.dumps(self._settings()), "history": json.dumps(self.history)}
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_atomically(path, save_tensors(contiguous, metadata=notes))

    def read(self, path: Path) -> "Saved":
        """What was saved at `path`, which must come from a run of the same settings."""
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                settings, history = dict(json.loads(notes["settings"])), list(json.loads(notes["history"]))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary
        except (SafetensorError, KeyError, ValueError, TypeError, RecursionError, OSError) as error:
            raise TrainingError(
                f"{path.name} cannot be read ({type(error).__name__}). Leave out --resume to start anew."
            ) from None
        if changed := [name for name, value in self._settings().items() if settings.get(name) != value]:
            raise TrainingError(
                f"{path.name} comes from a run with other settings ({', '.join(changed)}). "
                "Give the same ones again, or leave out --resume to start anew."
            )
        return tensors, history

    def go_on(self, saved: "Saved") -> None:
        tensors, history = saved
        known = any(name.startswith("teacher.") for name in tensors)
        self.teacher = copy.deepcopy(self.model).eval() if known else None
        for part, model in (("model.", self.model), *self._beside()):
            model.load_state_dict({n.removeprefix(part): t for n, t in tensors.items() if n.startswith(part)})
        for index, parameter in enumerate(self._parameters()):
            prefix = f"optimizer.{index}."
            self.optimizer.state[parameter] = {
                # Adam counts its steps on the CPU wherever the parameters are.
                n.removeprefix(prefix): t if n == f"{prefix}step" else t.to(parameter)
                for n, t in tensors.items()
                if n.startswith(prefix)
            }
        self.history = history

    def begin_again(self) -> None:
        """From what has been learned so far, which is the teacher from here on."""
        self.teacher = copy.deepcopy(self.learned).eval()
        self.model.load_state_dict(self.learned.state_dict())
        self.optimizer.state.clear()

    def _beside(self) -> list[tuple[str, nn.Module]]:
        """The models beside the one that learns, and what their tensors' names begin with in a file."""
        both = (("average.", self.average), ("teacher.", self.teacher))
        return [(part, model) for part, model in both if model]

    def _settings(self) -> dict:
        return json.loads(json.dumps({**asdict(self.recipe), "data": self.data}))

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def fit(run: Run, splits: Splits, progress: bool = False) -> Iterator[dict]:
    """Train `run` to the end of its recipe; yields a row an epoch, already part of its history.

    Every epoch draws its randomness from the seed and its own number, so that nothing but `run` has to be
    kept to go on later. Where torch.distributed is at work, each process takes its share of every batch.
    """
    recipe = run.recipe
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    device = next(run.model.parameters()).device
    model = DistributedDataParallel(run.model) if world > 1 else run.model
    own, alone = len(splits.train.images), recipe.epochs_alone
    if recipe.batch_size % world:
        raise TrainingError(f"A batch of {recipe.batch_size} cannot be shared evenly by {world} processes.")
    if own < recipe.batch_size:
        raise TrainingError(f"A batch of {recipe.batch_size} is more than the {own:,} training images.")
    images, labels = (torch.from_numpy(array).to(device) for array in with_own_pen(splits.train, recipe))
    generator = torch.Generator()
    for epoch in range(len(run.history), recipe.epochs):
        started = time.perf_counter()
        if alone and epoch == alone:
            run.begin_again()
        changes = recipe.augmentation if epoch < alone else recipe.joined or recipe.augmentation
        order = rows_of_pass(own, 0 if epoch < alone else len(images) - own, recipe, epoch)
        batches = len(order) // recipe.batch_size
        torch.manual_seed(_seed(recipe.seed, epoch, rank + 1))  # dropout
        generator.manual_seed(_seed(recipe.seed, epoch, rank + 1, 1))  # augmentation
        seen = torch.zeros(3, device=device)  # summed loss, right answers, images
        model.train()
        with tqdm(range(batches), f"epoch {epoch + 1:>2}/{recipe.epochs}", leave=False, disable=not progress) as bar:
            for batch in bar:
                rows = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size][rank::world].to(device)
                ink = to_images(images[rows])
                if changes:
                    ink = augment(ink, changes, generator)
                tensor = to_tensor(ink).contiguous(memory_format=torch.channels_last)
                logits = model(tensor)
                ours = rows < own
                strayed = departure(run.teacher, tensor[ours], logits[ours]) if run.teacher and recipe.keep else 0
                if recipe.others:
                    logits = F.pad(logits, (0, 1))  # an eleventh logit, always 0, that none of the ten is right
                loss = F.cross_entropy(logits, labels[rows])
                run.optimizer.zero_grad(set_to_none=True)
                (loss + recipe.keep * (strayed / len(rows))).backward()
                rate = recipe.rate(epoch + (batch + 1) / batches)
                for group in run.optimizer.param_groups:
                    group["lr"] = rate
                run.optimizer.step()
                if run.average:
                    run.average.update_parameters(run.model)
                right = (logits.argmax(1) == labels[rows]).sum()
                seen += torch.stack([loss.detach() * len(rows), right, torch.tensor(len(rows), device=device)])
                if progress and batch % 10 == 9:
                    mean_loss, share, _ = (seen / seen[2]).tolist()
                    bar.set_postfix(loss=f"{mean_loss:.4f}", accuracy=f"{share:.2%}")
        if world > 1:
            dist.all_reduce(seen)
            # Each process has batch normalisation's statistics of its own share; a saved run has the first one's.
            for part in (run.model, run.average):
                for buffer in part.buffers() if part else ():
                    dist.broadcast(buffer, 0)
        mean_loss, share, _ = (seen / seen[2]).tolist()
        if not math.isfinite(mean_loss):
            raise TrainingError(f"The loss is no number any more in epoch {epoch + 1}. Try a lower --learning-rate.")
        validation = evaluate(splits.validation.labels, infer(run.learned, to_tensor(splits.validation.images)))
        row = {
            "epoch": epoch + 1,
            "train_loss": round(mean_loss, 5),
            "train_accuracy": round(share, 5),
            "validation_loss": round(float(validation["loss"].mean()), 5),
            "validation_accuracy": round(accuracy(validation).accuracy, 5),
            "learning_rate": float(f"{rate:.4g}"),
            "seconds": round(time.perf_counter() - started, 1),
        }
        run.history.append(row)
        yield row


def rows_of_pass(own: int, added: int, recipe: Recipe, epoch: int) -> Tensor:
    """The rows of the data's own and of the added images behind them that a pass sees, in its order."""
    generator = torch.Generator().manual_seed(_seed(recipe.seed, epoch))
    order = torch.randperm(own + added, generator=generator)
    seen = torch.ones(own + added, dtype=torch.bool)
    seen[own + torch.randperm(added, generator=generator)[round(recipe.each_pass * added) :]] = False
    return order[seen[order]]


def departure(teacher: nn.Module, tensor: Tensor, logits: Tensor) -> Tensor:
    """The summed cross-entropy of logits for `tensor` and the teacher's shares."""
    with torch.no_grad():
        shares = teacher(tensor).softmax(dim=1)
    return F.cross_entropy(logits, shares, reduction="sum")


def with_own_pen(data: Labelled, recipe: Recipe) -> Labelled:
    """The data, and after it what the recipe adds: digits of our own pen, coarse scans of both, and, with the label
    10, what is no digit."""
    written, others = _own_pen(recipe.written, recipe.others, recipe.seed)
    digits, parts = _joined(data, written), []
    if recipe.scanned:
        rng = np.random.default_rng([recipe.seed, recipe.scanned])
        rows = rng.choice(len(digits.images), min(recipe.scanned, len(digits.images)), replace=False)
        parts.append(Labelled(np.stack([coarse_scan(digits.images[row], rng) for row in rows]), digits.labels[rows]))
    return _joined(digits, *parts, others)


@lru_cache(maxsize=1)
def _own_pen(digits: int, others: int, seed: int) -> tuple[Labelled, Labelled]:
    """What our own pen writes, kept for the next run of the process: the many of a search all take the same."""
    images, labels, _ = written_digits(digits, seed)
    strange, _ = written_others(others, seed)
    return Labelled(images, labels), Labelled(strange, np.full(others, DIGITS, dtype=np.int64))


def _joined(*parts: Labelled) -> Labelled:
    return Labelled(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _score(model: nn.Module, split: Labelled) -> tuple:
    logits = infer(model, to_tensor(split.images))
    return accuracy(evaluate(split.labels, logits)), logits


def shipped(run: Run, splits: Splits) -> tuple[nn.Module, dict, Limits | None]:
    """What is shipped of a finished run, and where it stops being sure: all from validation images alone."""
    recipe, model, arguments = run.recipe, run.learned, run.recipe.arguments
    if isinstance(model, HouseNet):
        model, arguments = model.fold(), {**arguments, "folded": True}
    if not recipe.others:
        return model, arguments, None
    temperature = fit_temperature(splits.validation.labels, infer(model, to_tensor(splits.validation.images)))
    with torch.no_grad():  # into the weights, so that every door gives the same confidence
        model[-1].weight /= temperature
        model[-1].bias /= temperature
    unseen = recipe.seed + 1  # another seed than that of training
    written, labels, _ = written_digits(HELD_WRITTEN, unseen)
    others, _ = written_others(HELD_WRITTEN, unseen)
    labels = np.concatenate([splits.validation.labels, labels])
    images = to_images(np.concatenate([splits.validation.images, written]))
    generator = torch.Generator().manual_seed(_seed(unseen))
    changed = augment(images, recipe.joined or recipe.augmentation or Augmentation(), generator)
    logits = [infer(model, to_tensor(ink)) for ink in (images, changed, to_images(others))]
    return model, arguments, replace(fit_limits(labels, *logits), temperature=temperature)


def save_result(run: Run, splits: Splits, name: str, folder: Path) -> Card:
    """Score the finished run, once on the test set, and write its checkpoint."""
    device = next(run.model.parameters()).device
    model, arguments, limits = shipped(run, splits)
    validation, _ = _score(model, splits.validation)
    test, logits = _score(model, splits.test)
    card = Card(
        name=name,
        architecture=run.recipe.architecture,
        arguments=arguments,
        parameters=parameter_count(model),
        sha256="",
        recipe={k: v for k, v in asdict(run.recipe).items() if k not in ("architecture", "arguments")},
        data=run.data,
        history=run.history,
        validation=validation,
        test=test,
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
            "threads": torch.get_num_threads(),
            "processes": dist.get_world_size() if dist.is_initialized() else 1,
        },
        seconds=round(sum(row["seconds"] for row in run.history), 1),
        limits=limits,
    )
    with writing(folder, GO_ON):
        return save_checkpoint(card, model, splits.test.labels, logits, folder)


def choose_device(wanted: str) -> torch.device:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[wanted]:
        raise TrainingError(f"This machine has no {wanted} device that PyTorch can use. Try --device auto.")
    if wanted == "cuda":
        place, devices = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if place >= devices:
            raise TrainingError(
                f"Each process needs a GPU of its own, and this machine has {devices}. Start fewer processes."
            )
        torch.cuda.set_device(place)  # nccl talks through the current one
        return torch.device("cuda", place)
    return torch.device(wanted)


def ensure_room(run: Run, folder: Path) -> None:
    """Fail now, in a sentence, rather than when the first epoch is done."""
    # Weights, Adam's two averages, their own and the teacher, while the file they replace is still there; and the
    # checkpoint itself.
    kept = 3 + bool(run.average) + bool(run.recipe.epochs_alone)
    needed = parameter_count(run.model) * 4 * (2 * kept + 2) + 2_000_000
    try:
        if folder.exists() and not folder.is_dir():
            raise TrainingError(f"{folder} is a file. Choose a folder with --out.")
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{run.recipe.architecture}.room"
        write_atomically(trial, b"room")
        trial.unlink(missing_ok=True)  # another run may begin at this very moment
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise TrainingError(f"Cannot write to {folder}: {error.strerror}. Choose another folder with --out.") from None
    if free < needed:
        raise TrainingError(
            f"{folder} has {free / 1e6:.0f} MB left and the run needs {needed / 1e6:.0f} MB. "
            "Make room, or choose another folder with --out."
        )


def first_does(task: Callable[[], Any]) -> Any:
    """What comes of a task that only the first process does; its failure is everyone's, so that none waits in vain."""
    if not dist.is_initialized():
        return task()
    outcome: list = [None, None]
    if dist.get_rank() == 0:
        try:
            outcome[0] = task()
        except TrainingError as error:
            outcome[1] = error
    dist.broadcast_object_list(outcome)
    if outcome[1]:
        raise outcome[1]
    return outcome[0]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    rows = [
        f"  {name:14} {r.epochs:>3} epochs   batches of {r.batch_size}"
        f"   learning rate {r.learning_rate:g}   seed {r.seed}"
        for name, r in RECIPES.items()
    ]
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.train",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train one of the networks and write its checkpoint: weights, card and test answers.",
        epilog="\n".join(
            [
                "recipes, where nothing else is asked for:",
                *rows,
                "",
                "examples:",
                "  python -m mnist_core.train --architecture mlp",
                "  python -m mnist_core.train --architecture mlp --data embedded --out /tmp/try",
                "      without a network",
                "  python -m mnist_core.train --architecture mnistnet --resume",
                "      after Ctrl-C or a kill",
                "  torchrun --nproc-per-node 2 -m mnist_core.train --architecture mnistnet",
                "      two processes that share each batch",
            ]
        ),
    )
    network = parser.add_argument_group("what to train")
    what = network.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--recipe",
        type=read_recipe,
        metavar="FILE",
        help="a recipe of one's own, as python -m mnist_core.tune writes it",
    )
    what.add_argument("--architecture", choices=list(ARCHITECTURES), metavar="NAME", help=", ".join(RECIPES))
    network.add_argument(
        "--data",
        choices=["mnist", "embedded"],
        default="mnist",
        help="MNIST (60,000 images), or the 1,797 small digits inside scikit-learn, which need no network",
    )
    how = parser.add_argument_group("how (default: the recipe of the architecture)")
    how.add_argument("--epochs", type=at_least_one, metavar="N", help="passes over the training images")
    how.add_argument("--batch-size", type=at_least_one, metavar="N", help="images a step, over all processes")
    how.add_argument("--learning-rate", type=positive, metavar="X", help="the peak of the schedule")
    how.add_argument(
        "--seed",
        type=not_negative,
        metavar="N",
        help="the same seed on the same CPU, with as many threads, gives the same weights",
    )
    how.add_argument(
        "--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="default: the fastest there is"
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--out",
        type=Path,
        default=CHECKPOINTS,
        metavar="FOLDER",
        help="where the checkpoint goes (default: checkpoints/)",
    )
    files.add_argument(
        "--name",
        type=_name,
        metavar="NAME",
        help="what the checkpoint is called (default: its architecture, with _embedded or _tuned behind it where the "
        "data or the recipe is not the shipped one's)",
    )
    files.add_argument("--resume", action="store_true", help="go on after the last whole epoch of a stopped run")
    return parser.parse_args(arguments)


def _name(text: str) -> str:
    try:
        ensure_name(text)
    except CheckpointError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def train(options: argparse.Namespace) -> Card | None:
    """The whole command but its errors: returns the card, on the one process that writes it."""
    chosen = {name: getattr(options, name) for name in ("epochs", "batch_size", "learning_rate", "seed")}
    recipe = options.recipe or RECIPES[options.architecture]
    recipe = replace(recipe, **{k: v for k, v in chosen.items() if v is not None})
    tuned = options.recipe is not None or recipe != RECIPES[recipe.architecture]
    name = options.name or usual_name(recipe.architecture, options.data, tuned)
    device = choose_device(options.device)
    if distributed := "RANK" in os.environ:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    writes = not distributed or dist.get_rank() == 0
    torch.use_deterministic_algorithms(device.type == "cpu")
    torch.utils.deterministic.fill_uninitialized_memory = False  # nobody reads it
    run = Run.start(recipe, options.data, device)
    state = options.out / f"{name}.resume.safetensors"
    first_does(lambda: ensure_room(run, options.out))
    splits = load_splits(options.data)
    if options.resume:
        # On other machines the folder may be another one, so what was saved goes out from the first process.
        if saved := first_does(lambda: run.read(state) if state.is_file() else None):
            run.go_on(saved)
        elif writes:
            print(f"Nothing to resume: {state.name} is not in {options.out}. Starting anew.")
    if writes:
        print(
            f"{name}: {parameter_count(run.model):,} parameters, {len(splits.train.images):,} images, on {device.type}"
        )
    for row in fit(run, splits, progress=writes and sys.stderr.isatty()):
        if writes:
            with writing(options.out, GO_ON):
                run.save(state)
            print(
                f"epoch {row['epoch']:>3}/{recipe.epochs}   loss {row['train_loss']:.4f}"
                f"   accuracy {row['train_accuracy']:7.2%}   validation {row['validation_accuracy']:7.2%}"
                f"   {row['seconds']:6.1f} s",
                flush=True,
            )
    card = save_result(run, splits, name, options.out) if writes else None
    if distributed:
        dist.barrier()
        dist.destroy_process_group()
    if card:
        state.unlink(missing_ok=True)
        test = card.test
        print(
            f"validation {card.validation.accuracy:.2%}, test {test.accuracy:.2%}"
            f" (95 % interval {test.low:.2%} to {test.high:.2%})"
            f"\nwritten: {options.out / name}.safetensors, .json and .answers.npz"
        )
    return card


def train_or_tell(options: argparse.Namespace) -> int:
    """The exit status; what stops a run leaves something to go on from, and says so."""
    speaks = os.environ.get("LOCAL_RANK", "0") == "0"  # one voice a machine
    try:
        train(options)
    except (KeyboardInterrupt, BrokenPipeError) as stop:
        if speaks:
            print(
                "\nStopped. The epochs that were finished are kept; the same command with --resume goes on.",
                file=sys.stderr,
            )
        if isinstance(stop, KeyboardInterrupt):
            return STOPPED + signal.SIGINT
        discard_output()
        return NOBODY_READS
    except (TrainingError, DataUnavailable) as error:
        if speaks:
            print(error, file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    return finish(lambda: train_or_tell(options))


if __name__ == "__main__":
    sys.exit(main())
