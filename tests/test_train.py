"""Training repeats itself bit by bit, survives being stopped and killed, and says in a sentence why it cannot go on.

All runs are short ones on the digits inside scikit-learn. What stops a run is real: a signal to another process.
"""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

import mnist_core.train
from mnist_core.architectures import ARCHITECTURES
from mnist_core.augment import Augmentation
from mnist_core.checkpoints import CHECKPOINTS, list_checkpoints, load_answers, load_checkpoint
from mnist_core.command import NOBODY_READS
from mnist_core.data import Labelled, Splits, load_embedded_digits
from mnist_core.evaluate import accuracy, evaluate
from mnist_core.labelled import load_splits
from mnist_core.recipes import RECIPES, Recipe, one_cycle
from mnist_core.train import Run, TrainingError, ensure_room, fit, main, parse_arguments

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
QUICK = ["--architecture", "mlp", "--name", "mlp", "--data", "embedded", "--device", "cpu", "--batch-size", "100"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """More threads round sums differently, and the processes that are compared must agree."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def command(*arguments: str, launcher: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", *launcher, "-m", "mnist_core.train", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def signalled_after_epoch(process: subprocess.Popen, epoch: int, number: signal.Signals) -> tuple[str, str]:
    """What a process wrote that was sent a signal once it had saved that epoch."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(f"epoch {epoch:>3}/"):
            process.send_signal(number)
            break
    rest, errors = process.communicate(timeout=60)
    return "".join(lines) + rest, errors


def without_times(history: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


# The same again ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seed_3(tmp_path_factory) -> Path:
    """What a run of one epoch with the seed 3 has written."""
    folder = tmp_path_factory.mktemp("seed-3")
    assert main([*QUICK, "--epochs", "1", "--seed", "3", "--out", str(folder)]) == 0
    return folder


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(seed_3, tmp_path):
    for seed in ("3", "4"):
        assert main([*QUICK, "--epochs", "1", "--seed", seed, "--out", str(tmp_path / seed)]) == 0
    expected = (seed_3 / "mlp.safetensors").read_bytes()
    assert (tmp_path / "3" / "mlp.safetensors").read_bytes() == expected
    assert (tmp_path / "4" / "mlp.safetensors").read_bytes() != expected


Story = namedtuple("Story", "interrupted killed resumed whole left_by_kill")


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Story:
    """A run that Ctrl-C stops after epoch 1, a kill after epoch 3 and that is then resumed; and one left alone."""
    stopped, alone = tmp_path_factory.mktemp("stopped"), tmp_path_factory.mktemp("alone")
    arguments = [*QUICK, "--epochs", "5", "--out"]
    first = command(*arguments, str(stopped))
    interrupted = (*signalled_after_epoch(first, 1, signal.SIGINT), first.returncode)
    second = command(*arguments, str(stopped), "--resume")
    killed = (*signalled_after_epoch(second, 3, signal.SIGKILL), second.returncode)
    left = {path.name for path in stopped.iterdir()}
    assert main([*arguments, str(stopped), "--resume"]) == 0
    assert main([*arguments, str(alone)]) == 0
    return Story(interrupted, killed, stopped, alone, left)


def test_ctrl_c_ends_with_130_and_a_sentence_that_says_how_to_go_on(story):
    out, errors, status = story.interrupted
    assert status == 130
    assert "epoch   5/5" not in out
    assert errors.strip() == "Stopped. The epochs that were finished are kept; the same command with --resume goes on."


def test_a_run_whose_reader_has_gone_stops_with_a_sentence_and_can_be_resumed(tmp_path):
    with command(*QUICK, "--epochs", "3", "--out", str(tmp_path)) as run:
        assert run.stdout.readline().startswith("mlp: ")
        run.stdout.close()
        assert run.stderr.read().strip().startswith("Stopped. The epochs that were finished are kept;")
        assert run.wait(timeout=60) == NOBODY_READS
    assert (tmp_path / "mlp.resume.safetensors").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_run_whose_lines_cannot_be_written_ends_with_a_sentence(tmp_path):
    call = [sys.executable, "-m", "mnist_core.train", *QUICK, "--epochs", "2", "--out", str(tmp_path)]
    with open("/dev/full", "w") as full:
        run = subprocess.run(call, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    told = "The answers cannot be written: No space left on device.\n"
    assert (run.returncode, run.stderr) == (1, told)


def test_a_resumed_run_goes_on_after_the_last_whole_epoch(story):
    out, _, status = story.killed
    assert status == -signal.SIGKILL
    epochs = [line.split("/")[0].split()[-1] for line in out.splitlines() if line.startswith("epoch")]
    assert epochs[:2] == ["2", "3"]


def test_a_killed_run_leaves_what_can_be_resumed_and_nothing_that_looks_like_a_checkpoint(story):
    assert {name for name in story.left_by_kill if not name.startswith(".")} == {"mlp.resume.safetensors"}


def test_a_stopped_killed_and_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(story):
    resumed, whole = (load_file(folder / "mlp.safetensors") for folder in (story.resumed, story.whole))
    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        assert torch.equal(resumed[name], tensor), name
    cards = [load_checkpoint("mlp", folder)[1] for folder in (story.resumed, story.whole)]
    assert cards[0].sha256 == cards[1].sha256
    assert without_times(cards[0].history) == without_times(cards[1].history)
    assert [row["epoch"] for row in cards[0].history] == [1, 2, 3, 4, 5]


def test_a_finished_run_leaves_a_checkpoint_and_nothing_else(story):
    endings = {"mlp.safetensors", "mlp.json", "mlp.answers.npz"}
    assert {path.name for path in story.whole.iterdir()} == endings
    assert {path.name for path in story.resumed.iterdir() if not path.name.startswith(".")} == endings


def test_a_finished_run_has_learned_and_its_card_tells_how(story):
    model, card = load_checkpoint("mlp", story.whole)
    labels, logits = load_answers(card, story.whole)
    np.testing.assert_array_equal(labels, load_embedded_digits().labels[1400:])
    assert accuracy(evaluate(labels, logits)) == card.test
    assert (card.test.total, card.validation.total) == (397, 200)
    assert card.test.accuracy > 0.5
    assert card.history[-1]["train_loss"] < card.history[0]["train_loss"]
    assert card.history[-1]["validation_accuracy"] == card.validation.accuracy
    assert (card.data, card.recipe["epochs"], card.recipe["seed"]) == ("embedded", 5, RECIPES["mlp"].seed)
    assert card.versions["torch"] == torch.__version__
    assert card.versions["processes"] == 1


def small_splits(images: int = 120) -> Splits:
    digits = load_embedded_digits()
    parts = [Labelled(digits.images[rows], digits.labels[rows]) for rows in (slice(images), slice(500, 550))]
    return Splits(*parts, parts[1])


def test_batch_normalisations_averages_are_resumed_too(tmp_path):
    splits, recipe = small_splits(60), Recipe("batchnorm_cnn", epochs=3, batch_size=20)
    whole, stopped, resumed = (Run.start(recipe, "embedded", CPU) for _ in range(3))
    list(fit(whole, splits))
    next(fit(stopped, splits))
    stopped.save(tmp_path / "state")
    resumed.go_on(resumed.read(tmp_path / "state"))
    rest = list(fit(resumed, splits))
    assert [row["epoch"] for row in rest] == [2, 3]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name
    assert whole.model.state_dict()["1.num_batches_tracked"] == 9


# What a run is made of ---------------------------------------------------------------------------------------------


def test_the_learning_rate_climbs_over_the_first_fifth_and_falls_to_nothing():
    rates = [one_cycle(done) for done in np.linspace(0, 1, 101)]
    assert rates[0] == 0
    assert rates[20] == max(rates) == 1
    assert rates[60] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_the_last_step_is_taken_with_the_last_rate_of_the_schedule(story):
    rates = [row["learning_rate"] for row in load_checkpoint("mlp", story.whole)[1].history]
    assert rates == pytest.approx([one_cycle(epoch / 5) * 2e-3 for epoch in range(1, 6)], rel=1e-3, abs=1e-12)


def test_every_architecture_has_a_recipe_that_its_name_alone_asks_for():
    assert set(RECIPES) == set(ARCHITECTURES)
    for name, recipe in RECIPES.items():
        options = parse_arguments(["--architecture", name])
        assert recipe.architecture == name
        assert {options.epochs, options.batch_size, options.learning_rate, options.seed} == {None}
        assert (options.out, options.data) == (CHECKPOINTS, "mnist")


SHIPPED = [card for card in list_checkpoints()[0] if card.name in RECIPES]


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_a_shipped_checkpoint_was_made_by_the_recipe_of_its_name(card):
    recipe = RECIPES[card.name]
    # What a recipe has learned to say since is, on an older card, as it was before: unsaid.
    changes = {key: Augmentation(**card.recipe[key]) for key in ("augmentation", "joined") if card.recipe.get(key)}
    assert Recipe(card.architecture, arguments=recipe.arguments, **card.recipe | changes) == recipe
    assert {key: value for key, value in card.arguments.items() if key != "folded"} == recipe.arguments
    assert card.data == "mnist"


def test_the_test_set_is_looked_at_once_when_the_run_has_ended(tmp_path, monkeypatch):
    looked, infer, save = [], mnist_core.train.infer, mnist_core.train.Run.save

    def watched_infer(model, tensors):
        looked.append(len(tensors))
        return infer(model, tensors)

    def watched_save(run, path):
        looked.append("epoch saved")
        save(run, path)

    monkeypatch.setattr(mnist_core.train, "infer", watched_infer)
    monkeypatch.setattr(mnist_core.train.Run, "save", watched_save)
    assert main([*QUICK, "--epochs", "2", "--out", str(tmp_path)]) == 0
    assert looked == [200, "epoch saved", 200, "epoch saved", 200, 397]


def test_the_test_set_chooses_nothing(seed_3, tmp_path, monkeypatch):
    train, validation, test = load_splits("embedded")
    nonsense = Labelled(255 - test.images[::-1], 9 - test.labels)
    monkeypatch.setattr(mnist_core.train, "load_splits", lambda _: Splits(train, validation, nonsense))
    assert main([*QUICK, "--epochs", "1", "--seed", "3", "--out", str(tmp_path)]) == 0
    cards = [load_checkpoint("mlp", folder)[1] for folder in (seed_3, tmp_path)]
    assert cards[0].sha256 == cards[1].sha256
    assert cards[0].test != cards[1].test


def test_without_augmentation_the_images_are_learned_as_they_are():
    splits = small_splits(100)
    shifted = Augmentation(rotation=180, shift=14)
    losses = []
    for augmentation in (None, shifted):
        run = Run.start(Recipe("mlp", epochs=25, batch_size=50, augmentation=augmentation), "embedded", CPU)
        losses.append(list(fit(run, splits))[-1]["train_loss"])
    assert losses[0] < 0.3 < 1 < losses[1]


def test_the_progress_bar_shows_loss_accuracy_and_time_left(capsys):
    run = Run.start(Recipe("mlp", epochs=1, batch_size=10), "embedded", CPU)
    list(fit(run, small_splits(), progress=True))
    shown = capsys.readouterr().err
    assert "epoch  1/1" in shown
    assert "loss=" in shown
    assert "accuracy=" in shown
    list(fit(Run.start(run.recipe, "embedded", CPU), small_splits()))
    assert capsys.readouterr().err == ""


# Sentences ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def fails_in_a_sentence(capsys, monkeypatch):
    """A function: the command with these arguments ends with 1 and one line that tells this; no epoch has begun."""

    def check(arguments: list[str], *told: str, before_the_first_epoch: bool = True) -> None:
        if before_the_first_epoch:
            monkeypatch.setattr(mnist_core.recipes, "one_cycle", lambda done: pytest.fail("an epoch has begun"))
        assert main(arguments) == 1
        errors = capsys.readouterr().err
        assert errors.count("\n") == 1, errors
        for words in told:
            assert words in errors

    return check


@pytest.fixture
def stopped_run(tmp_path) -> Path:
    """A folder with what a run of one of two epochs has left."""
    run = Run.start(Recipe("mlp", epochs=2, batch_size=100, learning_rate=2e-3), "embedded", CPU)
    next(fit(run, small_splits()))
    run.save(tmp_path / "mlp.resume.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["--epochs", "3"], "(epochs)"),
        (["--epochs", "2", "--seed", "9"], "(seed)"),
        (["--epochs", "2", "--batch-size", "60", "--learning-rate", "0.1"], "(batch_size, learning_rate)"),
        (["--epochs", "2", "--data", "mnist"], "(data)"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(stopped_run, fails_in_a_sentence, mnist_is_not_read, changes, told):
    before = (stopped_run / "mlp.resume.safetensors").read_bytes()
    arguments = [*QUICK, *changes, "--resume", "--out", str(stopped_run)]
    fails_in_a_sentence(arguments, f"comes from a run with other settings {told}", "leave out --resume")
    assert (stopped_run / "mlp.resume.safetensors").read_bytes() == before


@pytest.fixture
def mnist_is_not_read(monkeypatch):
    monkeypatch.setattr(mnist_core.train, "load_splits", lambda _: load_splits("embedded"))


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"cut", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_broken_file_to_resume_from_is_named(stopped_run, fails_in_a_sentence, content):
    state = stopped_run / "mlp.resume.safetensors"
    state.write_bytes(state.read_bytes()[:-9] if content == b"cut" else content)
    arguments = [*QUICK, "--epochs", "2", "--resume", "--out", str(stopped_run)]
    fails_in_a_sentence(arguments, "mlp.resume.safetensors cannot be read", "Leave out --resume to start anew")


def test_where_there_is_nothing_to_resume_the_run_starts_anew_and_says_so(tmp_path, capsys):
    assert main([*QUICK, "--epochs", "1", "--resume", "--out", str(tmp_path)]) == 0
    assert "Nothing to resume: mlp.resume.safetensors is not in" in capsys.readouterr().out


def test_a_file_where_the_folder_should_be_is_told(tmp_path, fails_in_a_sentence):
    (tmp_path / "taken").write_text("")
    fails_in_a_sentence([*QUICK, "--out", str(tmp_path / "taken")], "taken is a file. Choose a folder with --out")
    fails_in_a_sentence([*QUICK, "--out", str(tmp_path / "taken" / "below")], "Cannot write to", "--out")


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path, monkeypatch, fails_in_a_sentence):
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(mnist_core.train, "write_atomically", refuse)
    fails_in_a_sentence([*QUICK, "--out", str(tmp_path)], f"Cannot write to {tmp_path}: Permission denied", "--out")


def test_a_disk_that_is_too_full_for_the_run_is_told_before_it(tmp_path, monkeypatch, fails_in_a_sentence):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_000_000))
    fails_in_a_sentence([*QUICK, "--out", str(tmp_path)], "has 3 MB left and the run needs", "choose another folder")
    assert list(tmp_path.iterdir()) == []


def test_the_room_that_is_asked_for_is_enough_for_what_a_run_writes(story, stopped_run, monkeypatch):
    written = sum(path.stat().st_size for path in [*story.whole.iterdir(), *stopped_run.iterdir()])
    twice = (
        written + (stopped_run / "mlp.resume.safetensors").stat().st_size
    )  # the old one stays until the new is whole
    usage = shutil.disk_usage(stopped_run)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=twice))
    with pytest.raises(TrainingError, match="Make room"):
        ensure_room(Run.start(RECIPES["mlp"], "embedded", CPU), stopped_run)


