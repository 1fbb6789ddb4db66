"""Holds what a recipe adds to its data, when it does so, and how it keeps to what the data alone have taught."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mnist_core import train
from mnist_core.architectures import build
from mnist_core.checkpoints import load_answers
from mnist_core.classifier import DigitClassifier, infer
from mnist_core.data import Labelled, Splits, load_embedded_digits
from mnist_core.pen import coarse_scan, written_digits
from mnist_core.recipes import Recipe
from mnist_core.train import Run, fit, rows_of_pass, save_result, with_own_pen


@pytest.fixture(scope="module")
def data() -> Labelled:
    images, labels = load_embedded_digits()
    return Labelled(images[:200], labels[:200])


def test_a_recipe_without_a_pen_leaves_the_data_as_they_are(data):
    images, labels = with_own_pen(data, Recipe("mlp", epochs=1))
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(labels, data.labels)


def test_the_pen_adds_its_digits_scans_of_both_and_what_is_no_digit_under_the_label_ten(data):
    images, labels = with_own_pen(data, Recipe("mlp", epochs=1, written=30, scanned=230, others=20))
    assert len(images) == len(labels) == 200 + 30 + 230 + 20
    np.testing.assert_array_equal(images[200:230], written_digits(30, seed=1)[0])
    # Every digit once more, in another order, with its own label.
    assert sorted(labels[230:460]) == sorted(labels[:230])
    assert (labels[460:] == 10).all()


def test_a_pass_sees_all_of_the_data_and_its_share_of_what_is_added_another_in_each():
    recipe = Recipe("mlp", epochs=9, each_pass=0.25)
    passes = [rows_of_pass(60, 400, recipe, epoch).tolist() for epoch in range(8)]
    for rows in passes:
        assert len(rows) == len(set(rows)) == 60 + 100
        assert set(range(60)) <= set(rows) <= set(range(460))
        assert rows != sorted(rows)
    added = [frozenset(row for row in rows if row >= 60) for rows in passes]
    assert len(set(added)) == 8
    assert len(frozenset.union(*added)) > 300
    assert sorted(rows_of_pass(60, 0, recipe, 0).tolist()) == list(range(60))


def test_the_same_seed_adds_the_same_scans_and_another_seed_others(data):
    def scans(seed: int) -> np.ndarray:
        return with_own_pen(data, Recipe("mlp", epochs=1, seed=seed, scanned=40)).images[200:]

    np.testing.assert_array_equal(scans(1), scans(1))
    assert (scans(1) != scans(2)).any()


def test_a_coarse_scan_fills_the_box_of_the_house_and_is_smoother_than_its_image():
    def roughness(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image.astype(float), n=2, axis=1)).mean())

    images, _, _ = written_digits(60, seed=4)
    rng = np.random.default_rng(0)
    scans = [coarse_scan(image, rng) for image in images]
    for scan in scans:
        rows, columns = (np.flatnonzero(scan.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
        assert (scan.dtype, scan.max()) == (np.uint8, 255)
    assert np.mean([roughness(scan) for scan in scans]) < 0.6 * np.mean([roughness(image) for image in images])
    alike = [np.corrcoef(scan.ravel(), image.ravel())[0, 1] for scan, image in zip(scans, images, strict=True)]
    assert np.median(alike) > 0.8


def trained(data: Labelled, **settings) -> Run:
    run = Run.start(Recipe("mlp", batch_size=100, **settings), "embedded", torch.device("cpu"))
    list(fit(run, splits_of(data)))
    return run


def splits_of(data: Labelled) -> Splits:
    return Splits(train=data, validation=data, test=data)


def test_the_first_share_of_a_run_sees_the_data_alone_and_the_last_epoch_always_sees_all(data, monkeypatch):
    seen = []
    monkeypatch.setattr(train, "augment", lambda images, *_: seen.append(len(images)) or images)
    for epochs, expected in ((5, [2, 2, 2, 4, 4]), (1, [4])):
        seen.clear()
        trained(data, epochs=epochs, written=200, alone=0.6)
        assert seen == [100] * sum(expected), "batches of 100: two of the data, four of all"


def test_departure_is_the_summed_cross_entropy_to_the_shares_of_the_teacher():
    generator = torch.Generator().manual_seed(0)
    tensor, logits = torch.randn(6, 1, 28, 28, generator=generator), torch.randn(6, 10, generator=generator)
    teacher = build("mlp").eval()
    shares, asked = teacher(tensor).softmax(dim=1), logits.softmax(dim=1)
    torch.testing.assert_close(train.departure(teacher, tensor, logits), -(shares * asked.log()).sum())
    assert train.departure(teacher, tensor[:0], logits[:0]) == 0, "of a batch without an image of the data"


def test_the_rate_does_half_a_cycle_with_the_data_alone_and_then_a_whole_one_of_its_own_peak():
    recipe = Recipe("mlp", epochs=10, learning_rate=4e-3, alone=0.5, second_peak=0.25)
    rates = [recipe.rate(epochs) for epochs in (0, 2, 5, 5.5, 6, 7.5, 10)]
    fallen = 0.5 * (1 + math.cos(math.pi * 0.3 / 0.8))
    again = 0.5 * (1 + math.cos(math.pi * 0.3 / 0.8))
    assert rates == pytest.approx([0, 4e-3, 4e-3 * fallen, 5e-4, 1e-3, 1e-3 * again, 0], abs=1e-12)
    assert [replace(recipe, alone=0.0).rate(epochs) for epochs in (0, 2, 10)] == pytest.approx([0, 1e-3, 0], abs=1e-12)


def test_when_the_pen_joins_the_run_goes_on_from_its_average_with_an_optimizer_that_remembers_nothing(data):
    run = trained(data, epochs=2, average=0.9)
    average = {name: tensor.clone() for name, tensor in run.learned.state_dict().items()}
    assert any((tensor != run.model.state_dict()[name]).any() for name, tensor in average.items())
    run.begin_again()
    for part in (run.model, run.teacher, run.learned):
        for name, tensor in part.state_dict().items():
            assert torch.equal(tensor, average[name]), name
    assert not run.optimizer.state
    assert not run.teacher.training


def test_a_run_that_keeps_to_what_the_data_taught_stays_nearer_to_it(data):
    def distance(keep: float) -> float:
        run = trained(data, epochs=12, written=200, alone=0.5, keep=keep, learning_rate=5e-3)
        tensor = train.to_tensor(data.images)
        shares = (torch.from_numpy(infer(model, tensor)).softmax(dim=1) for model in (run.learned, run.teacher))
        return float(torch.sub(*shares).abs().mean())

    assert distance(keep=10.0) < 0.7 * distance(keep=0.0)


def test_a_resumed_run_still_has_its_teacher(data, tmp_path):
    recipe = Recipe("mlp", epochs=4, batch_size=100, written=200, alone=0.5, keep=2.0, average=0.9)
    splits = splits_of(data)
    whole, stopped, resumed = (Run.start(recipe, "embedded", torch.device("cpu")) for _ in range(3))
    list(fit(whole, splits))
    for row, _ in zip(fit(stopped, splits), range(3), strict=False):
        stopped.save(tmp_path / f"{row['epoch']}")
    for epoch in (1, 3, 2):  # 3 knows the teacher, and 2 is not to keep it
        resumed.go_on(resumed.read(tmp_path / f"{epoch}"))
        assert (resumed.teacher is None) == (epoch < 3)
        list(fit(resumed, splits))
        for name, tensor in whole.learned.state_dict().items():
            assert torch.equal(resumed.learned.state_dict()[name], tensor), (epoch, name)


def test_what_is_shipped_of_the_house_is_its_average_folded_with_temperature_and_limits(data, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "HELD_WRITTEN", 100)
    recipe = Recipe("house", epochs=2, batch_size=50, written=50, others=50, average=0.9, alone=0.5)
    run = Run.start(recipe, "embedded", torch.device("cpu"))
    list(fit(run, splits_of(data)))
    averaged = infer(run.learned, train.to_tensor(data.images))
    card = save_result(run, splits_of(data), "mine", tmp_path)
    assert (card.arguments, card.history) == ({"folded": True}, run.history)
    assert card.limits.temperature != 1
    classifier = DigitClassifier.load("mine", tmp_path)
    assert classifier.card == card
    expected = averaged / card.limits.temperature
    np.testing.assert_allclose(infer(classifier.model, train.to_tensor(data.images)), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(load_answers(card, tmp_path)[1], expected, rtol=1e-3, atol=1e-4)
    means = [name for name, _ in run.learned.named_buffers() if name.endswith("running_mean")]
    assert len(means) == 5
    for name in means:
        mean = run.learned.get_buffer(name)
        assert mean.any(), "it never moved"
        assert (mean != run.model.get_buffer(name)).any(), "the last one, not their average"
    assert (infer(run.model, train.to_tensor(data.images)) != averaged).any(), "the last weights, not their average"
