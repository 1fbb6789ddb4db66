"""The search: knobs become a recipe that training takes, and no trial is lost or done twice when a worker is killed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import optuna
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from mnist_core import tune
from mnist_core.architectures import ARCHITECTURES, build
from mnist_core.checkpoints import CHECKPOINTS
from mnist_core.command import NOBODY_READS
from mnist_core.data import Labelled, Splits
from mnist_core.recipes import RECIPES, Recipe
from mnist_core.studies import STUDIES, Study, StudyError, list_studies, load_study, save_study
from mnist_core.train import parse_arguments
from mnist_core.tune import draw_knobs, main, sizes_of, turned, usual_knobs, winner

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)


# Knobs and recipes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_usual_knobs_are_the_shipped_recipe(architecture):
    recipe = RECIPES[architecture]
    again = turned(recipe, usual_knobs(recipe))
    assert replace(again, arguments={}) == replace(recipe, arguments={})
    arguments = {k: v for k, v in again.arguments.items() if k not in recipe.arguments}
    assert str(build(architecture, **arguments)) == str(build(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_whatever_is_drawn_builds_a_network(architecture):
    rng = np.random.default_rng(1)
    space = {}
    draw_knobs(optuna.trial.FixedTrial(usual_knobs(RECIPES[architecture])), architecture)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=int(rng.integers(100))))
    for _ in range(5):
        space = draw_knobs(study.ask(), architecture)
        recipe = turned(RECIPES[architecture], space)
        build(architecture, **recipe.arguments)
        usual = RECIPES[architecture].augmentation
        assert recipe.augmentation.rotation == pytest.approx(usual.rotation * space["augmentation"], rel=1e-3)


def test_the_strength_of_augmentation_is_that_of_both_parts_of_a_run():
    recipe = RECIPES["house"]
    knobs = usual_knobs(recipe)
    half = turned(recipe, knobs | {"augmentation": 0.5})
    assert (half.joined.bend, half.joined.hole) == (recipe.joined.bend / 2, recipe.joined.hole / 2)
    none = turned(recipe, knobs | {"augmentation": 0.0})
    assert (none.augmentation, none.joined) == (None, None)


def test_width_widens_every_layer_that_the_constructor_names():
    assert sizes_of("simple_cnn") == {"filters": 28, "hidden": 128}
    knobs = usual_knobs(RECIPES["simple_cnn"]) | {"width": 1.5}
    assert turned(RECIPES["simple_cnn"], knobs).arguments == {"filters": 42, "hidden": 192}
    assert sizes_of("wide_cnn") == {}


@pytest.fixture
def study() -> Study:
    knobs = usual_knobs(RECIPES["mlp"])
    trials = [
        {"number": n, "state": state, "validation_accuracy": accuracy, "epochs": 5, "seconds": 2.0}
        | knobs
        | {"dropout": n / 10}
        for n, (state, accuracy) in enumerate([("complete", 0.97), ("pruned", 0.99), ("complete", 0.98)])
    ]
    return Study("tried", "mlp", {"data": "mnist", "epochs": 5, "images": None, "seed": 1}, trials, {"dropout": 1.0})


def test_the_winner_is_the_best_that_came_to_its_end_with_all_epochs_of_the_recipe(study):
    assert study.best["number"] == 2
    assert winner(study) == replace(RECIPES["mlp"], arguments={"dropout": 0.2})


def test_training_takes_the_recipe_as_it_was_written(study, tmp_path):
    path = tmp_path / "mlp.recipe.json"
    path.write_text(json.dumps(asdict(winner(study))))
    assert parse_arguments(["--recipe", str(path)]).recipe == winner(study)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no recipe"),
        ("[]", "is no recipe"),
        ('{"architecture": "mlp"}', "epochs"),
        ('{"architecture": "mlp", "epochs": 3, "speed": 9}', "asks for what no recipe has: speed"),
        ('{"architecture": "mlp", "epochs": 3, "augmentation": {"blur": 1}}', "asks for what no recipe has: blur"),
        ('{"architecture": "transformer", "epochs": 3}', "transformer"),
        ('{"architecture": "mlp", "epochs": 3, "arguments": {"depth": 2}}', "depth"),
        ('{"architecture": "mlp", "epochs": 0}', "mine.json is no recipe: epochs: '0' is not a whole number"),
        (
            '{"architecture": "mlp", "epochs": 3, "learning_rate": "fast"}',
            "learning_rate: 'fast' is text, not a number",
        ),
        ('{"architecture": "mlp", "epochs": "3"}', "epochs: '3' is text, not a number"),
        (
            '{"architecture": "mlp", "epochs": 3, "weight_decay": -1}',
            "weight_decay: -1 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "average": 1.5}',
            "average: 1.5 is out of bounds",
        ),
        ('{"architecture": "mlp", "epochs": 3, "alone": 2}', "alone: 2 is out of bounds"),
        ('{"architecture": "mlp", "epochs": 3, "keep": -1}', "keep: -1 is out of bounds"),
        (
            '{"architecture": "mlp", "epochs": 3, "written": 1000000000000}',
            "written: 1000000000000 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "others": 1000001}',
            "others: 1000001 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "scanned": 1000001}',
            "scanned: 1000001 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "augmentation": {"rotation": -1}}',
            "augmentation, rotation: -1 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "joined": {"rotation": -1}}',
            "joined, rotation: -1 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "learning_rate": 1001}',
            "learning_rate: 1001 is out of bounds",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "learning_rate": 1e31}',
            "learning_rate: '1e+31' is not a number above 0, or far too large",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "written": -5}',
            "written: '-5' is not a whole number",
        ),
        (
            '{"architecture": "mlp", "epochs": 3, "others": 2.5}',
            "others: '2.5' is not a whole number",
        ),
        ('{"architecture": "mlp", "epochs": 3, "keep": "x"}', "keep: 'x' is text, not a number"),
        ('{"architecture": "mlp", "epochs": 3, "alone": null}', "alone: None is not a number"),
        ('{"architecture": "mlp", "epochs": 3, "keep": NaN}', "keep: nan is out of bounds"),
    ],
)
def test_what_is_no_recipe_is_told_in_a_sentence(tmp_path, capsys, content, told):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(SystemExit):
        parse_arguments(["--recipe", str(tmp_path / "mine.json")])
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_a_study_comes_back_from_disk_and_a_broken_one_is_told(study, tmp_path):
    assert load_study(save_study(study, tmp_path)) == study
    (tmp_path / "broken.json").write_text('{"name": "broken"}')
    (tmp_path / "tried.recipe.json").write_text("{}")
    studies, broken = list_studies(tmp_path)
    assert studies == [study]
    assert broken == ["broken.json does not hold the figures of a study."]


def test_a_reader_who_has_gone_is_not_told_as_a_folder_that_cannot_be_written_to(tmp_path):
    place = ["--storage", f"sqlite:///{tmp_path / 'db'}", "--out", str(tmp_path)]
    call = [*COMMAND, "--architecture", "mlp", "--data", "embedded", "--trials", "1", "--epochs", "1", *place]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        command.stdout.close()
        assert command.stderr.read() == ""
        assert command.wait(60) == NOBODY_READS


def test_a_folder_for_the_results_that_is_a_file_is_told(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    place = ["--storage", f"sqlite:///{tmp_path / 'db'}", "--out", str(tmp_path / "taken")]
    assert main(["--architecture", "mlp", "--data", "embedded", *place]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'taken'} cannot be written: File exists. Choose another --out.\n"


def test_a_recipe_that_is_not_there_is_told_without_its_folder(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--recipe", str(tmp_path / "mine.json")])
    assert capsys.readouterr().err.endswith(": mine.json cannot be read: No such file or directory\n")


def test_studies_are_listed_by_name_and_of_two_trials_alike_the_earlier_is_the_best(study, tmp_path):
    for name in ("c", "a", "b"):
        save_study(replace(study, name=name), tmp_path)
    assert [found.name for found in list_studies(tmp_path)[0]] == ["a", "b", "c"]
    assert replace(study, trials=[trial | {"validation_accuracy": 0.9} for trial in study.trials]).best["number"] == 0


# One worker ---------------------------------------------------------------------------------------------------


@pytest.fixture
def few_images(monkeypatch):
    rng = np.random.default_rng(3)
    part = [Labelled(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n)) for n in (600, 50, 0)]
    monkeypatch.setattr(tune, "load_part", lambda data, images: Splits(*part))


def options_of(tmp_path: Path, *more: str) -> list[str]:
    storage = ["--storage", f"sqlite:///{tmp_path}/s.sqlite3", "--out", str(tmp_path / "out")]
    return ["--architecture", "mlp", "--data", "embedded", "--epochs", "1", *storage, *more]


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_search_writes_its_trials_and_its_winner_and_a_second_call_only_adds(tmp_path, capsys):
    assert main(options_of(tmp_path, "--trials", "2")) == 0
    first = load_study(tmp_path / "out" / "mlp.json")
    assert [trial["number"] for trial in first.trials] == [0, 1]
    usual = usual_knobs(RECIPES["mlp"])
    assert {name: first.trials[0][name] for name in usual} == usual
    assert main(options_of(tmp_path, "--trials", "3")) == 0
    more = load_study(tmp_path / "out" / "mlp.json")
    assert more.trials[:2] == first.trials
    assert len(more.trials) == 3
    assert "best" in capsys.readouterr().out
    recipe = parse_arguments(["--recipe", str(tmp_path / "out" / "mlp.recipe.json")]).recipe
    assert isinstance(recipe, Recipe)
    assert recipe.batch_size == more.best["batch_size"]
    assert main(options_of(tmp_path, "--trials", "3", "--seed", "2")) == 1
    assert "begun with other settings (seed)" in capsys.readouterr().err


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("there", ["a card", "other settings", "more trials"])
def test_a_search_writes_over_no_card_and_no_other_study(there, study, tmp_path, capsys):
    place = tmp_path / "out" / "mlp.json"
    place.parent.mkdir()
    if there == "a card":
        shutil.copy(CHECKPOINTS / "mlp.json", place)
    else:
        settings = {"data": "embedded", "epochs": 1 if there == "more trials" else 2, "images": None, "seed": 1}
        save_study(replace(study, name="mlp", settings=settings), place.parent)
    before = place.read_bytes()
    assert main(options_of(tmp_path, "--trials", "1")) == 1
    assert "Choose another --name or --out." in capsys.readouterr().err
    assert place.read_bytes() == before
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_stopped_by_hand_is_done_again(tmp_path, monkeypatch, capsys):
    def stop(run, splits):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tune, "fit", stop)
        assert main(options_of(tmp_path, "--trials", "1")) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert main(options_of(tmp_path, "--trials", "1")) == 0
    (trial,) = load_study(tmp_path / "out" / "mlp.json").trials
    assert trial["learning_rate"] == RECIPES["mlp"].learning_rate


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_worker_that_slept_until_its_trial_was_given_away_goes_on_with_the_next(tmp_path, monkeypatch):
    url, slept = f"sqlite:///{tmp_path}/s.sqlite3", []

    def sleep(run, splits):
        if not slept:
            slept.append(True)
            optuna.load_study(study_name="mlp", storage=url).tell(0, state=optuna.trial.TrialState.FAIL)
        yield {"epoch": 1, "validation_accuracy": 0.5}

    monkeypatch.setattr(tune, "fit", sleep)
    assert main(options_of(tmp_path, "--trials", "2")) == 0
    assert [trial["number"] for trial in load_study(tmp_path / "out" / "mlp.json").trials] == [1, 2]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_two_workers_that_take_back_a_dead_ones_trial_at_one_moment_both_go_on(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/s.sqlite3"
    search, tell = optuna.create_study(study_name="mlp", storage=url), optuna.Study.tell
    search.ask()

    def meet(self, *arguments, **settings):
        if self is search:
            tune.take_back(optuna.load_study(study_name="mlp", storage=url), 0)
        return tell(self, *arguments, **settings)

    monkeypatch.setattr(optuna.Study, "tell", meet)
    tune.take_back(search, 0)
    assert [trial.state.name for trial in search.get_trials()] == ["FAIL", "WAITING"]


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_whose_maker_was_killed_at_once_is_begun_as_any_other(tmp_path):
    optuna.create_study(study_name="mlp", storage=f"sqlite:///{tmp_path}/s.sqlite3", direction="maximize")
    assert main(options_of(tmp_path, "--trials", "1")) == 0
    (trial,) = load_study(tmp_path / "out" / "mlp.json").trials
    assert trial["learning_rate"] == RECIPES["mlp"].learning_rate


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_two_workers_that_begin_a_study_at_one_moment_try_the_recipe_as_it_stands_once(tmp_path, monkeypatch):
    met = []

    def meet(search, go_on, *arguments, **settings):
        if not met:
            met.append(search)
            assert main(options_of(tmp_path, "--trials", "1")) == 0
        return go_on(search, *arguments, **settings)

    for first_write in ("add_trial", "optimize"):
        monkeypatch.setattr(optuna.Study, first_write, partialmethod(meet, getattr(optuna.Study, first_write)))
    assert main(options_of(tmp_path, "--trials", "2")) == 0
    assert met
    first, second = (trial["learning_rate"] for trial in load_study(tmp_path / "out" / "mlp.json").trials)
    assert first == RECIPES["mlp"].learning_rate != second


@pytest.mark.usefixtures("few_images")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_worker_that_meets_tables_which_another_makes_at_this_moment_tries_again(tmp_path, monkeypatch):
    connect, calls = optuna.storages.RDBStorage.__init__, []

    def meet(*arguments, **settings):
        calls.append(arguments)
        if len(calls) == 1:
            raise OperationalError("CREATE TABLE studies", None, Exception("table studies already exists"))
        connect(*arguments, **settings)

    monkeypatch.setattr(optuna.storages.RDBStorage, "__init__", meet)
    assert main(options_of(tmp_path, "--trials", "1")) == 0
    assert len(calls) > 1


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_few_images_are_tried_in_batches_that_they_fill_and_too_few_are_told(tmp_path, capsys):
    assert main(options_of(tmp_path, "--trials", "3", "--images", "100")) == 0
    batches = [trial["batch_size"] for trial in load_study(tmp_path / "out" / "mlp.json").trials]
    assert batches[0] == max(batches) == 64
    assert main(options_of(tmp_path, "--trials", "1", "--images", "20", "--name", "less")) == 1
    assert capsys.readouterr().err.endswith("A batch of 32 is more than the 20 training images.\n")


@pytest.mark.parametrize("storage", ["nonsense", "sqlite:////no/such/folder/s.sqlite3", "oracle://here"])
def test_a_database_that_cannot_be_opened_is_a_sentence(tmp_path, capsys, storage):
    assert main([*options_of(tmp_path), "--storage", storage]) == 1
    assert "The database cannot be opened" in capsys.readouterr().err


def test_a_database_of_another_optuna_is_a_sentence(tmp_path, capsys):
    path = tmp_path / "s.sqlite3"
    optuna.create_study(storage=f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("update alembic_version set version_num = 'v99.0.0.a'")
    assert main(options_of(tmp_path)) == 1
    told = capsys.readouterr().err
    assert "The database cannot be opened: The runtime optuna version" in told
    assert "Name another one with --storage." in told


@pytest.mark.parametrize("lost", ["trial_intermediate_values", "trials"])
def test_a_database_that_fails_in_the_middle_is_a_sentence(tmp_path, monkeypatch, capsys, lost):
    def lose(run, splits):
        with closing(sqlite3.connect(tmp_path / "s.sqlite3")) as database, database:
            database.execute(f"drop table {lost}")
        yield {"epoch": 1, "validation_accuracy": 0.5}

    monkeypatch.setattr(tune, "fit", lose)
    assert main([*options_of(tmp_path), "--trials", "1"]) == 1
    told = capsys.readouterr().err
    assert f"no such table: {lost}" in told
    assert told.endswith("When it is back, the same command goes on.\n")


def test_without_optuna_the_command_says_what_brings_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tune, "find_spec", lambda name: None)
    assert main(options_of(tmp_path)) == 1
    assert "pip install -r requirements-tune.txt" in capsys.readouterr().err


def test_a_broken_study_names_its_file(tmp_path):
    (tmp_path / "odd.json").write_text('{"trials": 7}')
    with pytest.raises(StudyError, match="odd.json"):
        load_study(tmp_path / "odd.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda study: study["settings"].pop("epochs"),
        lambda study: study["settings"].update(images="all"),
        lambda study: study["trials"][0].update(validation_accuracy="0.98"),
        lambda study: study["trials"][0].update(seconds=float("inf")),
        lambda study: study["trials"][0].update(weight_decay=0),
        lambda study: study["trials"][0].update(dropout="much"),
        lambda study: study["importance"].update(dropout="much"),
        lambda study: study["importance"].update(depth=0.5),
        lambda study: study["trials"][0].update(depth=3),
        lambda study: study["trials"][0].update(state="lost"),
        lambda study: [trial.update(state="pruned") for trial in study["trials"]],
        lambda study: study["trials"].clear(),
        lambda study: study.update(architecture="resnet"),
        lambda study: study.update(versions=[]),
    ],
)
def test_a_study_that_its_page_could_not_show_is_broken(tmp_path, change):
    study = json.loads((STUDIES / "mlp.json").read_text())
    path = tmp_path / "mlp.json"
    path.write_text(json.dumps(study))
    load_study(path)
    change(study)
    path.write_text(json.dumps(study))
    with pytest.raises(StudyError, match="mlp.json"):
        load_study(path)


# Workers that are killed --------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "mnist_core.tune"]


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *arguments, "--heartbeat", "1"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_trials(url: str) -> list:
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name="mlp", storage=storage).get_trials()


def wait_for_work_of(worker: subprocess.Popen, url: str, after: int = 0) -> list:
    """The trials as soon as one of them, with so many before it, is half done by this worker."""
    for _ in range(600):
        try:
            for trial in (trials := read_trials(url))[after:]:
                mine = str(trial.user_attrs.get("worker")).endswith(f":{worker.pid}")
                if mine and trial.state.name == "RUNNING" and trial.intermediate_values:
                    return trials
        except Exception:  # the database, or the study in it, is not there yet
            assert worker.poll() is None, worker.stderr.read()
        time.sleep(0.1)
    raise TimeoutError("the study did not come so far")


def ensure_nothing_lost_or_twice(url: str, wanted: int) -> None:
    trials = read_trials(url)
    done = [t for t in trials if t.state.name in ("COMPLETE", "PRUNED")]
    assert len(done) == wanted
    assert len({json.dumps(t.params, sort_keys=True) for t in done}) == wanted
    assert not [t for t in trials if t.state.name in ("RUNNING", "WAITING")]
    died = [t for t in trials if t.state.name == "FAIL" and t.params]
    again = {t.system_attrs.get("failed_trial"): t for t in done}
    assert died
    assert all(again[t.number].params.items() >= t.params.items() for t in died)


def test_a_killed_search_goes_on_and_does_the_trial_again_that_it_was_killed_in(tmp_path):
    arguments = options_of(tmp_path, "--trials", "4", "--epochs", "5")
    url = f"sqlite:///{tmp_path}/s.sqlite3"
    with start(arguments) as worker:
        before = wait_for_work_of(worker, url, after=1)
        worker.kill()
    with start(arguments) as worker:
        assert worker.wait(timeout=120) == 0, worker.stderr.read()
    ensure_nothing_lost_or_twice(url, 4)
    after = read_trials(url)
    assert after[0].values == before[0].values
    assert len(load_study(tmp_path / "out" / "mlp.json").trials) == 4


@pytest.fixture
def postgres(tmp_path) -> Iterator[str]:
    """The address of an empty PostgreSQL of this test's own, at a socket and no port."""
    if not POSTGRES:
        pytest.skip("No PostgreSQL here. Debian has it as the package `postgresql`.")
    bin, user = Path(POSTGRES).resolve().parent, "postgres" if os.getuid() == 0 else None
    folder = Path(f"/tmp/lab-postgres-{os.getpid()}")  # a socket's path has to be short
    folder.mkdir()
    if user:
        shutil.chown(folder, user)
    quiet = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([bin / "initdb", "-D", folder / "data", "-U", "lab", "-A", "trust", "-N"], check=True, **quiet)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    with subprocess.Popen([bin / "postgres", "-D", folder / "data", *options], **quiet) as server:
        for _ in range(100):
            if (folder / ".s.PGSQL.5432").exists():
                break
            time.sleep(0.1)
        else:
            raise TimeoutError("PostgreSQL did not start")
        yield f"postgresql://lab@/postgres?host={folder}"
        server.send_signal(signal.SIGINT)  # does not wait for those who are still connected
    shutil.rmtree(folder)


def test_two_workers_share_a_postgresql_and_one_of_them_is_killed(tmp_path, postgres):
    arguments = options_of(tmp_path, "--trials", "6", "--epochs", "6", "--storage", postgres)
    with start(arguments) as first, start(arguments) as second:
        wait_for_work_of(first, postgres)
        first.kill()
        assert second.wait(timeout=180) == 0, second.stderr.read()
    ensure_nothing_lost_or_twice(postgres, 6)