def test_the_room_that_is_asked_for_is_enough_for_an_average_and_a_teacher_too(tmp_path, monkeypatch):
    data = Labelled(*(array[:40] for array in load_embedded_digits()))
    run = Run.start(Recipe("mlp", epochs=2, batch_size=20, alone=0.5, keep=2.0, average=0.9), "embedded", CPU)
    list(fit(run, Splits(data, data, data)))
    run.save(tmp_path / "state")
    usage = shutil.disk_usage(tmp_path)
    twice = 2 * (tmp_path / "state").stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=twice))
    with pytest.raises(TrainingError, match="Make room"):
        ensure_room(run, tmp_path)


def test_a_disk_that_fills_up_during_a_run_is_told_and_what_was_saved_stays(tmp_path, monkeypatch, fails_in_a_sentence):
    write, calls = mnist_core.train.write_atomically, []

    def fill_up(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:  # the trial, epoch 1, epoch 2
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(mnist_core.train, "write_atomically", fill_up)
    arguments = [*QUICK, "--epochs", "2", "--out", str(tmp_path)]
    told = f"{tmp_path} cannot be written: No space left on device. Make room and go on with --resume."
    fails_in_a_sentence(arguments, told, before_the_first_epoch=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mlp.resume.safetensors"]
    monkeypatch.undo()
    assert main([*arguments, "--resume"]) == 0


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_run_is_kept(tmp_path, monkeypatch, fails_in_a_sentence):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", refuse)
    arguments = [*QUICK, "--epochs", "1", "--out", str(tmp_path)]
    fails_in_a_sentence(arguments, "No space left on device", "--resume", before_the_first_epoch=False)
    monkeypatch.undo()
    assert main([*arguments, "--resume"]) == 0
    assert load_checkpoint("mlp", tmp_path)[1].history[0]["epoch"] == 1


def test_data_that_cannot_be_had_is_told(tmp_path, monkeypatch, fails_in_a_sentence):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path / "taken"))
    fails_in_a_sentence(["--architecture", "mlp", "--out", str(tmp_path)], "MNIST cannot be read from or written to")


