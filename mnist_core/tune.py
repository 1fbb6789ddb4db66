"""Search for a better recipe: many short trainings, judged on the validation images, with Optuna.

    python -m mnist_core.tune --architecture mlp --trials 30

Every trial draws the recipe's knobs (learning rate, batch size, weight decay, strength of augmentation, and what the
network's constructor has of dropout and width), trains with the fit() of mnist_core.train, and is given up early where
it lags behind the others. The first trial is the recipe as it stands. Trials are kept in a database: after a kill the
same command goes on, and any number of the same command may work on one study at once. A trial whose worker died is
done again. The test images are never looked at.

At the end NAME.json (every trial and how much each knob mattered) and NAME.recipe.json (the winner, for
`python -m mnist_core.train --recipe FILE`) are written.
"""

import argparse
import inspect
import json
import os
import platform
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from mnist_core.architectures import ARCHITECTURES
from mnist_core.augment import Augmentation
from mnist_core.checkpoints import ensure_name, write_atomically
from mnist_core.command import STOPPED, CommandError, finish, writing
from mnist_core.data import ROOT, Labelled, Splits
from mnist_core.labelled import load_splits
from mnist_core.recipes import RECIPES, Recipe, at_least_one, not_negative
from mnist_core.studies import STUDIES, Study, StudyError, load_study, save_study
from mnist_core.train import Run, TrainingError, choose_device, fit

if TYPE_CHECKING:
    from optuna import Study as Search
    from optuna import Trial
    from optuna.samplers import TPESampler
    from sqlalchemy.exc import SQLAlchemyError

DATABASE = ROOT / "data" / "studies.sqlite3"
BATCHES = (32, 64, 128, 256, 512)
HEARTBEAT = 10  # seconds
RETRIES = 3  # of a trial whose worker died; one that always kills its worker is given up


class OneTooMany(Exception):
    """Two workers saw the last place of a study free at the same moment."""


# Knobs --------------------------------------------------------------------------------------------------------


def sizes_of(architecture: str) -> dict[str, int]:
    """The arguments of a network's constructor that say how wide it is, with their usual values."""
    return {name: value for name, value in _usual_arguments(architecture).items() if type(value) is int}


def _usual_arguments(architecture: str) -> dict[str, Any]:
    parameters = inspect.signature(ARCHITECTURES[architecture]).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def usual_knobs(recipe: Recipe) -> dict[str, Any]:
    """Where the knobs stand in a recipe as it is."""
    arguments = _usual_arguments(recipe.architecture) | recipe.arguments
    knobs = {
        "learning_rate": recipe.learning_rate,
        "batch_size": recipe.batch_size,
        "weight_decay": recipe.weight_decay,
        "augmentation": 1.0 if recipe.augmentation else 0.0,
    }
    knobs |= {name: value for name, value in arguments.items() if "dropout" in name}
    return knobs | ({"width": 1.0} if sizes_of(recipe.architecture) else {})


def batches_of(images: int | None) -> tuple[int, ...]:
    """The batch sizes that so many training images fill, at least the smallest; None stands for all images."""
    return tuple(size for size in BATCHES if images is None or size <= max(images, BATCHES[0]))


def draw_knobs(trial: "Trial", architecture: str, batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    knobs = {
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 2e-2, log=True),
        "batch_size": trial.suggest_categorical("batch_size", batches),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        "augmentation": trial.suggest_float("augmentation", 0.0, 1.5),
    }
    for name in _usual_arguments(architecture):
        if "dropout" in name:
            knobs[name] = trial.suggest_float(name, 0.0, 0.6)
    if sizes_of(architecture):
        knobs["width"] = trial.suggest_float("width", 0.5, 2.0, log=True)
    return knobs


def turned(recipe: Recipe, knobs: dict[str, Any]) -> Recipe:
    """The recipe with its knobs where they are wanted; `augmentation` and `width` are factors of what is usual."""
    arguments = recipe.arguments | {name: value for name, value in knobs.items() if "dropout" in name}
    for name, size in sizes_of(recipe.architecture).items():
        arguments[name] = _scaled(recipe.arguments.get(name, size), knobs["width"])
    return replace(
        recipe,
        learning_rate=knobs["learning_rate"],
        batch_size=knobs["batch_size"],
        weight_decay=knobs["weight_decay"],
        augmentation=_strengthened(recipe.augmentation or Augmentation(), knobs["augmentation"]),
        joined=_strengthened(recipe.joined, knobs["augmentation"]) if recipe.joined else None,
        arguments=arguments,
    )


