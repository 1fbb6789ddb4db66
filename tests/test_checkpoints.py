"""Checkpoints come back as they were saved, a bad one is named and hides no good one, and the shipped ones are true."""

import errno
import hashlib
import json
import math
import os
import pickle
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mnist_core import checkpoints
from mnist_core.architectures import ARCHITECTURES, build, parameter_count
from mnist_core.checkpoints import (
    CHECKPOINTS,
    PREFERRED,
    Card,
    CheckpointError,
    list_checkpoints,
    load_answers,
    load_checkpoint,
    write_atomically,
)
from mnist_core.classifier import DigitClassifier, infer
from mnist_core.evaluate import accuracy, evaluate, score
from mnist_core.preprocess import to_tensor

# Round trip --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_checkpoint_comes_back_as_it_was_saved(save_untrained, tmp_path, architecture):
    saved = save_untrained("mine", architecture)
    torch.manual_seed(7)
    original = build(architecture).eval()
    model, card = load_checkpoint("mine", tmp_path)
    assert card == saved
    assert not model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.state_dict().keys() == original.state_dict().keys()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in original.state_dict().items())
    tensor = torch.randn(2, 1, 28, 28)
    assert torch.equal(model(tensor), original(tensor))
    labels, logits = load_answers(card, tmp_path)
    assert accuracy(evaluate(labels, logits)) == card.test


def test_the_model_is_rebuilt_from_its_card_alone(save_untrained, tmp_path):
    save_untrained("narrow", "simple_cnn", filters=5, hidden=12)
    model, card = load_checkpoint("narrow", tmp_path)
    assert model[0].out_channels == 5
    assert model[4].out_features == 12
    assert card.parameters == parameter_count(model)


