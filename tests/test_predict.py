"""The predict command: a line for each picture, a sentence for what is none, and no traceback whatever comes."""

import csv
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from mnist_core import DigitClassifier, InkError, predict
from mnist_core.command import CommandError, Faults
from mnist_core.predict import main
from mnist_core.preprocess import STAGE_NAMES
from mnist_core.words import percent
from tests.inks import SEVEN

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def models(save_untrained, tmp_path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    save_untrained("small", folder=folder)
    return folder


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of good, blank and broken pictures, in folders of its own too."""
    folder = tmp_path / "ink"
    (folder / "b" / "deep").mkdir(parents=True)
    for name in ("seven.png", "b/seven.JPG", "b/deep/seven.webp", "a.bmp"):
        Image.fromarray(SEVEN).convert("RGB").save(folder / name)
    Image.new("L", (50, 50), 255).save(folder / "blank.png")
    whole = (folder / "seven.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no picture")
    (folder / "._seven.png").write_bytes(b"what a file manager left")
    return folder


@pytest.fixture
def ask(models, capsys):
    """Runs the command: its exit status, stdout and stderr."""

    def ask(*arguments) -> tuple[int, str, str]:
        status = main([*map(str, arguments), "--checkpoints", str(models)])
        return status, *capsys.readouterr()

    return ask


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_is_read_in_order_however_deep_and_what_is_broken_is_told_by_name(ask, pictures):
    status, out, err = ask(pictures, "--csv")
    told = [Path(row["file"]).relative_to(pictures).as_posix() for row in rows(out)]
    assert told == ["a.bmp", "blank.png", "seven.png", "b/seven.JPG", "b/deep/seven.webp"]
    assert err.splitlines() == [
        f"{pictures / 'cut.png'}: cut.png is cut off or broken: it could not be read to its end."
    ]
    assert status == 1


def test_a_link_to_a_folder_is_followed_and_links_in_a_circle_end(pictures, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "elsewhere").symlink_to(pictures / "b")
    (linked / "itself").symlink_to(linked)
    (pictures / "b" / "back").symlink_to(linked)
    faults = Faults()
    found = [Path(path).relative_to(linked).as_posix() for path in predict.find_pictures([str(linked)], faults)]
    assert (found, faults.count) == (["elsewhere/seven.JPG", "elsewhere/deep/seven.webp"], 0)


def test_the_answers_are_those_of_the_classifier(ask, pictures, models):
    prediction = DigitClassifier.load("small", models).predict(pictures / "seven.png")
    status, out, err = ask(pictures / "seven.png", "--json", "--top", 4)
    answer = json.loads(out)
    assert (status, err) == (0, "")
    assert (answer["file"], answer["digit"], answer["verdict"]) == (
        str(pictures / "seven.png"),
        prediction.digit,
        prediction.verdict,
    )
    assert answer["model"] == "small"
    np.testing.assert_allclose(answer["probabilities"], prediction.probabilities, atol=1e-6)
    assert [each["digit"] for each in answer["top"]] == [digit for digit, _ in prediction.top(4)]
    (row,) = rows(ask(pictures / "seven.png", "--csv", "--top", 2)[1])
    assert int(row["digit"]) == prediction.digit
    assert int(row["digit_2"]) == prediction.top(2)[1][0]
    assert float(row["confidence"]) == pytest.approx(prediction.confidence, abs=1e-6)
    head, line = ask(pictures / "seven.png")[1].splitlines()
    assert head.split() == ["digit", "confidence", "verdict", "file"]
    assert line.split()[0] == str(prediction.digit)


def test_a_blank_picture_has_no_digit_and_says_why(ask, pictures):
    status, out, _ = ask(pictures / "blank.png")
    assert status == 0
    assert out.splitlines()[1].split()[:3] == ["-", "-", "blank"]
    assert out.endswith("(Nothing is drawn.)\n")
    assert json.loads(ask(pictures / "blank.png", "--json")[1])["digit"] is None
    assert rows(ask(pictures / "blank.png", "--csv", "--top", 3)[1])[0]["digit_3"] == ""


def test_of_what_is_no_digit_no_likeliest_digits_are_told(ask, pictures, monkeypatch):
    away = DigitClassifier.judge

    def turn_away(classifier, traces):
        return [replace(each, verdict="not a digit") for each in away(classifier, traces)]

    monkeypatch.setattr(DigitClassifier, "judge", turn_away)
    (row,) = rows(ask(pictures / "seven.png", "--csv", "--top", 3)[1])
    assert row["verdict"] == "not a digit"
    assert [row[name] for name in ("digit", "confidence", "digit_2", "confidence_3")] == [""] * 4
    assert "%" not in ask(pictures / "seven.png", "--top", 3)[1]


def test_what_was_answered_before_the_disk_was_full_is_told(ask, pictures, monkeypatch, tmp_path):
    saved = []

    def fill_up(stages, path, trace):
        saved.append(path)
        if len(saved) == 3:
            raise CommandError("The disk is full.")

    monkeypatch.setattr("mnist_core.predict.Stages.save", fill_up)
    status, out, err = ask(*[pictures / "seven.png"] * 4, "--stages", tmp_path / "stages", "--csv")
    assert (status, len(rows(out)), err) == (1, 2, "The disk is full.\n")


def test_a_folder_that_cannot_be_looked_into_is_not_called_empty(ask, tmp_path, monkeypatch):
    (folder := tmp_path / "closed").mkdir()
    monkeypatch.setattr("mnist_core.predict.files_in", lambda path, tell: tell(path, "Permission denied.") or iter([]))
    assert ask(folder)[2] == f"{folder}: Permission denied.\n"


def test_hidden_folders_are_not_looked_into(ask, pictures):
    (pictures / ".cache").mkdir()
    shutil.copy(pictures / "seven.png", pictures / ".cache")
    assert ".cache" not in ask(pictures, "--csv")[1]


def test_as_many_digits_are_told_as_were_asked_for_and_three_to_a_program(ask, pictures, models):
    seven = pictures / "seven.png"
    top = DigitClassifier.load("small", models).predict(seven).top(3)
    assert [each["digit"] for each in json.loads(ask(seven, "--json")[1])["top"]] == [digit for digit, _ in top]
    head, line = ask(seven, "--top", 3)[1].splitlines()
    assert head.split() == ["digit", "confidence", "verdict", "then", "file"]
    assert line.count("%") == 3
    assert all(f"{digit} {percent(share)}" in line for digit, share in top[1:])


def test_where_no_picture_can_be_read_a_csv_still_names_its_columns(ask, pictures):
    assert ask(pictures / "cut.png", "--csv")[1] == "file,digit,confidence,verdict,reason\n"
    assert ask(pictures / "cut.png")[1] == ask(pictures / "cut.png", "--json")[1] == ""


def test_a_picture_is_not_waited_for_at_a_terminal(models, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(SystemExit) as end:
        main(["-", "--checkpoints", str(models)])
    assert end.value.code == 2
    assert "there is only a terminal" in capsys.readouterr().err


def test_a_picture_comes_on_standard_input(ask, pictures, monkeypatch):
    for content, status in (((pictures / "seven.png").read_bytes(), 0), (b"", 1), (b"no picture", 1)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        done, out, err = ask("-", "--csv")
        assert done == status
        assert len(rows(out)) == (not status)
        assert bool(err) == bool(status)


def test_a_picture_comes_through_a_pipe_with_a_name(ask, pictures, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((pictures / "seven.png").read_bytes()))
    writer.start()
    status, out, _ = ask(pipe, "--csv")
    writer.join()
    assert (status, len(rows(out))) == (0, 1)


@pytest.mark.parametrize(
    "name", ["two\nlines.png", "\x1b[31mred.png", "ä ☃ ' \".png", os.fsdecode(b"\xff.png"), "-v.png"]
)
def test_strange_names_break_no_line_and_come_back_whole_to_programs(ask, pictures, name):
    file = pictures / name
    (pictures / "seven.png").rename(file)
    table = ask(file)[1]
    assert len(table.splitlines()) == 2
    assert "\x1b" not in table
    assert json.loads(ask(file, "--json")[1])["file"] == str(file)
    if name.isprintable() or "\n" in name:
        assert rows(ask(file, "--csv")[1])[0]["file"] == str(file)


def test_what_is_not_there_is_told_and_the_rest_goes_on(ask, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    long = "x" * 300 + ".png"
    status, out, err = ask("nowhere.png", long, tmp_path / "empty", pictures / "seven.png", "--csv")
    assert (status, len(rows(out))) == (1, 1)
    assert "no file called nowhere.png" in err
    assert "holds no picture" in err
    assert len(err.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required"),
        ([""], "A PATH is empty"),
        (["x.png", "--top", "0"], "from 1 to 10"),
        (["x.png", "--top", "two"], "from 1 to 10"),
        (["x.png", "--json", "--csv"], "not allowed with"),
        (["x.png", "--model", ""], "no model called ''; there are small"),
        (["x.png", "--model", "nix"], "no model called 'nix'; there are small"),
        (["x.png", "--model", "../small"], "no model called"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(models, capsys, arguments, told):
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--checkpoints", str(models)])
    assert end.value.code == 2
    assert told in capsys.readouterr().err


def test_where_a_folder_has_no_model_at_all_that_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["x.png", "--model", "small", "--checkpoints", str(tmp_path)])
    assert end.value.code == 2
    assert f"There is no model called 'small'; there is none in {tmp_path}." in capsys.readouterr().err


def test_a_broken_model_is_told_in_a_sentence(ask, models, pictures):
    (models / "small.safetensors").write_bytes(b"cut")
    status, out, err = ask(pictures / "seven.png", "--model", "small")
    assert (status, out) == (1, "")
    assert "small.safetensors" in err


def test_a_folder_of_models_that_cannot_be_looked_into_is_named(capsys):
    folder = "x" * 300
    assert main(["seven.png", "--checkpoints", folder]) == 1
    assert capsys.readouterr().err == f"{folder} cannot be used: File name too long.\n"


def test_a_picture_in_a_folder_that_may_not_be_searched_is_not_passed_over(pictures, monkeypatch):
    look, closed = os.stat, str(pictures / "b" / "seven.JPG")

    def refuse(path, *arguments, **options):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return look(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert closed in predict.find_pictures([str(pictures)], Faults())


def test_each_stage_is_written_as_a_picture_with_a_folder_for_each_of_several(ask, pictures, tmp_path):
    names = [f"{number}_{name}.png" for number, name in enumerate(STAGE_NAMES, 1)]
    ask(pictures / "seven.png", "--stages", tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names
    with Image.open(tmp_path / "one" / "7_centre.png") as image:
        seen = DigitClassifier.load().predict(pictures / "seven.png").image
        np.testing.assert_array_equal(np.asarray(image), np.uint8(np.round(seen * 255)))
    ask(pictures / "seven.png", pictures / "seven.png", pictures / "blank.png", "--stages", tmp_path / "several")
    assert sorted(path.name for path in (tmp_path / "several").iterdir()) == ["blank.png", "seven.png", "seven.png (2)"]
    ask(pictures / "blank.png", "--stages", tmp_path / "one")
    assert len(list((tmp_path / "one").iterdir())) < len(names), "stages of other ink were left"
    status, _, err = ask(pictures / "seven.png", "--stages", pictures / "notes.txt")
    assert status == 1
    assert "cannot be written" in err


def test_stages_of_the_pictures_of_a_folder_have_a_folder_each_even_where_case_is_no_difference(
    ask, pictures, tmp_path
):
    ask(pictures / "b", "--stages", tmp_path / "of b")
    assert sorted(path.name for path in (tmp_path / "of b").iterdir()) == ["seven.JPG", "seven.webp"]
    shutil.copy(pictures / "seven.png", pictures / "b" / "SEVEN.png")
    ask(pictures / "seven.png", pictures / "b" / "SEVEN.png", "--stages", tmp_path / "both")
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["SEVEN.png (2)", "seven.png"]


def test_stages_leave_the_other_files_of_their_folder_alone(ask, pictures, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    picture = shutil.copy(pictures / "blank.png", own / "3_photo.png")
    ask(picture, "--stages", own)
    assert Path(picture).read_bytes() == (pictures / "blank.png").read_bytes()


def test_stages_are_not_written_over_the_picture_itself(ask, pictures):
    picture = (pictures / "seven.png").rename(pictures / "7_centre.png")
    before = picture.read_bytes()
    status, _, err = ask(picture, "--stages", pictures)
    assert (status, picture.read_bytes()) == (1, before)
    assert "would be written over" in err


def test_stages_are_not_written_where_they_would_be_read_or_over_what_is_yet_to_be_read(
    ask, pictures, tmp_path, capsys
):
    (pictures / "steps").mkdir()
    for arguments, told in (
        ((pictures, "--stages", pictures / "steps"), f"lies in {pictures}"),
        (
            (pictures / "seven.png", pictures / "b" / "seven.JPG", "--stages", pictures / "b"),
            "seven.JPG, which is read",
        ),
        ((pictures / "seven.png", "--stages", ""), "a folder has a name"),
    ):
        with pytest.raises(SystemExit, match="2"):
            ask(*arguments)
        assert told in capsys.readouterr().err
    assert not any((pictures / "steps").iterdir())


def test_where_no_stage_can_be_written_a_program_is_told_no_empty_line(ask, pictures):
    status, out, _ = ask(pictures / "seven.png", "--json", "--stages", pictures / "notes.txt")
    assert (status, out) == (1, "")


def test_thousands_of_files_go_through_in_batches_that_hold_no_picture_of_a_stage(ask, pictures, monkeypatch):
    batches = []
    judge = DigitClassifier.judge
    monkeypatch.setattr(DigitClassifier, "judge", lambda self, traces: batches.append(traces[:]) or judge(self, traces))
    monkeypatch.setattr(predict, "BATCH", 4)
    files = [pictures / "seven.png"] * 10
    assert len(rows(ask(*files, "--csv")[1])) == 10
    assert [len(batch) for batch in batches] == [4, 4, 2]
    held = [step.output for batch in batches for trace in batch for step in trace.steps if step.output is not None]
    assert max(output.nbytes for output in held) <= 28 * 28 * 4


def test_from_python_a_batch_gives_the_answers_of_its_pictures_one_by_one_in_their_order(models):
    classifier = DigitClassifier.load(folder=models)
    inks = [SEVEN, np.full_like(SEVEN, 255), 255 - SEVEN[..., :3], SEVEN[40:]] * 3
    together = classifier.predict_batch(iter(inks), batch_size=5)
    alone = [classifier.predict(ink) for ink in inks]
    assert [answer.verdict for answer in together] == [answer.verdict for answer in alone]
    assert [answer.digit for answer in together] == [answer.digit for answer in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
        np.testing.assert_array_equal(one.image, other.image)


def test_from_python_a_batch_of_one_ink_that_is_in_no_list_is_refused(models, pictures):
    classifier, path = DigitClassifier.load(folder=models), pictures / "seven.png"
    arrays = (SEVEN, SEVEN[..., :3], SEVEN[..., 0])
    arrays += tuple(torch.tensor(array) for array in arrays) + (np.zeros((28, 28)), bytearray(path.read_bytes()))
    for ink in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), Image.fromarray(SEVEN), *arrays):
        with pytest.raises(InkError, match="several inks"):
            classifier.predict_batch(ink)
    assert len(classifier.predict_batch(np.stack([SEVEN[..., 0], SEVEN[..., 0]]))) == 2


def test_from_python_a_batch_is_also_one_array_of_pictures_or_of_rows(models):
    classifier = DigitClassifier.load(folder=models)
    small = np.stack([np.asarray(Image.fromarray(SEVEN).convert("L").resize((28, 28))), np.eye(28, dtype=np.uint8)])
    expected = [answer.image for answer in classifier.predict_batch(list(small))]
    rows = small.reshape(2, 784)
    pictures = (small, small[:, None], small[..., None], torch.tensor(small), torch.tensor(small)[:, None] / 255)
    for inks in (*pictures, rows, torch.tensor(rows), pd.DataFrame(rows)):
        answers = classifier.predict_batch(inks)
        np.testing.assert_allclose([answer.image for answer in answers], expected, atol=1.01 / 255)
    assert classifier.predict_batch(rows[:0]) == []


def test_a_prediction_is_like_itself_alone_and_counts_no_digits_below_none(models):
    one, other = DigitClassifier.load(folder=models).predict_batch([SEVEN, SEVEN])
    assert len({one, other, one}) == 2
    assert (one.top(0), one.top(-3)) == ([], [])


def test_a_classifier_that_was_pickled_answers_the_same(models):
    classifier = DigitClassifier.load(folder=models)
    again = pickle.loads(pickle.dumps(classifier))
    assert again.card == classifier.card
    np.testing.assert_array_equal(again.predict(SEVEN).probabilities, classifier.predict(SEVEN).probabilities)


def start(*arguments, **streams) -> subprocess.Popen:
    command = [sys.executable, "-m", "mnist_core.predict", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, **streams)


def test_a_closed_pipe_ends_the_command_quietly(models, pictures):
    with start(pictures / "seven.png", "--checkpoints", models, stdout=subprocess.PIPE) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(60) == 128 + signal.SIGPIPE


def test_what_pillow_warns_of_is_not_printed_beside_the_sentence(models, tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    with start(tmp_path / "huge.png", "--checkpoints", models, stdout=subprocess.DEVNULL) as command:
        (told,) = command.stderr.read().decode().splitlines()
    assert told.endswith("Bring a smaller one.")


@pytest.mark.parametrize(
    ("closed", "rows_told", "told"), [("2>&-", 1, ""), (">&-", 0, "standard output is closed"), (">&- 2>&-", 0, "")]
)
def test_a_closed_stream_mixes_and_loses_nothing_unsaid(models, pictures, closed, rows_told, told):
    seven, cut = pictures / "seven.png", pictures / "cut.png"
    call = [sys.executable, "-m", "mnist_core.predict", seven, cut, "--csv", "--checkpoints", models]
    command = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *call], cwd=ROOT, capture_output=True, text=True)
    assert (command.returncode, [row["file"] for row in rows(command.stdout)]) == (1, [str(seven)] * rows_told)
    assert told in command.stderr


def test_ctrl_c_ends_the_command_quietly(models, pictures, tmp_path):
    stages = tmp_path / "stages"
    arguments = pictures / "seven.png", "-", "--stages", stages, "--checkpoints", models
    with start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as command:
        until = time.monotonic() + 60
        while not (stages / "seven.png" / "8_normalise.png").exists() and time.monotonic() < until:
            time.sleep(0.05)
        command.send_signal(signal.SIGINT)
        assert command.stderr.read() == b""
        assert command.wait(60) == 128 + signal.SIGINT