def _strengthened(changes: Augmentation, factor: float) -> Augmentation | None:
    limits = {name: _short(limit * factor) for name, limit in asdict(changes).items()}
    return Augmentation(**limits) if factor else None


def _scaled(size: int, factor: float) -> int:
    return max(1, round(size * factor))


# The search ---------------------------------------------------------------------------------------------------


def open_search(options: argparse.Namespace) -> "Search":
    """The study in its database, begun where there is none; one of other settings is refused."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    connect = partial(
        optuna.storages.RDBStorage,
        options.storage,
        engine_kwargs={"connect_args": {"timeout": 60}} if options.storage.startswith("sqlite") else None,
        heartbeat_interval=options.heartbeat,
        grace_period=3 * options.heartbeat,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES),
    )
    # The form of a database's address is SQLAlchemy's affair, and so is what it says of a wrong one.
    try:
        try:
            storage = connect()
        except SQLAlchemyError as error:
            if "already exists" not in str(error):
                raise
            storage = connect()  # another worker was making the tables at this very moment
    except (SQLAlchemyError, ImportError, ValueError, OSError, RuntimeError) as error:  # the last from another Optuna
        raise StudyError(f"The database cannot be opened: {_reason(error)}. Name another one with --storage.") from None
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, options.epochs // 3))
    how = {"storage": storage, "study_name": options.name, "pruner": pruner, "sampler": _sampler()}
    settings = {name: getattr(options, name) for name in ("architecture", "data", "epochs", "images", "seed")}
    search = optuna.create_study(**how, direction="maximize", load_if_exists=True)
    if (known := search.user_attrs.get("settings")) is None:  # it is new, or whoever began it was killed on the way
        search.set_user_attr("settings", settings)
    elif changed := [name for name, value in settings.items() if known.get(name) != value]:
        raise StudyError(
            f"The study {options.name} was begun with other settings ({', '.join(changed)}). "
            "Give the same ones again, or another --name."
        )
    return search


def ensure_place(search: "Search", options: argparse.Namespace) -> None:
    """What lies under the study's name may be an earlier state of it, and neither a checkpoint's card nor the figures
    of another search."""
    path = options.out / f"{options.name}.json"
    if not path.exists():
        return
    try:
        there = load_study(path)
    except StudyError:
        raise StudyError(f"{path.name} in {options.out} is no study. Choose another --name or --out.") from None
    known = {"architecture": there.architecture, **there.settings}
    trials = max(options.trials, len(search.get_trials(deepcopy=False)))
    if known != search.user_attrs["settings"] or len(there.trials) > trials:
        told = f"{path.name} in {options.out} holds another study, which would be lost."
        raise StudyError(f"{told} Choose another --name or --out.")


def _reason(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _database_failed(error: BaseException | None) -> "SQLAlchemyError | None":
    """The database's own error, which Optuna's may be about or may have come of."""
    from sqlalchemy.exc import SQLAlchemyError

    while error and not isinstance(error, SQLAlchemyError):
        error = error.__cause__ or error.__context__
    return error


def _sampler(seed: int | None = None) -> "TPESampler":
    from optuna.samplers import TPESampler

    # One knob at a time, so that all drawing happens within the trial, after it was told its number.
    return TPESampler(seed=seed, multivariate=False)


def count(search: "Search") -> dict[str, int]:
    """How many trials are in each state; `done` are those that ended as they should."""
    states = [trial.state.name.lower() for trial in search.get_trials(deepcopy=False)]
    counts = {name: states.count(name) for name in ("complete", "pruned", "running", "waiting")}
    return counts | {"done": counts["complete"] + counts["pruned"]}


def try_one(trial: "Trial", recipe: Recipe, options: argparse.Namespace, splits: Splits) -> float:
    """One trial: a short training with drawn knobs, given up where it lags behind."""
    import optuna

    trial.set_user_attr("begun", trial.number)
    trial.set_user_attr("worker", f"{platform.node()}:{os.getpid()}")
    # Drawn from the trial's own number: resumed or shared out, no two trials draw the same numbers.
    sampler = _sampler((options.seed * 1_000_003 + trial.number) % 2**32)
    *earlier, this = trial.study.get_trials(deepcopy=False)[: trial.number + 1]
    again = this.system_attrs.get("failed_trial")
    if again is None and sum(t.state.name != "FAIL" for t in earlier) >= options.trials:
        raise OneTooMany
    batches = batches_of(options.images)
    if 0 in (trial.number, again):
        usual = usual_knobs(recipe)
        usual["batch_size"] = min(usual["batch_size"], batches[-1])
        sampler = optuna.samplers.PartialFixedSampler(usual, sampler)
    trial.study.sampler = sampler
    knobs = draw_knobs(trial, recipe.architecture, batches)
    started, accuracy = time.perf_counter(), 0.0
    try:
        run = Run.start(replace(turned(recipe, knobs), epochs=options.epochs), options.data, choose_device("auto"))
        for row in fit(run, splits):
            accuracy = row["validation_accuracy"]
            trial.set_user_attr("seconds", round(time.perf_counter() - started, 1))
            trial.report(accuracy, row["epoch"])
            if row["epoch"] < options.epochs and trial.should_prune():
                raise optuna.TrialPruned
    except TrainingError as error:
        trial.set_user_attr("reason", str(error))
        raise optuna.TrialPruned(str(error)) from None
    except KeyboardInterrupt:
        trial.study.enqueue_trial(knobs)
        raise
    return accuracy


def take_back(search: "Search", heartbeat: int) -> None:
    """Trials whose worker died wait again for another one."""
    import optuna

    optuna.storages.fail_stale_trials(search)
    # One that died before its first heartbeat is beyond the line above.
    for trial in search.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        age = (datetime.now() - trial.datetime_start).total_seconds()
        if trial.user_attrs.get("begun") != trial.number and age > 6 * heartbeat:
            try:
                search.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
                continue  # another worker did at this very moment
            optuna.storages.RetryHeartbeatStaleTrialCallback(RETRIES)(search, trial)


def work(search: "Search", options: argparse.Namespace, splits: Splits) -> None:
    """Take part until `options.trials` trials are done, by this worker or by others."""
    from optuna.exceptions import UpdateFinishedTrialError

    recipe = RECIPES[options.architecture]
    torch.use_deterministic_algorithms(choose_device("auto").type == "cpu")
    told, taken_over = 0, []

    def objective(trial: "Trial") -> float:
        try:
            return try_one(trial, recipe, options, splits)
        except UpdateFinishedTrialError:  # asleep for so long that another worker was given the trial
            taken_over.append(trial.number)
            raise

    with tqdm(total=options.trials, desc=options.name, unit="trial", disable=None) as bar:
        while (counts := count(search))["done"] < options.trials:
            _show(bar, search, counts)
            if bar.disable and counts["done"] > told:
                told = counts["done"]
                print(_in_words(search), flush=True)
            if counts["done"] + counts["running"] >= options.trials and not counts["waiting"]:
                time.sleep(0.5)
                take_back(search, options.heartbeat)
                continue
            take_back(search, options.heartbeat)
            try:
                search.optimize(objective, n_trials=1, catch=(OneTooMany,))
            except ValueError:  # Optuna cannot tell the end of a trial that has ended
                if not taken_over:
                    raise
                taken_over.clear()
        _show(bar, search, counts)


def _show(bar: tqdm, search: "Search", counts: dict[str, int]) -> None:
    bar.n = counts["done"]
    if counts["complete"]:
        bar.set_postfix_str(f"best {search.best_value:.2%}, {counts['running']} at work", refresh=False)
    bar.refresh()


def _in_words(search: "Search") -> str:
    counts = count(search)
    best = f", best {search.best_value:.2%} (trial {search.best_trial.number})" if counts["complete"] else ""
    return f"{counts['done']} trials done, {counts['pruned']} of them given up early{best}"


# What is kept -------------------------------------------------------------------------------------------------


def figures(search: "Search", options: argparse.Namespace) -> Study:
    """The study as rows and numbers. A trial given up early has the accuracy of its last epoch."""
    import optuna

    rows = []
    for trial in search.get_trials(deepcopy=False):
        if trial.state.name not in ("COMPLETE", "PRUNED"):
            continue
        last = trial.last_step
        rows.append(
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "validation_accuracy": 0.0 if last is None else trial.intermediate_values[last],
                "epochs": last or 0,
                "seconds": trial.user_attrs.get("seconds", 0.0),
                **{name: _short(value) for name, value in trial.params.items()},
            }
        )
    complete = [row for row in rows if row["state"] == "complete"]
    importance: dict[str, float] = {}
    if len(complete) >= 8 and len({row["validation_accuracy"] for row in complete}) > 1:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(search, evaluator=evaluator)
        importance = {name: round(float(share), 4) for name, share in found.items()}
    settings = {key: value for key, value in search.user_attrs["settings"].items() if key != "architecture"}
    versions = {"python": platform.python_version(), "torch": torch.__version__, "optuna": optuna.__version__}
    versions["threads"] = torch.get_num_threads()
    return Study(options.name, options.architecture, settings, rows, importance, versions)


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def winner(study: Study) -> Recipe:
    """The architecture's recipe, with all its epochs, and the knobs of the best trial."""
    return turned(RECIPES[study.architecture], {name: study.best[name] for name in study.knobs})


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.tune", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument(
        "--architecture", required=True, choices=list(ARCHITECTURES), metavar="NAME", help=", ".join(RECIPES)
    )
    parser.add_argument(
        "--trials", type=at_least_one, default=30, metavar="N", help="in all, by all workers (default: 30)"
    )
    parser.add_argument("--epochs", type=at_least_one, default=5, metavar="N", help="passes of a trial (default: 5)")
    parser.add_argument("--images", type=at_least_one, metavar="N", help="training images of a trial (default: all)")
    parser.add_argument("--data", choices=["mnist", "embedded"], default="mnist", help="as mnist_core.train has it")
    parser.add_argument("--seed", type=not_negative, default=1, metavar="N", help="of what is drawn (default: 1)")
    parser.add_argument("--name", metavar="NAME", help="of the study (default: its architecture)")
    parser.add_argument(
        "--storage",
        metavar="URL",
        default=f"sqlite:///{DATABASE}",
        help="any database that Optuna takes, such as postgresql://user@host/name (default: SQLite in data/)",
    )
    parser.add_argument(
        "--heartbeat",
        type=at_least_one,
        default=HEARTBEAT,
        metavar="SECONDS",
        help=f"a worker silent for three of these has died (default: {HEARTBEAT})",
    )
    parser.add_argument(
        "--out", type=Path, default=STUDIES, metavar="FOLDER", help="for the results (default: checkpoints/studies/)"
    )
    options = parser.parse_args(arguments)
    options.name = options.architecture if options.name is None else options.name
    return options