def test_loading_draws_nothing_from_the_random_stream(save_untrained, tmp_path):
    save_untrained("mine")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    load_checkpoint("mine", tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_card_is_json_that_a_person_can_read(save_untrained, tmp_path):
    card = save_untrained("mine")
    values = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert values["architecture"] == "mlp"
    assert values["test"].keys() == {"correct", "total", "accuracy", "low", "high"}
    assert Card.from_json(card.to_json()) == card


def test_saving_again_replaces_the_checkpoint(save_untrained, tmp_path):
    save_untrained("mine", "mlp")
    save_untrained("mine", "wide_cnn")
    assert load_checkpoint("mine", tmp_path)[1].architecture == "wide_cnn"
    assert len(list(tmp_path.iterdir())) == 3


def test_checkpoints_are_listed_in_the_order_of_preference_and_then_by_name(save_untrained, tmp_path):
    for name in ("zebra", "mlp", "apple", "mnistnet"):
        save_untrained(name)
    cards, errors = list_checkpoints(tmp_path)
    assert [card.name for card in cards] == ["mnistnet", "mlp", "apple", "zebra"]
    assert errors == []
    assert DigitClassifier.load(folder=tmp_path).card.name == "mnistnet"


@pytest.mark.parametrize("folder", ["empty", "not there"])
def test_no_checkpoints_are_no_error_until_one_is_asked_for(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    assert list_checkpoints(tmp_path / folder) == ([], [])
    told = f"There is no checkpoint in {tmp_path / folder}. Train one: python -m mnist_core.train --architecture mlp."
    with pytest.raises(CheckpointError, match=re.escape(told)):
        DigitClassifier.load(folder=tmp_path / folder)


def test_where_the_house_has_no_checkpoint_its_folder_is_not_told(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", tmp_path)
    with pytest.raises(CheckpointError, match=r"^There is no checkpoint\. Train one"):
        checkpoints.preferred_checkpoint(tmp_path)


# Bad ones ----------------------------------------------------------------------------------------------------------


def change_card(**entries):
    def change(folder: Path) -> None:
        path = folder / "bad.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))

    return change


def change_score(**entries):
    def change(folder: Path) -> None:
        path = folder / "bad.json"
        values = json.loads(path.read_text())
        values["test"].update(entries)
        path.write_text(json.dumps(values))

    return change


def drop_entry(folder: Path) -> None:
    path = folder / "bad.json"
    values = json.loads(path.read_text())
    del values["recipe"]
    path.write_text(json.dumps(values))


def write(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def cut_weights(folder: Path) -> None:
    path = folder / "bad.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def alter_weights(folder: Path) -> None:
    path = folder / "bad.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def forget_a_weight(folder: Path) -> None:
    path = folder / "bad.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = math.nan
    save_file(tensors, path)
    change_card(sha256=hashlib.sha256(path.read_bytes()).hexdigest())(folder)


def swap_weights(folder: Path) -> None:
    shutil.copy(folder / "good.safetensors", folder / "bad.safetensors")


def put_a_folder(name: str):
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


BAD = {
    "no weights": (lambda folder: (folder / "bad.safetensors").unlink(), "bad.safetensors is missing"),
    "a folder for weights": (put_a_folder("bad.safetensors"), "bad.safetensors is missing"),
    "a folder for a card": (put_a_folder("bad.json"), "bad.json is missing"),
    "cut weights": (cut_weights, "bad.safetensors is not the file its card describes"),
    "one altered bit": (alter_weights, "bad.safetensors is not the file its card describes"),
    "the weights of another": (swap_weights, "bad.safetensors is not the file its card describes"),
    "a weight that is no number": (forget_a_weight, "bad.safetensors holds weights that are no numbers"),
    "an empty card": (write("bad.json", b""), "bad.json is not the card"),
    "a cut card": (write("bad.json", b'{"name": "bad", '), "bad.json is not the card"),
    "a card that is no text": (write("bad.json", b"\xff\xfe\x00\xd8"), "bad.json is not the card"),
    "a list": (write("bad.json", b"[]"), "bad.json is not the card.*not an object"),
    "deep nesting": (write("bad.json", b"[" * 200_000), "bad.json is not the card.*nested too deeply"),
    "a number without end": (write("bad.json", b"1" * 10_000), "bad.json is not the card"),
    "another program's JSON": (
        write("bad.json", b'{"scripts": {}}'),
        "bad.json is not the card.*unknown entries: scripts",
    ),
    "a missing entry": (drop_entry, "bad.json is not the card.*recipe"),
    "an entry too many": (change_card(colour="red"), "unknown entries: colour"),
    "another's card": (change_card(name="good"), "bad.json is the card of 'good'"),
    "an unknown architecture": (change_card(architecture="resnet"), "unknown architecture, 'resnet'"),
    "an architecture that is a list": (change_card(architecture=["mlp"]), "unknown architecture"),
    "arguments that are a list": (change_card(arguments=[]), "wrong type: arguments"),
    "a history that is text": (change_card(history="long"), "wrong type: history"),
    "a history of numbers": (change_card(history=[1, 2]), "wrong type: history"),
    "a history without what is charted": (change_card(history=[{"epoch": 1}]), "wrong type: history"),
    "a history in words": (
        change_card(history=[{"epoch": 1, "train_accuracy": "good", "validation_accuracy": 0.9}]),
        "wrong type: history",
    ),
    "a hash that is a number": (change_card(sha256=5), "wrong type: sha256"),
    "parameters in words": (change_card(parameters="many"), "wrong type: parameters"),
    "seconds in words": (change_card(seconds="long"), "wrong type: seconds"),
    "data that is a number": (change_card(data=3), "wrong type: data"),
    "versions that are a list": (change_card(versions=["torch"]), "wrong type: versions"),
    "a score that is a number": (change_card(test=0.99), "mistypes an entry"),
    "no score": (change_card(validation=None), "mistypes an entry"),
    "a score with a word in it": (change_score(accuracy="high"), "mistypes an entry"),
    "a score that counts in fractions": (change_score(correct=4.5), "bad.json is not the card"),
    "more right than there are": (change_score(correct=51), "more right answers than there are images"),
    "an accuracy that is no number": (change_score(accuracy=float("nan")), "outside its own interval"),
    "another architecture": (change_card(architecture="mlp", arguments={}), "bad.safetensors does not fit"),
    "another number of parameters": (change_card(parameters=5), "bad.json promises 5 parameters"),
    "a limit beyond all numbers": (
        change_card(limits={"digit": 10**400, "perhaps": 0, "candidate": 0.5}),
        "bad.json is not the card.*too large",
    ),
    "an interval that is no number": (change_score(high=float("inf")), "outside its own interval"),
}


@pytest.mark.parametrize("damage", BAD)
def test_a_bad_checkpoint_is_named_with_its_reason_and_hides_no_good_one(save_untrained, tmp_path, damage):
    save_untrained("bad", "simple_cnn", filters=2, hidden=3)
    save_untrained("good")
    spoil, told = BAD[damage]
    spoil(tmp_path)
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint("bad", tmp_path)
    cards, errors = list_checkpoints(tmp_path)
    assert [card.name for card in cards] == ["good"]
    assert len(errors) == 1
    assert "bad" in str(errors[0])
    assert DigitClassifier.load(folder=tmp_path).card.name == "good"


def test_where_the_only_checkpoint_is_broken_that_is_told_and_not_that_there_is_none(save_untrained, tmp_path):
    save_untrained("mine")
    (tmp_path / "mine.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="mine.safetensors is not the file its card describes"):
        DigitClassifier.load(folder=tmp_path)


def test_a_broken_preferred_checkpoint_is_told_and_no_other_answers_in_its_place(save_untrained, tmp_path):
    save_untrained("house")
    save_untrained("mlp")
    (tmp_path / "house.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="house.safetensors is not the file its card describes"):
        DigitClassifier.load(folder=tmp_path)


def test_a_card_that_may_not_be_read_is_told_without_the_folder_that_it_lies_in(save_untrained, tmp_path, monkeypatch):
    save_untrained("mine")

    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(CheckpointError, match=r"^mine\.json cannot be read: Permission denied\.$"):
        load_checkpoint("mine", tmp_path)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="ghost.json is missing"):
        load_checkpoint("ghost", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../mine",
        "inner/../../mine",
        "/etc/passwd",
        "a b",
        "mine\n",
        "mine\0",
        "..\\mine",
        "a" * 300,
        "\N{CJK UNIFIED IDEOGRAPH-4E03}" * 80,
        5,
        "a.resume",
        "a.recipe",
    ],
)
def test_a_name_that_leads_out_of_the_folder_or_is_another_files_is_refused(save_untrained, tmp_path, name):
    save_untrained("mine")
    (tmp_path / "inner").mkdir()
    with pytest.raises(CheckpointError, match="is not the name of a checkpoint"):
        load_checkpoint(name, tmp_path / "inner")


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("the-pickle-was-run",)


def describe_weights(folder: Path, content: bytes) -> None:
    """Give `content` the place of the weights, with a card that vouches for it."""
    (folder / "bad.safetensors").write_bytes(content)
    change_card(sha256=hashlib.sha256(content).hexdigest())(folder)


def test_a_pickle_that_calls_itself_safetensors_is_refused_and_never_run(save_untrained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_untrained("bad")
    describe_weights(tmp_path, pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="bad.safetensors does not fit"):
        load_checkpoint("bad", tmp_path)
    torch.save(Bomb(), tmp_path / "bomb.pt")
    describe_weights(tmp_path, (tmp_path / "bomb.pt").read_bytes())
    with pytest.raises(CheckpointError, match="bad.safetensors does not fit"):
        load_checkpoint("bad", tmp_path)
    assert not (tmp_path / "the-pickle-was-run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"dropout": "much"},
        {"dropout": 5},
        {"depth": 3},
        {"architecture": "wide_cnn"},
        {"self": 1},
    ],
)
def test_arguments_that_the_architecture_does_not_take_are_refused(save_untrained, tmp_path, arguments):
    save_untrained("bad")
    change_card(arguments=arguments)(tmp_path)
    with pytest.raises(CheckpointError, match="bad.safetensors does not fit the architecture on its card: ."):
        load_checkpoint("bad", tmp_path)


@pytest.mark.parametrize("hidden", [4, -1, 10**7, 10**30])
def test_arguments_of_another_size_are_refused_before_they_cost_memory(save_untrained, tmp_path, hidden):
    save_untrained("bad", "simple_cnn", filters=2, hidden=3)
    change_card(arguments={"filters": 2 if hidden < 10**7 else 10**6, "hidden": hidden})(tmp_path)
    with pytest.raises(CheckpointError, match="bad.safetensors does not fit the architecture on its card: ."):
        load_checkpoint("bad", tmp_path)


@pytest.mark.parametrize("kind", [torch.float16, torch.float64, torch.int32])
def test_weights_of_another_kind_of_number_are_refused(save_untrained, tmp_path, kind):
    save_untrained("bad")
    path = tmp_path / "bad.safetensors"
    save_file({name: tensor.to(kind) for name, tensor in load_file(path).items()}, path)
    describe_weights(tmp_path, path.read_bytes())
    with pytest.raises(CheckpointError, match="numbers are of another kind"):
        load_checkpoint("bad", tmp_path)


def test_missing_and_foreign_tensors_are_refused(save_untrained, tmp_path):
    save_untrained("bad")
    path = tmp_path / "bad.safetensors"
    tensors = load_file(path)
    tensors["stranger"] = tensors.pop("1.bias")
    save_file(tensors, path)
    describe_weights(tmp_path, path.read_bytes())
    with pytest.raises(CheckpointError, match='Missing key.*"1.bias".*Unexpected key.*"stranger"'):
        load_checkpoint("bad", tmp_path)


def test_a_card_that_promises_another_size_is_refused(save_untrained, tmp_path):
    save_untrained("bad")
    change_card(parameters=5)(tmp_path)
    with pytest.raises(CheckpointError, match="bad.json promises 5 parameters, not 242,762"):
        load_checkpoint("bad", tmp_path)


# Answers -----------------------------------------------------------------------------------------------------------


def put_a_folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def rewrite(**arrays):
    """Write the answers anew with other arrays; None leaves one out."""

    def change(path: Path) -> None:
        with np.load(path) as archive:
            kept = {**archive, **arrays}
        np.savez(path, **{name: array for name, array in kept.items() if array is not None})

    return change


def put_a_bare_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((50, 10), dtype=np.float32))


LABELS = np.zeros(50, dtype=np.uint8)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "is missing"),
        (put_a_folder_instead, "is broken"),
        (lambda path: path.write_bytes(path.read_bytes()[:-50]), "is broken"),
        (lambda path: path.write_bytes(b""), "is broken"),
        (put_a_bare_array, "is broken"),
        (rewrite(sha256=None), "is broken"),
        (rewrite(labels=None), "is broken"),
        (rewrite(sha256="another"), "belongs to other weights"),
        (rewrite(logits=np.zeros((49, 10), dtype=np.float32)), "holds .49, 10. of float32 instead of 50 x 10"),
        (rewrite(logits=np.zeros((50, 10), dtype=bool)), "holds .50, 10. of bool instead"),
        (rewrite(labels=LABELS[1:]), "does not hold a label for each"),
        (rewrite(labels=LABELS + 10), "does not hold a label for each"),
        (rewrite(labels=LABELS - 0.5), "does not hold a label for each"),
    ],
)
def test_answers_that_cannot_be_used_are_named_with_the_reason(save_untrained, tmp_path, spoil, told):
    card = save_untrained("mine")
    spoil(tmp_path / "mine.answers.npz")
    with pytest.raises(CheckpointError, match=f"mine.answers.npz {told}"):
        load_answers(card, tmp_path)