def test_a_batch_of_more_images_than_there_are_is_told(tmp_path, fails_in_a_sentence):
    arguments = [*QUICK, "--batch-size", "5000", "--out", str(tmp_path)]
    fails_in_a_sentence(arguments, "A batch of 5000 is more than the 1,200 training images.")


def test_a_run_whose_loss_explodes_is_told_what_to_try(tmp_path, fails_in_a_sentence):
    arguments = [*QUICK, "--epochs", "2", "--learning-rate", "1e30", "--out", str(tmp_path)]
    fails_in_a_sentence(arguments, "Try a lower --learning-rate", before_the_first_epoch=False)


@pytest.mark.parametrize(("changed", "name"), [(["--epochs", "1"], "mlp_tuned_embedded"), ([], "mlp_embedded")])
def test_only_the_shipped_recipe_takes_the_shipped_name(tmp_path, monkeypatch, changed, name):
    monkeypatch.setitem(RECIPES, "mlp", replace(RECIPES["mlp"], epochs=2))
    assert main(["--architecture", "mlp", "--data", "embedded", "--out", str(tmp_path), *changed]) == 0
    assert load_checkpoint(name, tmp_path)[1].recipe["epochs"] == (1 if changed else 2)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_told(tmp_path, monkeypatch, fails_in_a_sentence, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    fails_in_a_sentence([*QUICK, "--device", device, "--out", str(tmp_path)], f"no {device} device", "--device auto")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--architecture"),
        (["--architecture", "resnet"], "mnistnet"),
        (["--architecture", "mlp", "--epochs", "0"], "argument --epochs: '0' is not a whole number from 1 on"),
        (["--architecture", "mlp", "--epochs", "ten"], "argument --epochs: 'ten' is not a whole number from 1 on"),
        (["--architecture", "mlp", "--batch-size", "1.5"], "argument --batch-size: '1.5' is not a whole number"),
        (["--architecture", "mlp", "--batch-size", "²"], "argument --batch-size: '²' is not a whole number"),
        (["--architecture", "mlp", "--seed", "-1"], "argument --seed: '-1' is not a whole number from 0 on"),
        (["--architecture", "mlp", "--learning-rate", "0"], "argument --learning-rate: '0' is not a number above 0"),
        (["--architecture", "mlp", "--learning-rate", "1e300"], "'1e300' is not a number above 0, or far too large"),
        (["--architecture", "mlp", "--learning-rate", "fast"], "argument --learning-rate: 'fast' is not a number"),
        (["--architecture", "mlp", "--learning-rate", "inf"], "argument --learning-rate: 'inf' is not a number"),
        (["--architecture", "mlp", "--learning-rate", "nan"], "argument --learning-rate: 'nan' is not a number"),
        (["--architecture", "mlp", "--device", "abacus"], "argument --device"),
        (["--architecture", "mlp", "--name", "../mine"], "argument --name: '../mine' is not the name of a checkpoint"),
        (["--architecture", "mlp", "--speed", "9"], "--speed 9"),
    ],
)
def test_wrong_arguments_end_with_2_and_are_named(capsys, arguments, told):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_help_names_every_architecture_and_option_in_lines_that_fit(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    options = (
        "architecture",
        "epochs",
        "batch-size",
        "learning-rate",
        "device",
        "seed",
        "resume",
        "out",
        "data",
        "name",
    )
    for words in [*ARCHITECTURES, *(f"--{option}" for option in options), "torchrun"]:
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 100


# More than one process ---------------------------------------------------------------------------------------------


def test_two_processes_resume_and_train_together_and_one_of_them_writes(stopped_run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = command(
        *(*QUICK, "--epochs", "2", "--resume", "--out", str(stopped_run)),
        launcher=(
            *("-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(port)),
        ),
    )
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert out.count("written:") == 1
    assert [line[:11] for line in out.splitlines() if line.startswith("epoch")] == ["epoch   2/2"]
    assert {path.name for path in stopped_run.iterdir()} == {"mlp.safetensors", "mlp.json", "mlp.answers.npz"}
    card = load_checkpoint("mlp", stopped_run)[1]
    assert card.versions["processes"] == 2
    assert [row["epoch"] for row in card.history] == [1, 2]
    assert accuracy(evaluate(*load_answers(card, stopped_run))) == card.test
    assert "Traceback" not in errors


def learn_together(rank: int, meeting: str, folder: str) -> None:
    """What one of two processes has at the end of a run in two parts, written to a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    data = Labelled(*(array[:40] for array in load_embedded_digits()))
    recipe = Recipe("batchnorm_cnn", epochs=2, batch_size=20, alone=0.5, keep=2.0, average=0.9)
    run = Run.start(recipe, "embedded", CPU)
    list(fit(run, Splits(data, data, data)))
    run.save(Path(folder) / str(rank))
    dist.destroy_process_group()


def test_two_processes_end_with_the_same_statistics_and_the_same_teacher(tmp_path):
    torch.multiprocessing.spawn(learn_together, (str(tmp_path / "meeting"), str(tmp_path)), nprocs=2)
    first, second = (load_file(tmp_path / rank) for rank in "01")
    assert {"teacher", "average", "model"} <= {name.partition(".")[0] for name in first}
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