def load_part(data: str, images: int | None) -> Splits:
    """The splits with no more than `images` training images, and without the test images: a search has no use for."""
    splits = load_splits(data)
    train = Labelled(splits.train.images[:images], splits.train.labels[:images])
    return Splits(train, splits.validation, Labelled(splits.test.images[:0], splits.test.labels[:0]))


def tune(options: argparse.Namespace) -> int:
    if not find_spec("optuna"):
        print("The search needs Optuna: pip install -r requirements-tune.txt brings it.", file=sys.stderr)
        return 1
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        ensure_name(options.name)
        with writing(options.out, "Choose another --out."):
            options.out.mkdir(parents=True, exist_ok=True)
        if options.storage == f"sqlite:///{DATABASE}":
            with writing(DATABASE.parent, "Name a database with --storage."):
                DATABASE.parent.mkdir(parents=True, exist_ok=True)
        search = open_search(options)
        ensure_place(search, options)
        work(search, options, load_part(options.data, options.images))
        study = figures(search, options)
        if not any(trial["state"] == "complete" for trial in study.trials):
            reasons = [trial.user_attrs.get("reason") for trial in search.get_trials(deepcopy=False)]
            told = next(filter(None, reasons), "Try more --trials.")
            raise StudyError(f"No trial came to its end, so there is no winner. {told}")
        with writing(options.out, "Choose another --out."):
            path = save_study(study, options.out)
            recipe = path.with_name(f"{options.name}.recipe.json")
            write_atomically(recipe, (json.dumps(asdict(winner(study)), indent=1) + "\n").encode())
    except KeyboardInterrupt:
        print("\nStopped. The trials that were done are kept; the same command goes on.", file=sys.stderr)
        return STOPPED + signal.SIGINT
    except (StudyError, TrainingError) as error:
        raise CommandError(str(error)) from None
    except Exception as error:
        if not (failed := _database_failed(error)):
            raise
        told = f"The database failed: {_reason(failed)}. When it is back, the same command goes on."
        raise CommandError(told) from None
    best = study.best
    print(f"{_in_words(search)}\n" + "   ".join(f"{name} {best[name]:g}" for name in study.knobs))
    print(f"written: {path.name} and {recipe.name} in {options.out}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    return finish(lambda: tune(options))


if __name__ == "__main__":
    sys.exit(main())