def test_pickled_answers_are_refused_and_never_run(save_untrained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card = save_untrained("mine")
    path = tmp_path / "mine.answers.npz"
    np.savez(path, labels=LABELS, logits=np.array([Bomb()], dtype=object), sha256=card.sha256)
    with pytest.raises(CheckpointError, match="mine.answers.npz is broken"):
        load_answers(card, tmp_path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="mine.answers.npz is broken"):
        load_answers(card, tmp_path)
    assert not (tmp_path / "the-pickle-was-run").exists()


def test_answers_of_retrained_weights_do_not_pass_for_those_of_the_old(save_untrained, tmp_path):
    old = save_untrained("mine")
    old_answers = (tmp_path / "mine.answers.npz").read_bytes()
    new = save_untrained("mine", "simple_cnn")
    assert new.sha256 != old.sha256
    (tmp_path / "mine.answers.npz").write_bytes(old_answers)
    with pytest.raises(CheckpointError, match="belongs to other weights than mine.safetensors"):
        load_answers(new, tmp_path)


# Writing -----------------------------------------------------------------------------------------------------------


def test_an_error_in_the_middle_of_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    write_atomically(path, b"old")

    def fill_the_disk(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_at_its_answers_leaves_no_new_card(save_untrained, tmp_path, monkeypatch):
    def fail(file, **_):
        file.write(b"PK")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="No space left"):
        save_untrained("mine")
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_leaves_the_checkpoint_that_was_there(save_untrained, tmp_path, monkeypatch):
    card = save_untrained("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "write_bytes", _full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_untrained("mine")
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert load_checkpoint("mine", tmp_path)[1].sha256 == card.sha256


def _full_disk(path: Path, content: bytes) -> None:
    if path.name.startswith(".mine.safetensors"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with path.open("wb") as file:
        file.write(content)


def test_files_have_the_permissions_that_the_umask_leaves(save_untrained, tmp_path):
    before = os.umask(0o027)
    try:
        save_untrained("mine")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_a_name_that_no_checkpoint_may_have_is_not_written_either(save_untrained, tmp_path):
    with pytest.raises(CheckpointError, match="is not the name of a checkpoint"):
        save_untrained("../mine", folder=tmp_path)
    assert list(tmp_path.iterdir()) == list(tmp_path.parent.glob("mine*")) == []


# Those that are shipped --------------------------------------------------------------------------------------------

PROMISED = {"mlp": 0.9839, "simple_cnn": 0.9827, "batchnorm_cnn": 0.9930, "wide_cnn": 0.9890, "mnistnet": 0.9930}


def test_a_network_of_each_architecture_is_shipped_whole_and_all_weigh_30_megabytes_at_most():
    cards, errors = list_checkpoints()
    assert errors == []
    assert {card.name for card in cards} >= set(PREFERRED) == set(ARCHITECTURES)
    files = [
        CHECKPOINTS / f"{card.name}{ending}" for card in cards for ending in (".safetensors", ".json", ".answers.npz")
    ]
    assert sum(file.stat().st_size for file in files) <= 30_000_000


@pytest.mark.parametrize("name", PREFERRED)
def test_a_shipped_card_is_true_to_its_weights_and_answers(name):
    model, card = load_checkpoint(name)
    assert parameter_count(model) == card.parameters
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
    assert card.test == score(card.test.correct, 10_000)
    assert card.validation == score(card.validation.correct, 5_000)
    assert card.history[-1]["validation_accuracy"] == pytest.approx(card.validation.accuracy, abs=1e-5)
    assert [row["epoch"] for row in card.history] == list(range(1, card.recipe["epochs"] + 1))
    assert card.test.accuracy >= PROMISED.get(name, 0)


@pytest.mark.parametrize("name", PREFERRED)
def test_shipped_answers_score_what_the_card_says(name):
    _, card = load_checkpoint(name)
    labels, logits = load_answers(card)
    assert np.isfinite(logits).all()
    assert accuracy(evaluate(labels, logits)) == card.test


@pytest.mark.parametrize("name", PREFERRED)
def test_shipped_weights_give_the_shipped_answers_again(name, mnist_test):
    model, card = load_checkpoint(name)
    # In this form and these portions the arithmetic is the same and takes half the time.
    logits = infer(model.to(memory_format=torch.channels_last), to_tensor(mnist_test.images), batch_size=100)
    labels, shipped = load_answers(card)
    np.testing.assert_array_equal(labels, mnist_test.labels)
    np.testing.assert_allclose(logits, shipped, atol=1e-3)
    assert accuracy(evaluate(mnist_test.labels, logits)).correct == card.test.correct
